/// \file Errors: their names and texts, as CUDA has them.
#include <cstdarg>
#include <cstdio>

#include "streams.hpp"

namespace cuda_emulator {
namespace {

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};
#define ERROR(name, text) \
  { name, #name, text }
constexpr ErrorText kErrors[] = {
    ERROR(cudaSuccess, "no error"),
    ERROR(cudaErrorInvalidValue, "invalid argument"),
    ERROR(cudaErrorMemoryAllocation, "out of memory"),
    ERROR(cudaErrorInitializationError, "initialization error"),
    ERROR(cudaErrorCudartUnloading, "driver shutting down"),
    ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    ERROR(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    ERROR(cudaErrorDevicesUnavailable, "CUDA-capable device(s) is/are busy or unavailable"),
    ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    ERROR(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device"),
    ERROR(cudaErrorECCUncorrectable, "uncorrectable ECC error encountered"),
    ERROR(cudaErrorUnsupportedPtxVersion, "the provided PTX was compiled with an unsupported toolchain."),
    ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    ERROR(cudaErrorNotReady, "device not ready"),
    ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    ERROR(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    ERROR(cudaErrorStreamCaptureImplicit,
          "operation would make the legacy stream depend on a capturing blocking stream"),
    ERROR(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream"),
    ERROR(cudaErrorStreamCaptureWrongThread,
          "attempt to terminate a thread-local capture sequence from another thread"),
};
#undef ERROR

const ErrorText* find(cudaError_t error) {
  for (const ErrorText& e : kErrors) {
    if (e.error == error) return &e;
  }
  return nullptr;
}

thread_local cudaError_t last_error = cudaSuccess;

}  // namespace

cudaError_t& sticky_error() {
  static cudaError_t error = cudaSuccess;
  return error;
}

cudaError_t failed(cudaError_t error) {
  last_error = error;
  return error;
}

cudaError_t refused(cudaError_t error, const char* format, ...) {
  char text[1024];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  say("%s", text);
  return failed(error);
}

cudaError_t after_waiting() { return sticky_error() == cudaSuccess ? cudaSuccess : failed(sticky_error()); }

cudaError_t planted_error(cudaError_t otherwise) {
  if (settings().fail_with.empty()) return otherwise;
  for (const ErrorText& e : kErrors) {
    if (settings().fail_with == e.name) return e.error;
  }
  fail("CUDA_EMULATOR_FAIL: unknown error '%s'", settings().fail_with.c_str());
}

}  // namespace cuda_emulator

extern "C" {

cudaError_t cudaGetLastError() {
  const std::scoped_lock lock(cuda_emulator::mutex());
  const cudaError_t error = cuda_emulator::last_error;
  cuda_emulator::last_error = cuda_emulator::sticky_error();
  return error;
}
const char* cudaGetErrorName(cudaError_t error) {
  const auto* found = cuda_emulator::find(error);
  return found != nullptr ? found->name : "unrecognized error code";
}
const char* cudaGetErrorString(cudaError_t error) {
  const auto* found = cuda_emulator::find(error);
  return found != nullptr ? found->text : "unrecognized error code";
}

}  // extern "C"
