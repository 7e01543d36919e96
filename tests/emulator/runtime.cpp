/// \file The runtime's calls that are about the device, its memory and launches.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

#include "devices.hpp"
#include "streams.hpp"

using namespace cuda_emulator;

namespace cuda_emulator {
namespace {

/// Bytes of shared memory that a block may have, for each compute capability: CUDA C++ Programming Guide, technical
/// specifications.
std::size_t most_shared() {
  switch (settings().capability) {
    case 80:
    case 87:
      return 163 * 1024;
    case 90:
    case 100:
    case 103:
      return kMostShared;
    default:
      return 99 * 1024;
  }
}

bool is_device(int device) { return device >= 0 && device < static_cast<int>(visible_devices().size()); }

/// The number of this thread's device among those that the process sees.
thread_local int chosen_device = 0;

}  // namespace

int current_device() {
  const std::vector<int>& seen = visible_devices();
  return seen.empty() ? 0 : seen[static_cast<std::size_t>(chosen_device)];
}

namespace {

/// Bytes of shared memory that a launch on this thread's device may ask for. What one kernel is allowed there, all are:
/// they are not told apart.
std::size_t& allowed_shared() {
  static std::map<int, std::size_t> bytes;
  return bytes.try_emplace(current_device(), 48 * 1024).first->second;
}

}  // namespace

void enqueue_kernel(const KernelName& name, const Configuration& c, std::unique_ptr<Call> call) {
  const std::scoped_lock lock(mutex());
  if (in_kernel()) fail("a launch in a kernel");
  if (sticky_error() != cudaSuccess) {
    failed(sticky_error());
    return;
  }
  const auto refuse = [&](cudaError_t error, const char* why) {
    refused(error, "kernel %s (%s:%d), grid %u x %u x %u, block %u x %u x %u, %zu bytes of shared memory: %s",
            name.name, name.file, name.line, c.grid.x, c.grid.y, c.grid.z, c.block.x, c.block.y, c.block.z, c.shared,
            why);
  };
  // The limits of compute capability 9.0, which are those of 8.0.
  if (c.grid.x == 0 || c.grid.y == 0 || c.grid.z == 0) return refuse(cudaErrorInvalidConfiguration, "an empty grid");
  if (c.grid.x > 0x7fffffffu || c.grid.y > 65535 || c.grid.z > 65535) {
    return refuse(cudaErrorInvalidConfiguration, "too large a grid");
  }
  const std::uint64_t threads = std::uint64_t{c.block.x} * c.block.y * c.block.z;
  if (threads == 0 || threads > 1024 || c.block.x > 1024 || c.block.y > 1024 || c.block.z > 64) {
    return refuse(cudaErrorInvalidConfiguration, "no block of that size");
  }
  if (c.shared > allowed_shared()) return refuse(cudaErrorInvalidValue, "too much shared memory");
  if (fails_now(std::string("kernel:") + name.name)) {
    failed(planted_error(cudaErrorLaunchOutOfResources));
    return;
  }
  if (const CUstream_st* stream = stream_of(c.stream);
      c.stream != nullptr && stream != nullptr && stream->device != current_device()) {
    return refuse(cudaErrorInvalidResourceHandle, "the stream is of another device than this thread's");
  }
  ++counters().launches;
  std::shared_ptr<const Call> shared = std::move(call);
  enqueue(c.stream, {name.name, [name, c, shared] {
                       ++counters().kernels;
                       run_kernel(name, c, *shared);
                     }});
}

}  // namespace cuda_emulator

extern "C" {

// ---------------------------------------------------------------------------------------------- device

cudaError_t cudaDriverGetVersion(int* version) {
  *version = settings().driver == "old" ? 12040 : CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
/// Every kernel has code for the device, unless this is made to fail.
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  CALL("cudaFuncGetAttributes");
  *attributes = {settings().capability};
  return cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute attribute, int value) {
  CALL("cudaFuncSetAttribute");
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return failed(cudaErrorInvalidValue);
  const auto bytes = static_cast<std::size_t>(value);
  if (value < 0 || bytes > most_shared()) {
    return refused(cudaErrorInvalidValue, "%d bytes of shared memory, of which a block may have %zu", value,
                   most_shared());
  }
  allowed_shared() = std::max(allowed_shared(), bytes);
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  CALL("cudaGetDeviceCount");
  *count = 0;
  if (settings().driver == "old") return failed(cudaErrorInsufficientDriver);
  if (settings().driver == "none") return failed(cudaErrorNoDevice);
  *count = static_cast<int>(visible_devices().size());
  return *count > 0 ? cudaSuccess : failed(cudaErrorNoDevice);
}
cudaError_t cudaGetDevice(int* device) {
  CALL("cudaGetDevice");
  *device = chosen_device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  CALL("cudaSetDevice");
  if (!is_device(device)) return failed(cudaErrorInvalidDevice);
  chosen_device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  CALL("cudaGetDeviceProperties");
  if (!is_device(device)) return failed(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "Emulated GPU");
  properties->totalGlobalMem = settings().memory;
  properties->major = settings().capability / 10;
  properties->minor = settings().capability % 10;
  properties->multiProcessorCount = 132;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  CALL("cudaDeviceGetAttribute");
  if (!is_device(device)) return failed(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = 132;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(most_shared());
      return cudaSuccess;
  }
  return failed(cudaErrorInvalidValue);
}
/// As "0000:01:00.0", of the first device.
cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  CALL("cudaDeviceGetPCIBusId");
  if (!is_device(device)) return failed(cudaErrorInvalidDevice);
  const int number = visible_devices()[static_cast<std::size_t>(device)];
  const int wanted = std::snprintf(id, static_cast<std::size_t>(length), "0000:%02x:00.0", number + 1);
  return wanted < length ? cudaSuccess : failed(cudaErrorInvalidValue);
}
cudaError_t cudaDeviceSynchronize() {
  CALL("cudaDeviceSynchronize");
  if (forbidden()) return failed(cudaErrorStreamCaptureUnsupported);
  ++counters().waits;
  run_everything();
  return after_waiting();
}

