#pragma once
/// \file Sums in a fixed order, so that the same input gives the same bits in every run: no atomics. The elements are
/// cut into stretches, a block each; within a block each thread adds every 256th element and a tree adds the threads; a
/// second kernel adds the stretches up in double. How many stretches there are follows from the number of elements
/// alone.

#include <cub/block/block_reduce.cuh>

#include "cuda/check.cuh"
#include "kernels/lanes.hpp"

namespace stampede::cuda {

inline constexpr int kSumBlock = 256;
inline constexpr int kStretches = 128;

/// partial[column][stretch][K].
template <int K, class Functor>
__global__ void __launch_bounds__(kSumBlock)
    sum_stretches(const __grid_constant__ Functor functor, Index n, Index stretch, float* partial) {
  using Reduce = cub::BlockReduce<float, kSumBlock>;
  __shared__ typename Reduce::TempStorage storage[K];
  const int column = static_cast<int>(blockIdx.y);
  const Index begin = static_cast<Index>(blockIdx.x) * stretch;
  const Index end = begin + stretch < n ? begin + stretch : n;
  float sums[K] = {};
  for (Index i = begin + threadIdx.x; i < end; i += kSumBlock) {
    Array<float, K> values;
    functor.template operator()<float>(i, column, values);
    STAMPEDE_UNROLL
    for (int k = 0; k < K; ++k) sums[k] += values[k];
  }
  float* out = partial + (static_cast<Index>(column) * gridDim.x + blockIdx.x) * K;
  STAMPEDE_UNROLL
  for (int k = 0; k < K; ++k) {
    const float total = Reduce(storage[k]).Sum(sums[k]);
    if (threadIdx.x == 0) out[k] = total;
  }
}

/// Nothing to do after a sum.
struct NothingMore {
  STAMPEDE_FN void operator()() const {}
};

/// out[i] = the sum over the stretches, for i = column * K + k: a block each. Then the block calls then().
template <int K, class Then>
__global__ void __launch_bounds__(kStretches)
    add_stretches(const float* partial, int stretches, float* out, const __grid_constant__ Then then) {
  using Reduce = cub::BlockReduce<double, kStretches>;
  __shared__ typename Reduce::TempStorage storage;
  const Index column = static_cast<Index>(blockIdx.x) / K, k = static_cast<Index>(blockIdx.x) % K;
  const int stretch = static_cast<int>(threadIdx.x);
  const double mine = stretch < stretches ? static_cast<double>(partial[(column * stretches + stretch) * K + k]) : 0.0;
  const double total = Reduce(storage).Sum(mine);
  if (threadIdx.x == 0) {
    out[blockIdx.x] = static_cast<float>(total);
    then();
  }
}

/// Size of `partial` [floats] for sums of so many columns with `figures` numbers each (K above).
inline Index sum_scratch(int columns, int figures) { return static_cast<Index>(columns) * kStretches * figures; }

/// out[column][k] = sum over i < n of functor(i, column)[k]. Where that is one number, then() runs once it is there.
template <int K, class Functor, class Then = NothingMore>
void enqueue_sum(cudaStream_t stream, Index n, int columns, const Functor& functor, float* partial, float* out,
                 const Then& then = {}) {
  static_assert(std::is_trivially_copyable_v<Functor> && std::is_trivially_copyable_v<Then>);
  Index stretch = (n + kStretches - 1) / kStretches;
  stretch = n > 0 ? (stretch + kSumBlock - 1) / kSumBlock * kSumBlock : kSumBlock;
  const Index stretches = n > 0 ? (n + stretch - 1) / stretch : 1;
  const dim3 grid(static_cast<unsigned>(stretches), static_cast<unsigned>(columns));
  sum_stretches<K><<<grid, kSumBlock, 0, stream>>>(functor, n, stretch, partial);
  check_launch(stream, "sum_stretches");
  add_stretches<K>
      <<<static_cast<unsigned>(columns * K), kStretches, 0, stream>>>(partial, static_cast<int>(stretches), out, then);
  check_launch(stream, "add_stretches");
}

/// A block a column. The order does not matter, as sums of integers are exact.
template <class Functor>
__global__ void __launch_bounds__(kSumBlock)
    count_columns(const __grid_constant__ Functor functor, Index n, std::uint64_t* out) {
  using Reduce = cub::BlockReduce<std::uint64_t, kSumBlock>;
  __shared__ typename Reduce::TempStorage storage;
  const int column = static_cast<int>(blockIdx.x);
  std::uint64_t mine = 0;
  for (Index i = threadIdx.x; i < n; i += kSumBlock) mine += functor(i, column);
  const std::uint64_t total = Reduce(storage).Sum(mine);
  if (threadIdx.x == 0) out[column] = total;
}

/// out[column] = sum over i < n of functor(i, column).
template <class Functor>
void enqueue_count(cudaStream_t stream, Index n, int columns, const Functor& functor, std::uint64_t* out) {
  static_assert(std::is_trivially_copyable_v<Functor>);
  count_columns<<<static_cast<unsigned>(columns), kSumBlock, 0, stream>>>(functor, n, out);
  check_launch(stream, "count_columns");
}

}  // namespace stampede::cuda
