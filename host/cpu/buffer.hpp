#pragma once
/// \file An owning array in the host's memory, laid out for packs.

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "kernels/vocabulary.hpp"

namespace stampede {

/// Move-only, zero at first, aligned to a cache line, with room for a whole pack behind the last element. Large ones
/// ask for huge pages, which makes the first write to them much faster.
template <class T>
class HostBuffer {
 public:
  HostBuffer() = default;
  explicit HostBuffer(Index size) : size_(size) {
    constexpr std::size_t kLine = 64, kHuge = std::size_t{2} << 20;
    std::size_t bytes = static_cast<std::size_t>(padded(size) + 4 * kMaxLanes) * sizeof(T);
    const std::size_t alignment = bytes >= kHuge ? kHuge : kLine;
    bytes = (bytes + alignment - 1) / alignment * alignment;
    data_ = static_cast<T*>(std::aligned_alloc(alignment, bytes));
    if (data_ == nullptr) throw std::bad_alloc();
    if (alignment == kHuge) madvise(data_, bytes, MADV_HUGEPAGE);
    std::memset(static_cast<void*>(data_), 0, bytes);
  }
  HostBuffer(HostBuffer&& other) noexcept { swap(other); }
  HostBuffer& operator=(HostBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~HostBuffer() { std::free(data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  Index size() const { return size_; }

 private:
  void swap(HostBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  T* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace stampede
