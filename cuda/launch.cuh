#pragma once
/// \file Kernels of the single-source kind (kernels/vocabulary.hpp) on the GPU: a thread a lane.

#include <type_traits>

#include "cuda/check.cuh"
#include "kernels/lanes.hpp"

namespace stampede::cuda {

inline constexpr int kBlock = 128;

template <class Kernel>
__global__ void __launch_bounds__(kBlock) run_elements(const __grid_constant__ Kernel kernel, Index begin, Index end) {
  const Index at = begin + static_cast<Index>(blockIdx.x) * kBlock + threadIdx.x;
  if (at < end) kernel.template operator()<float>(at);
}

template <class Kernel>
__global__ void run_once(const __grid_constant__ Kernel kernel) {
  kernel();
}

/// Blocks of `size` threads that cover n elements.
inline unsigned blocks_for(Index n, int size) { return static_cast<unsigned>((n + size - 1) / size); }

/// Enqueues kernel(i) for every i of the range, none outside it.
template <class Kernel>
void launch_elements(cudaStream_t stream, Range range, const Kernel& kernel) {
  static_assert(std::is_trivially_copyable_v<Kernel>);
  if (range.size() <= 0) return;
  run_elements<<<blocks_for(range.size(), kBlock), kBlock, 0, stream>>>(kernel, range.begin, range.end);
  check_launch(stream, "run_elements");
}

/// Enqueues kernel() on one thread.
template <class Kernel>
void launch_once(cudaStream_t stream, const Kernel& kernel) {
  static_assert(std::is_trivially_copyable_v<Kernel>);
  run_once<<<1, 1, 0, stream>>>(kernel);
  check_launch(stream, "run_once");
}

}  // namespace stampede::cuda
