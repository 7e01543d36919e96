#pragma once
/// \file Checks of CUDA and cuBLASLt calls: failures throw Error with the call and its reason; destructors, which must
/// not throw, warn on stderr.

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <cstdio>
#include <string>

#include "host/base/error.hpp"

/// Each takes one call. Those that end in _WARN are for destructors.
#define STAMPEDE_CUDA(call) ::stampede::cuda::check((call), #call)
#define STAMPEDE_CUBLAS(call) ::stampede::cuda::check((call), #call)
#define STAMPEDE_CUDA_WARN(call) ::stampede::cuda::warn((call), #call)
#define STAMPEDE_CUBLAS_WARN(call) ::stampede::cuda::warn((call), #call)

namespace stampede::cuda {

inline void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears the error, which is reported here, so that the next launch is not blamed for it
  throw Error(std::string("CUDA: ") + cudaGetErrorName(status) + ", " + cudaGetErrorString(status) + ", in " + call,
              Status::kFailed);
}
inline void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(std::string("cuBLASLt: ") + cublasLtGetStatusString(status) + ", in " + call, Status::kFailed);
}

inline void warn(cudaError_t status, const char* call) noexcept {
  // When the process ends, the driver may be gone before the last destructor runs.
  if (status == cudaSuccess || status == cudaErrorCudartUnloading) return;
  std::fprintf(stderr, "warning: CUDA: %s in %s\n", cudaGetErrorString(status), call);
}
inline void warn(cublasStatus_t status, const char* call) noexcept {
  if (status == CUBLAS_STATUS_SUCCESS) return;
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
