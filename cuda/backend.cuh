#pragma once
/// \file The GPU as a backend: the counterpart of host/cpu/backend.hpp, which lists what a backend offers.
///
/// All work goes to one stream, in order. The first time `replay` runs a body as it is, so that whatever is allocated
/// on first use exists; the second time it records the body as a CUDA graph; from then on it only launches the graph.
/// While it is recorded, a body may neither allocate nor wait nor copy to the host, and its launches must have the same
/// arguments each time.
///
/// A backend holds the recordings, time stamps and reports of one training: each trainer gets a backend of its own.
/// Networks (`Mlp`) are in cuda/mlp.cuh.

#include <array>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/buffer.cuh"
#include "cuda/fused_minibatch.cuh"
#include "cuda/handles.cuh"
#include "cuda/launch.cuh"
#include "cuda/product.cuh"
#include "cuda/sum.cuh"
#include "host/engine/check_copy.hpp"
#include "host/engine/communicator.hpp"
#include "host/engine/phase.hpp"
#include "kernels/math.hpp"

namespace stampede {

class CudaLinear;
class CudaMlp;

class CudaBackend {
 public:
  template <class T>
  using Buffer = DeviceBuffer<T>;
  using Mlp = CudaMlp;
  using Linear = CudaLinear;
  using Minibatch = cuda::FusedMinibatch;

  /// Iterations whose reports and time stamps are kept.
  static constexpr int kReportSlots = 2;
  /// Whether phases can be timed in passing: the times of marks are there only when the device has passed them.
  static constexpr bool kTimesWithoutWaiting = false;
  static constexpr bool kNetworksInOneLaunch = true;
  static constexpr Index kGradientSlices = 128;

  CudaBackend() : report_memory_(kReportSlots * kMostReported) {}
  CudaBackend(const CudaBackend&) = delete;
  CudaBackend& operator=(const CudaBackend&) = delete;
  /// Waits for the work under way, which uses memory that is about to be freed.
  ~CudaBackend() { STAMPEDE_CUDA_WARN(cudaStreamSynchronize(stream_)); }

  /// Where work runs. A GPU takes everything as one tile.
  struct Context {
    CudaBackend* backend;
    /// Whether a gradient is computed: what runs forward is followed by the way back.
    bool learns = false;

    /// Whether a tile's gradient is added to what is there; there is one tile only.
    bool accumulates() const { return false; }

    template <class Kernel>
    void launch(Range range, const Kernel& kernel) const {
      cuda::launch_elements(backend->stream_, range, kernel);
    }
    /// To look at the flags, the host would have to wait for the device; so the answer is always yes.
    bool any_set(const float*, Range) const { return true; }
    /// Nothing to do: while some threads wait for rows from memory, others compute.
    void fetch_rows(const float*, Index, const std::uint32_t*, Index) const {}
    /// Where timing is on, adds the time since the last mark to the phase's.
    void mark(Phase phase) const {
      if (backend->timing_) backend->record_mark(phase);
    }
  };

  // ------------------------------------------------------------------------------------------ memory

  template <class T>
  Buffer<T> make_buffer(Index size) {
    return Buffer<T>(size);
  }
  template <class T>
  void upload(Buffer<T>& to, const T* from, Index count, Index at = 0) {
    check_copy("upload", to.size(), at, count);
    copy(to.data() + at, from, count, cudaMemcpyHostToDevice);
  }
  template <class T>
  void download(const Buffer<T>& from, T* to, Index count, Index at = 0) {
    check_copy("download", from.size(), at, count);
    copy(to, from.data() + at, count, cudaMemcpyDeviceToHost);
  }

  /// Rows that live only within a tile.
  class Scratch {
   public:
    Scratch() = default;
    Scratch(CudaBackend&, Index rows, Index columns) : rows_(rows), data_(rows * columns) {}
    float* at(const Context&) { return data_.data(); }
    /// Rows that there is room for at once.
    Index rows() const { return rows_; }

   private:
    Index rows_ = 0;
    DeviceBuffer<float> data_;
  };

  // ------------------------------------------------------------------------------------------ work

