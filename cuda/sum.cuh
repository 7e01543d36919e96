#pragma once
/// \file Sums in a fixed order, so that the same input gives the same bits in every run: no atomics on floats. The
/// elements are cut into stretches, a block each; within a block each thread adds every 256th element and a tree adds
/// the threads. The block of a column that comes last adds up its stretches, in double and in a fixed order,
/// whichever it is: so a sum is one launch. How many stretches there are follows from the number of elements alone.

#include <cub/block/block_reduce.cuh>

#include "cuda/check.cuh"
#include "kernels/lanes.hpp"

namespace stampede::cuda {

inline constexpr int kSumBlock = 256;
inline constexpr int kStretches = 128;

/// Whether this block is the last of `blocks` to come here, asked by all of its threads: it sees what the others wrote
/// before. `arrived` is 0 before the first block comes, and again after the last.
__device__ __forceinline__ bool comes_last(unsigned* arrived, unsigned blocks) {
  __shared__ bool is_last;
  __syncthreads();  // what the block's threads wrote comes before its first thread's arrival
  if (threadIdx.x == 0) {
    __threadfence();
    is_last = atomicInc(arrived, blocks - 1) == blocks - 1;
    __threadfence();
  }
  __syncthreads();
  return is_last;
}

/// Nothing to do after a sum.
struct NothingMore {
  STAMPEDE_FN void operator()() const {}
};

/// A functor that says itself how many elements a column has.
template <class Functor>
concept CountsElements = requires(const Functor& functor) {
  functor.elements(0);
};

/// partial[column][stretch][K]; then out[column][K], by the column's last block, which calls then().
template <int K, class Functor, class Then>
__global__ void __launch_bounds__(kSumBlock)
    sum_columns(const __grid_constant__ Functor functor, Index n, Index stretch, unsigned stretches, float* partial,
                unsigned* arrived, float* out, const __grid_constant__ Then then) {
  using Reduce = cub::BlockReduce<float, kSumBlock>;
  using Finish = cub::BlockReduce<double, kSumBlock>;
  __shared__ typename Reduce::TempStorage storage[K];
  __shared__ typename Finish::TempStorage finish[K];
  const unsigned column = blockIdx.x / stretches, own = blockIdx.x - column * stretches;
  if constexpr (CountsElements<Functor>) n = functor.elements(static_cast<int>(column));
  const Index begin = static_cast<Index>(own) * stretch;
  const Index end = begin + stretch < n ? begin + stretch : n;
  float sums[K] = {};
  for (Index i = begin + threadIdx.x; i < end; i += kSumBlock) {
    Array<float, K> values;
    functor.template operator()<float>(i, static_cast<int>(column), values);
    STAMPEDE_UNROLL
    for (int k = 0; k < K; ++k) sums[k] += values[k];
  }
  float* const of_column = partial + static_cast<Index>(column) * stretches * K;
  STAMPEDE_UNROLL
  for (int k = 0; k < K; ++k) {
    const float total = Reduce(storage[k]).Sum(sums[k]);
    if (threadIdx.x == 0) of_column[own * K + k] = total;
  }
  if (!comes_last(arrived + column, stretches)) return;
  STAMPEDE_UNROLL
  for (int k = 0; k < K; ++k) {
    const double mine = threadIdx.x < stretches ? static_cast<double>(of_column[threadIdx.x * K + k]) : 0.0;
    const double total = Finish(finish[k]).Sum(mine);
    if (threadIdx.x == 0) out[static_cast<Index>(column) * K + k] = static_cast<float>(total);
  }
  if (threadIdx.x == 0) then();
}

/// Size of `partial` [floats] for sums of so many columns with `figures` numbers each (K above).
inline Index sum_scratch(int columns, int figures) { return static_cast<Index>(columns) * kStretches * figures; }

/// out[column][k] = sum over i < n of functor(i, column)[k], where the functor does not say itself how many elements,
/// up to n, a column has. Where that is one column, then() runs once its sums are there. `arrived` [columns]: 0.
template <int K, class Functor, class Then = NothingMore>
void enqueue_sum(cudaStream_t stream, Index n, int columns, const Functor& functor, float* partial, unsigned* arrived,
                 float* out, const Then& then = {}) {
  static_assert(std::is_trivially_copyable_v<Functor> && std::is_trivially_copyable_v<Then>);
  static_assert(kStretches <= kSumBlock);
  Index stretch = (n + kStretches - 1) / kStretches;
  stretch = n > 0 ? (stretch + kSumBlock - 1) / kSumBlock * kSumBlock : kSumBlock;
  const auto stretches = static_cast<unsigned>(n > 0 ? (n + stretch - 1) / stretch : 1);
  const unsigned blocks = stretches * static_cast<unsigned>(columns);
  sum_columns<K><<<blocks, kSumBlock, 0, stream>>>(functor, n, stretch, stretches, partial, arrived, out, then);
  check_launch(stream, "sum_columns");
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