// ---------------------------------------------------------------------------------------------- memory

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  CALL("cudaMalloc");
  if (forbidden()) return failed(cudaErrorStreamCaptureUnsupported);
  *data = nullptr;
  if (bytes == 0) return cudaSuccess;
  *data = allocate_device(bytes);
  if (*data == nullptr) return failed(cudaErrorMemoryAllocation);
  ++counters().allocations;
  return cudaSuccess;
}
cudaError_t cudaFree(void* data) {
  CALL("cudaFree");
  if (forbidden()) return failed(cudaErrorStreamCaptureUnsupported);
  if (data == nullptr) return cudaSuccess;
  run_everything();
  if (!free_device(data)) {
    return refused(cudaErrorInvalidValue, "cudaFree of %p: %s", data, describe(data).c_str());
  }
  ++counters().frees;
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** data, std::size_t bytes) {
  CALL("cudaMallocHost");
  if (forbidden()) return failed(cudaErrorStreamCaptureUnsupported);
  *data = allocate_pinned(bytes);
  if (*data == nullptr) return failed(cudaErrorMemoryAllocation);
  ++counters().allocations;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* data) {
  CALL("cudaFreeHost");
  if (forbidden()) return failed(cudaErrorStreamCaptureUnsupported);
  if (data == nullptr) return cudaSuccess;
  run_everything();
  if (!free_pinned(data)) {
    return refused(cudaErrorInvalidValue, "cudaFreeHost of what cudaMallocHost did not give");
  }
  ++counters().frees;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  CALL("cudaMemGetInfo");
  *total = settings().memory;
  *free = *total - device_bytes_in_use();
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data) {
  CALL("cudaPointerGetAttributes");
  *attributes = {};
  attributes->device = -1;
  auto* address = const_cast<void*>(data);
  if (on_device(data, 0)) {
    *attributes = {cudaMemoryTypeDevice, 0, address, nullptr};
  } else if (pinned(data, 0)) {
    *attributes = {cudaMemoryTypeHost, 0, address, address};
  }
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream) {
  CALL("cudaMemsetAsync");
  if (!on_device(data, bytes)) {
    return refused(cudaErrorInvalidValue, "memset of %zu bytes at %p: %s", bytes, data, describe(data).c_str());
  }
  ++counters().fills;
  return enqueue(stream, {"memset", [=] { std::memset(data, value, bytes); }});
}
cudaError_t cudaMemset(void* data, int value, std::size_t bytes) {
  CALL("cudaMemset");
  // Of device memory it does not wait, but it goes to the default stream, which a capture in this thread forbids.
  if (forbidden()) return failed(cudaErrorStreamCaptureUnsupported);
  return cudaMemsetAsync(data, value, bytes, nullptr);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t handle) {
  CALL("cudaMemcpyAsync");
  if (bytes == 0) return cudaSuccess;
  CUstream_st* stream = stream_of(handle);
  if (stream == nullptr) return refused(cudaErrorInvalidResourceHandle, "a copy in a stream that does not exist");
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const auto fits = [&](const void* data, bool device) {
    return device ? on_device(data, bytes) : !in_device_space(data);
  };
  if (!fits(to, to_device) || !fits(from, from_device)) {
    return refused(cudaErrorInvalidValue, "a copy of %zu bytes, kind %d, to %p (%s) from %p (%s)", bytes, kind, to,
                   describe(to).c_str(), from, describe(from).c_str());
  }
  const auto copy = [=](const void* source) {
    std::memcpy(to, source, bytes);
    Counts& counts = counters();
    counts.copies_to_device += to_device && !from_device;
    counts.copies_to_host += from_device && !to_device;
    if (!to_device) counts.bytes_to_host += static_cast<std::int64_t>(bytes);
  };
  const bool pageable = (!to_device && !pinned(to, bytes)) || (!from_device && !pinned(from, bytes));
  if (!pageable) return enqueue(handle, {"copy", [=] { copy(from); }});
  if (stream->capture != cudaStreamCaptureStatusNone) {
    stream->capture = cudaStreamCaptureStatusInvalidated;
    return refused(cudaErrorStreamCaptureUnsupported, "a copy to or from pageable memory in a captured stream");
  }
  if (from_device) {  // returns when it is done
    const cudaError_t error = enqueue(handle, {"copy", [=] { copy(from); }});
    if (error != cudaSuccess) return error;
    ++counters().waits;
    run_all(*stream);
    return after_waiting();
  }
  // Staged before the call returns.
  const auto* begin = static_cast<const char*>(from);
  const auto staged = std::make_shared<const std::vector<char>>(begin, begin + bytes);
  return enqueue(handle, {"copy", [=] { copy(staged->data()); }});
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  CALL("cudaMemcpy");
  if (forbidden()) return failed(cudaErrorStreamCaptureUnsupported);
  const std::int64_t waits = counters().waits;
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  if (error != cudaSuccess) return error;
  counters().waits = waits + 1;
  run_all(*default_stream());
  return after_waiting();
}

}  // extern "C"
