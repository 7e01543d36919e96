#pragma once
/// \file Owners of CUDA's handles: stream, event, recorded graph.

#include <utility>

#include "cuda/check.cuh"

namespace stampede {

/// A stream of its own, on the calling thread's GPU, that the default stream does not wait for.
class CudaStream {
 public:
  CudaStream() {
    STAMPEDE_CUDA(cudaGetDevice(&gpu_));
    STAMPEDE_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  ~CudaStream() {
    STAMPEDE_CUDA_WARN(cudaStreamSynchronize(stream_));
    STAMPEDE_CUDA_WARN(cudaStreamDestroy(stream_));
  }
  /// Its GPU becomes the calling thread's, on which the thread then allocates, and which CUDA wants of those that put
  /// work into a stream. A thread begins with GPU 0.
  void use_gpu() const {
    int now = 0;
    // What fails here fails in the next call as well, which tells it.
    if (cudaGetDevice(&now) == cudaSuccess && now != gpu_) cudaSetDevice(gpu_);
  }
  /// For a call.
  operator cudaStream_t() const {
    use_gpu();
    return stream_;
  }

 private:
  int gpu_ = 0;
  cudaStream_t stream_ = nullptr;
};

class CudaEvent {
 public:
  CudaEvent() { STAMPEDE_CUDA(cudaEventCreate(&event_)); }
  CudaEvent(CudaEvent&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  CudaEvent& operator=(CudaEvent&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  ~CudaEvent() {
    if (event_ != nullptr) STAMPEDE_CUDA_WARN(cudaEventDestroy(event_));
  }
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Seconds from one recorded event to another; the device must have reached both.
inline double seconds_from(const CudaEvent& from, const CudaEvent& to) {
  float milliseconds = 0;
  STAMPEDE_CUDA(cudaEventElapsedTime(&milliseconds, from, to));
  return 1e-3 * static_cast<double>(milliseconds);
}

/// Work recorded from a stream, ready to be launched again and again.
class CudaGraph {
 public:
  CudaGraph() = default;
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  ~CudaGraph() {
    if (executable_ != nullptr) STAMPEDE_CUDA_WARN(cudaGraphExecDestroy(executable_));
  }

  /// Records what body enqueues on the stream; nothing of it runs.
  template <class Body>
  void record(cudaStream_t stream, const Body& body) {
    STAMPEDE_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    cudaGraph_t graph = nullptr;
    try {
      body();
    } catch (...) {
      // Ends the capture, so that the stream can be used again. Errors are ignored: one is being thrown already.
      cudaStreamEndCapture(stream, &graph);
      if (graph != nullptr) cudaGraphDestroy(graph);
      cudaGetLastError();
      throw;
    }
    STAMPEDE_CUDA(cudaStreamEndCapture(stream, &graph));
    const cudaError_t status = cudaGraphInstantiate(&executable_, graph, 0);
    STAMPEDE_CUDA_WARN(cudaGraphDestroy(graph));
    cuda::check(status, "cudaGraphInstantiate(&executable_, graph, 0)");
  }
  void launch(cudaStream_t stream) const { STAMPEDE_CUDA(cudaGraphLaunch(executable_, stream)); }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace stampede
