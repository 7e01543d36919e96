/// \file The GPU as a backend: what is not a template.
#include "cuda/backend.cuh"

#include <chrono>
#include <thread>

namespace stampede {
namespace {

/// A thread block a row; rows of all blocks follow each other along the grid's x, which alone may be longer than 65535.
__global__ void __launch_bounds__(cuda::kSumBlock)
    find_row_maxima(const float* from, int rows, Index stride, Index n, float* out, Index out_stride) {
  using Reduce = cub::BlockReduce<float, cuda::kSumBlock>;
  __shared__ typename Reduce::TempStorage storage;
  const Index place = static_cast<Index>(blockIdx.x), block = place / rows, row = place - block * rows;
  const float* at = from + place * stride;
  float most = kNoMaximum;
  for (Index i = threadIdx.x; i < n; i += cuda::kSumBlock) most = max(most, finite_or(at[i], kNoMaximum));
  most = Reduce(storage).Reduce(most, [](float a, float b) { return a < b ? b : a; });
  if (threadIdx.x == 0) out[block * out_stride + row] = most;
}

}  // namespace

void CudaBackend::row_maxima(const float* from, Index blocks, int rows, Index stride, Index n, float* out,
                             Index out_stride) {
  const auto grid = static_cast<unsigned>(blocks * rows);
  find_row_maxima<<<grid, cuda::kSumBlock, 0, stream_>>>(from, rows, stride, n, out, out_stride);
  cuda::check_launch(stream_, "find_row_maxima");
}

template <class Ask>
void CudaBackend::wait_beside_ranks(const Ask& ask, const char* call) {
  for (cudaError_t status = ask();; status = ask()) {
    if (status != cudaErrorNotReady) return cuda::check(status, call);
    cudaGetLastError();  // clears "not ready", which the next launch check would take for an error
    check_ranks_();
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

void CudaBackend::synchronise() {
  if (!check_ranks_) return STAMPEDE_CUDA(cudaStreamSynchronize(stream_));
  wait_beside_ranks([this] { return cudaStreamQuery(stream_); }, "cudaStreamQuery(stream_)");
}

void CudaBackend::reserve_partials(Index floats, Index columns) {
  if (partial_sums_.size() >= floats && arrived_.size() >= columns) return;
  // Recorded graphs hold the addresses of the present arrays, so these can no longer be replaced.
  if (capturing_ || recorded_) throw Error("cuda: sums of more columns than were reserved", Status::kFailed);
  synchronise();
  if (partial_sums_.size() < floats) partial_sums_ = DeviceBuffer<float>(floats);
  if (arrived_.size() < columns) arrived_ = DeviceBuffer<unsigned>(columns);
}

void CudaBackend::record_timing_event(const CudaEvent& event) {
  if (capturing_) {
    // A node of the graph that records the event anew at every launch.
    STAMPEDE_CUDA(cudaEventRecordWithFlags(event, stream_, cudaEventRecordExternal));
  } else {
    STAMPEDE_CUDA(cudaEventRecord(event, stream_));
  }
}

void CudaBackend::begin_marks() {
  marks_used_ = 0;
  record_timing_event(marks_begin_);
}

void CudaBackend::record_mark(Phase phase) {
  if (marks_used_ == marks_.size()) marks_.emplace_back();
  Mark& mark = marks_[marks_used_++];
  mark.phase = phase;
  record_timing_event(mark.event);
}

double CudaBackend::phase_seconds(Phase phase) {
  if (!timing_) return 0;
  synchronise();
  double seconds = 0;
  const CudaEvent* last = &marks_begin_;
  for (std::size_t i = 0; i < marks_used_; ++i) {
    if (marks_[i].phase == phase) seconds += seconds_from(*last, marks_[i].event);
    last = &marks_[i].event;
  }
  return seconds;
}

void CudaBackend::enqueue_report(int slot, const Buffer<float>& from, Index count) {
  if (count > kMostReported) throw Error("cuda: a report of " + std::to_string(count) + " numbers", Status::kFailed);
  float* to = report_memory_.data() + slot * kMostReported;
  STAMPEDE_CUDA(cudaMemcpyAsync(to, from.data(), static_cast<std::size_t>(count) * sizeof(float),
                                cudaMemcpyDeviceToHost, stream_));
  STAMPEDE_CUDA(cudaEventRecord(reported_.at(static_cast<std::size_t>(slot)), stream_));
}

bool CudaBackend::report_ready(int slot, bool wait) {
  const CudaEvent& event = reported_.at(static_cast<std::size_t>(slot));
  if (wait) {
    if (check_ranks_) {
      wait_beside_ranks([&event] { return cudaEventQuery(event); }, "cudaEventQuery(event)");
    } else {
      STAMPEDE_CUDA(cudaEventSynchronize(event));
    }
    return true;
  }
  const cudaError_t status = cudaEventQuery(event);
  if (status == cudaErrorNotReady) {
    cudaGetLastError();  // clears "not ready", which the next launch check would take for an error
    return false;
  }
  cuda::check(status, "cudaEventQuery(event)");
  return true;
}

}  // namespace stampede
