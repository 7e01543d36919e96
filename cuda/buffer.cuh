#pragma once
/// \file Owning arrays: in the device's memory, and in pinned memory of the host.

#include <atomic>
#include <utility>

#include "cuda/check.cuh"
#include "host/base/memory.hpp"
#include "kernels/vocabulary.hpp"

namespace stampede {

namespace cuda {

/// Number of arrays ever allocated on the device or pinned: tests check that it stays the same within an iteration.
inline std::atomic<std::int64_t> allocations{0};

/// Zeroed device memory. Throws OutOfMemory saying how much was free where there is not enough.
inline void* allocate_zeroed(std::size_t bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, bytes);
  if (status == cudaErrorMemoryAllocation) throw no_room_for(text_of_needed(bytes) + " more");
  check(status, "cudaMalloc(&data, bytes)");
  ++allocations;
  try {
    // A backend's stream does not wait for the default stream, on which memory is set to zero; so wait here.
    STAMPEDE_CUDA(cudaMemset(data, 0, bytes));
    STAMPEDE_CUDA(cudaStreamSynchronize(nullptr));
  } catch (...) {
    STAMPEDE_CUDA_WARN(cudaFree(data));
    throw;
  }
  return data;
}

}  // namespace cuda

/// Move-only, zero at first, aligned to 256 bytes, with room for a whole pack behind the last element. Plain device
/// memory: the host reads and writes it through the backend's `download` and `upload` only.
template <class T>
class DeviceBuffer {
 public:
  static_assert(std::is_trivially_copyable_v<T>);

  DeviceBuffer() = default;
  explicit DeviceBuffer(Index size)
      : data_(static_cast<T*>(cuda::allocate_zeroed(static_cast<std::size_t>(padded(size) + kMaxLanes) * sizeof(T)))),
        size_(size) {}
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~DeviceBuffer() {
    if (data_ != nullptr) STAMPEDE_CUDA_WARN(cudaFree(data_));
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  Index size() const { return size_; }

 private:
  void swap(DeviceBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  T* data_ = nullptr;
  Index size_ = 0;
};

/// Floats in host memory that is pinned, so that the device can copy to it while the host goes on. Throws OutOfMemory
/// where it cannot be had.
class PinnedFloats {
 public:
  explicit PinnedFloats(Index size) : size_(size) {
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(float);
    void* data = nullptr;
    const cudaError_t status = cudaMallocHost(&data, bytes);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // clears the error, which is reported here
      throw OutOfMemory("the host has no room for " + text_of_needed(bytes) + " of pinned memory");
    }
    cuda::check(status, "cudaMallocHost(&data, bytes)");
    data_ = static_cast<float*>(data);
    ++cuda::allocations;
  }
  PinnedFloats(const PinnedFloats&) = delete;
  PinnedFloats& operator=(const PinnedFloats&) = delete;
  ~PinnedFloats() { STAMPEDE_CUDA_WARN(cudaFreeHost(data_)); }

  float* data() { return data_; }
  const float* data() const { return data_; }
  Index size() const { return size_; }

 private:
  float* data_ = nullptr;
  Index size_;
};

}  // namespace stampede
