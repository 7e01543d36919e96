#pragma once
/// \file Checks of CUDA and cuBLASLt calls: failures throw Error with the call and its reason, OutOfMemory where memory
/// ran out; destructors, which must not throw, warn on stderr.

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <atomic>
#include <cstdio>
#include <string>

#include "host/base/error.hpp"
#include "host/base/memory.hpp"

/// Each takes one call; a status that was stored goes to check() with the call's name. Those that end in _WARN are for
/// destructors.
#define STAMPEDE_CUDA(call) ::stampede::cuda::check((call), #call)
#define STAMPEDE_CUBLAS(call) ::stampede::cuda::check((call), #call)
#define STAMPEDE_CUDA_WARN(call) ::stampede::cuda::warn((call), #call)
#define STAMPEDE_CUBLAS_WARN(call) ::stampede::cuda::warn((call), #call)

namespace stampede::cuda {

/// The last failure that was thrown or warned of; at first success, which is 0. Once a kernel has failed, every later
/// call gives its error again: destructors do not warn of what was said already.
template <class T>
inline std::atomic<T> last_said{};

/// The error for the GPU's memory that ran out: it has no room for `what`.
inline OutOfMemory no_room_for(const std::string& what) {
  cudaGetLastError();  // as in check()
  std::string text = "the GPU has no room for " + what;
  std::size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) == cudaSuccess) {
    text += ": " + std::to_string(free >> 20);
    text += " MiB of " + std::to_string(total >> 20);
    text += " MiB are free";
  } else {
    cudaGetLastError();
  }
  return OutOfMemory(text);
}
/// The same for what a call needs.
inline OutOfMemory no_room_in(const std::string& call) {
  return no_room_for("what " + call.substr(0, call.find('(')) + " needs");
}

inline void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears the error, which is reported here, so that the next launch is not blamed for it
  if (status == cudaErrorMemoryAllocation) throw no_room_in(call);
  last_said<cudaError_t> = status;
  throw Error(std::string("CUDA: ") + cudaGetErrorName(status) + ", " + cudaGetErrorString(status) + ", in " + call,
              Status::kFailed);
}
inline void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw no_room_in(call);
  last_said<cublasStatus_t> = status;
  throw Error(std::string("cuBLASLt: ") + cublasLtGetStatusString(status) + ", in " + call, Status::kFailed);
}

inline void warn(cudaError_t status, const char* call) noexcept {
  // When the process ends, the driver may be gone before the last destructor runs.
  if (status == cudaSuccess || status == cudaErrorCudartUnloading) return;
  if (last_said<cudaError_t>.exchange(status) == status) return;
  std::fprintf(stderr, "warning: CUDA: %s in %s\n", cudaGetErrorString(status), call);
}
inline void warn(cublasStatus_t status, const char* call) noexcept {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  if (last_said<cublasStatus_t>.exchange(status) == status) return;
  std::fprintf(stderr, "warning: cuBLASLt: %s in %s\n", cublasLtGetStatusString(status), call);
}

/// To be called after every launch. Debug builds wait for the kernel, so that its own failure is reported here too.
inline void check_launch([[maybe_unused]] cudaStream_t stream, const char* kernel) {
  check(cudaGetLastError(), kernel);
#ifndef NDEBUG
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream, &capture), kernel);
  if (capture == cudaStreamCaptureStatusNone) check(cudaStreamSynchronize(stream), kernel);
#endif
}

}  // namespace stampede::cuda
