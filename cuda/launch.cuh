#pragma once
/// \file Kernels of the single-source kind (kernels/vocabulary.hpp) on the GPU: a thread a lane.

#include <map>
#include <mutex>
#include <type_traits>
#include <utility>

#include "cuda/check.cuh"
#include "kernels/lanes.hpp"

namespace stampede::cuda {

inline constexpr int kBlock = 128;

/// A kernel whose lanes want shared memory of their own: kSharedWords numbers each, which it is handed.
template <class Kernel>
concept UsesSharedMemory = requires {
  Kernel::kSharedWords;
};

/// Bytes of shared memory that a block of the kernel needs.
template <class Kernel>
constexpr std::size_t shared_bytes() {
  if constexpr (UsesSharedMemory<Kernel>) {
    return static_cast<std::size_t>(kBlock) * Kernel::kSharedWords * sizeof(float);
  } else {
    return 0;
  }
}

template <class Kernel>
__global__ void __launch_bounds__(kBlock) run_elements(const __grid_constant__ Kernel kernel, Index begin, Index end) {
  const Index at = begin + static_cast<Index>(blockIdx.x) * kBlock + threadIdx.x;
  if constexpr (UsesSharedMemory<Kernel>) {
    extern __shared__ float shared[];
    if (at < end) kernel.template operator()<float>(at, shared + threadIdx.x * Kernel::kSharedWords);
  } else {
    if (at < end) kernel.template operator()<float>(at);
  }
}

/// Lets a kernel's blocks have more shared memory than the 48 KiB that every kernel may have. Each GPU has permissions
/// of its own: this thread's gets it, once.
template <class Kernel>
void allow_shared_memory(Kernel* kernel, std::size_t bytes) {
  static std::mutex mutex;
  static std::map<std::pair<Kernel*, int>, std::size_t> allowed;
  int gpu = 0;
  STAMPEDE_CUDA(cudaGetDevice(&gpu));
  const std::scoped_lock lock(mutex);
  std::size_t& most = allowed[{kernel, gpu}];
  if (most >= bytes) return;
  STAMPEDE_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
  most = bytes;
}

/// A kernel that runs once, by the lanes of a warp together: kernel(lane, number of lanes).
template <class Kernel>
inline constexpr bool kByAWarp = std::is_invocable_v<const Kernel&, int, int>;

template <class Kernel>
__global__ void run_once(const __grid_constant__ Kernel kernel) {
  if constexpr (kByAWarp<Kernel>) {
    kernel(static_cast<int>(threadIdx.x), static_cast<int>(blockDim.x));
  } else {
    kernel();
  }
}

/// Blocks of `size` threads that cover n elements.
inline unsigned blocks_for(Index n, int size) { return static_cast<unsigned>((n + size - 1) / size); }

/// Enqueues kernel(i) for every i of the range, none outside it.
template <class Kernel>
void launch_elements(cudaStream_t stream, Range range, const Kernel& kernel) {
  static_assert(std::is_trivially_copyable_v<Kernel>);
  if (range.size() <= 0) return;
  constexpr std::size_t kShared = shared_bytes<Kernel>();
  if constexpr (kShared > 48 * 1024) allow_shared_memory(run_elements<Kernel>, kShared);
  run_elements<<<blocks_for(range.size(), kBlock), kBlock, kShared, stream>>>(kernel, range.begin, range.end);
  check_launch(stream, "run_elements");
}

/// Enqueues kernel() on one thread, or kernel(lane, 32) on those of a warp.
template <class Kernel>
void launch_once(cudaStream_t stream, const Kernel& kernel) {
  static_assert(std::is_trivially_copyable_v<Kernel>);
  run_once<<<1, kByAWarp<Kernel> ? 32 : 1, 0, stream>>>(kernel);
  check_launch(stream, "run_once");
}

}  // namespace stampede::cuda