  template <class Kernel>
  void launch(Index n, const Kernel& kernel) {
    cuda::launch_elements(stream_, {0, n}, kernel);
  }
  template <class Kernel>
  void launch_single(const Kernel& kernel) {
    cuda::launch_once(stream_, kernel);
  }

  template <class Body>
  void for_tiles(Index n, const Body& body, Index = 1) {
    if (timing_) begin_marks();
    body(Context{this}, Range{0, n});
  }

  /// There is one tile only, so its gradient is the sum over all samples, and nothing is left to add up.
  class Gradient {
   public:
    Gradient() = default;
    Gradient(CudaBackend&, Index parameters, Index, Index = 1) : total_(padded(parameters)) {}
    float* of(const Context&) { return total_.data(); }
    float* total() { return total_.data(); }
    void collect(CudaBackend&, Index) {}
    /// Makes room for what the blocks of a kernel leave to be added up (cuda/fused_minibatch.cuh) [floats], and for the
    /// squares that the blocks which add it up leave.
    void reserve_parts(Index count, Index blocks) {
      if (parts_.size() < count) parts_ = DeviceBuffer<float>(count);
      if (squares_.size() < blocks) squares_ = DeviceBuffer<float>(blocks);
      if (arrived_.size() < 1) arrived_ = DeviceBuffer<unsigned>(1);
    }
    float* parts() { return parts_.data(); }
    float* squares() { return squares_.data(); }
    unsigned* arrived() { return arrived_.data(); }
    /// A copy on the host.
    std::vector<float> read(CudaBackend& backend) const {
      std::vector<float> values(static_cast<std::size_t>(total_.size()));
      backend.download(total_, values.data(), total_.size());
      return values;
    }

   private:
    DeviceBuffer<float> total_, parts_, squares_;
    DeviceBuffer<unsigned> arrived_;
  };

  template <class Body>
  void for_samples(Index n, const Gradient&, const Body& body) {
    body(Context{this, true}, Range{0, n});
  }

  /// out[column][k] = sum over i < n of functor(i, column)[k], in a fixed order (cuda/sum.cuh).
  template <int K, class Functor>
  void sum(Index n, int columns, const Functor& functor, float* out) {
    reserve_partials(cuda::sum_scratch(columns, K), columns);
    cuda::enqueue_sum<K>(stream_, n, columns, functor, partial_sums_.data(), arrived_.data(), out);
  }
  /// The same where column c has functor.elements(c) elements, `most` or fewer.
  template <int K, class Functor>
  void sum_each(Index most, int columns, const Functor& functor, float* out) {
    static_assert(cuda::CountsElements<Functor>);
    sum<K>(most, columns, functor, out);
  }
  /// *out = sum over i < n of functor(i, 0)[0], then then(), once.
  template <class Functor, class Then>
  void sum_then(Index n, const Functor& functor, float* out, const Then& then) {
    reserve_partials(cuda::sum_scratch(1, 1), 1);
    cuda::enqueue_sum<1>(stream_, n, 1, functor, partial_sums_.data(), arrived_.data(), out, then);
  }
  /// Allocates the scratch memory of sums of so many columns, up to four a column, so that none is allocated later.
  void reserve_sums(int columns) { reserve_partials(cuda::sum_scratch(columns, 4), columns); }

  /// out[column] = sum over i < n of functor(i, column), a std::uint32_t.
  template <class Functor>
  void count(Index n, int columns, const Functor& functor, std::uint64_t* out) {
    cuda::enqueue_count(stream_, n, columns, functor, out);
  }

  /// out[block * out_stride + row] = the largest finite one of the first n elements of the row, kNoMaximum where there
  /// is none. Rows of a block are `stride` apart, and blocks follow each other.
  void row_maxima(const float* from, Index blocks, int rows, Index stride, Index n, float* out, Index out_stride);

  // ------------------------------------------------------------------------------------------ other ranks

