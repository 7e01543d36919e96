#pragma once
/// \file What every kernel is written in: the execution qualifiers, index types and small arrays.
///
/// A kernel is a copyable struct with a member
///
///     template <class Real> STAMPEDE_FN void operator()(Index first) const;
///
/// that works on the `kLanes<Real>` elements first, first + 1, … side by side. `Real` is `float` under CUDA (a thread a
/// lane), `Pack<float, W>` on a CPU (lanes.hpp), `double` in oracles of tasks and mathematics. Arrays that a kernel touches are padded to
/// a multiple of `kMaxLanes`, so that the last pack of an array needs no special case: its surplus lanes compute
/// something harmless, which nobody reads. A kernel that can do better with a whole range on a CPU has `operator()(Range)`
/// besides, and is called with that there.

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#define STAMPEDE_FN __host__ __device__ __forceinline__
#if defined(__CUDA_ARCH__)
#define STAMPEDE_UNROLL _Pragma("unroll")
#define STAMPEDE_NO_UNROLL _Pragma("unroll 1")
#else  // nvcc's pass for the host, whose compiler does not know these
#define STAMPEDE_UNROLL
#define STAMPEDE_NO_UNROLL
#endif
#elif defined(__clang__)
#define STAMPEDE_FN inline __attribute__((always_inline))
#define STAMPEDE_UNROLL _Pragma("unroll")
#define STAMPEDE_NO_UNROLL _Pragma("nounroll")
#else
#define STAMPEDE_FN inline __attribute__((always_inline))
#define STAMPEDE_UNROLL _Pragma("GCC unroll 16")
#define STAMPEDE_NO_UNROLL _Pragma("GCC unroll 1")
#endif

/// Qualifies what is large and used in several places, and must give the same bits in all of them: one body that is called on
/// a CPU. Inlined into kernels of a GPU, where a call would put its arguments into memory.
#if defined(__CUDACC__)
#define STAMPEDE_CALLED STAMPEDE_FN
#elif defined(__clang__)
#define STAMPEDE_CALLED __attribute__((noinline)) inline
#else
#define STAMPEDE_CALLED __attribute__((noinline, noclone)) inline
#endif

/// Asks for a cache line that will be read soon.
#if defined(__CUDACC__)
#define STAMPEDE_PREFETCH(address)
#else
#define STAMPEDE_PREFETCH(address) __builtin_prefetch(address)
#endif

namespace stampede {

/// Index of an element; signed, as loops want it.
using Index = std::int64_t;

/// The widest pack: arrays are padded to multiples of it, and fixed-order sums run over so many partial sums
/// whatever the width in use, so that every width gives the same bits.
inline constexpr int kMaxLanes = 16;

/// n rounded up to whole packs of the widest kind.
STAMPEDE_FN constexpr Index padded(Index n) { return (n + kMaxLanes - 1) / kMaxLanes * kMaxLanes; }

/// n rounded up to an odd number of cache lines: rows of numbers of four bytes that far apart do not push each other out of
/// the cache, as those at powers of two do.
STAMPEDE_FN constexpr Index odd_lines(Index n) { return ((n + kMaxLanes - 1) / kMaxLanes | 1) * kMaxLanes; }

/// A half-open range of elements.
struct Range {
  Index begin = 0, end = 0;
  STAMPEDE_FN constexpr Index size() const { return end - begin; }
};

/// A fixed-size array that exists on the device as well (std::array's members are host functions there).
template <class T, int N>
struct Array {
  T values[N > 0 ? N : 1];
  STAMPEDE_FN T& operator[](int i) { return values[i]; }
  STAMPEDE_FN const T& operator[](int i) const { return values[i]; }
  static constexpr int size() { return N; }
};

}  // namespace stampede