  /// Combines the ranks' numbers; until one is set, that of a single process, which changes nothing.
  Communicator<CudaBackend>& communicator() { return *communicator_; }
  /// `check` is called while the host waits for the device, whose work may wait for other ranks: it throws Error, and
  /// ends that work, where one is gone.
  void set_communicator(std::unique_ptr<Communicator<CudaBackend>> communicator, std::function<void()> check) {
    communicator_ = std::move(communicator);
    check_ranks_ = std::move(check);
  }

  // ------------------------------------------------------------------------------------------ order and time

  /// Runs a fixed sequence of work; `id` < kReplays tells the sequences apart.
  template <class Body>
  void replay(int id, const Body& body) {
    Recording& recording = recordings_.at(static_cast<std::size_t>(id));
    if (recording.runs++ == 0) return body();
    if (recording.runs == 2) {
      capturing_ = true;
      try {
        recording.graph.record(stream_, body);
      } catch (...) {
        capturing_ = false;
        throw;
      }
      capturing_ = false;
      recorded_ = true;
    }
    recording.graph.launch(stream_);
  }
  void synchronise();

  /// Splits the time of for_tiles into phases from now on. To be set before the first `replay`.
  void set_timing(bool on) { timing_ = on; }
  /// Seconds of the last for_tiles; waits for it. 0 where timing is off.
  double phase_seconds(Phase phase);

  /// Time stamps and reports: slot s holds those of one iteration in flight.
  void stamp(int slot, int index) { STAMPEDE_CUDA(cudaEventRecord(stamp_of(slot, index), stream_)); }
  double seconds_between(int slot, int from, int to) const {
    return seconds_from(stamp_of(slot, from), stamp_of(slot, to));
  }
  void enqueue_report(int slot, const Buffer<float>& from, Index count);
  /// Whether the slot's report has arrived; with `wait`, waits until it has.
  bool report_ready(int slot, bool wait);
  const float* report(int slot) const { return report_memory_.data() + slot * kMostReported; }

  cudaStream_t stream() const { return stream_; }
  /// What the calling thread allocates from now on lies on this backend's GPU.
  void use_device() const { stream_.use_gpu(); }
  BlasContext& blas() { return blas_; }

 private:
  static constexpr int kReplays = 4, kStamps = 4;
  static constexpr Index kMostReported = 256;

  struct Recording {
    int runs = 0;
    CudaGraph graph;
  };
  /// A time stamp at the end of a stretch of work, and the phase that the stretch belongs to.
  struct Mark {
    CudaEvent event;
    Phase phase;
  };

  template <class T>
  void copy(T* to, const T* from, Index count, cudaMemcpyKind kind) {
    if (count == 0) return;
    STAMPEDE_CUDA(cudaMemcpyAsync(to, from, static_cast<std::size_t>(count) * sizeof(T), kind, stream_));
    synchronise();
  }

  const CudaEvent& stamp_of(int slot, int index) const {
    return stamps_.at(static_cast<std::size_t>(slot)).at(static_cast<std::size_t>(index));
  }
  /// Waits until `ask`, such as cudaEventQuery, no longer answers cudaErrorNotReady.
  template <class Ask>
  void wait_beside_ranks(const Ask& ask, const char* call);
  void reserve_partials(Index floats, Index columns);
  void begin_marks();
  void record_mark(Phase phase);
  void record_timing_event(const CudaEvent& event);

  CudaStream stream_;
  BlasContext blas_;
  std::unique_ptr<Communicator<CudaBackend>> communicator_ = std::make_unique<SingleProcess<CudaBackend>>();
  std::function<void()> check_ranks_;  ///< none in a single process
  DeviceBuffer<float> partial_sums_;
  DeviceBuffer<unsigned> arrived_;  ///< of each column of a sum: cuda::comes_last
  std::array<Recording, kReplays> recordings_;
  bool capturing_ = false, recorded_ = false;

  bool timing_ = false;
  CudaEvent marks_begin_;
  std::vector<Mark> marks_;
  std::size_t marks_used_ = 0;

  std::array<std::array<CudaEvent, kStamps>, kReportSlots> stamps_;
  std::array<CudaEvent, kReportSlots> reported_;
  PinnedFloats report_memory_;
};

}  // namespace stampede
