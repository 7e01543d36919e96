#pragma once
/// \file What every kernel is written in: the execution qualifiers, index types and small arrays.
///
/// A kernel is a copyable struct with a member
///
///     template <class Real> STAMPEDE_FN void operator()(Index first) const;
///
/// that works on the `kLanes<Real>` elements first, first + 1, … side by side. `Real` is `float` under CUDA (a thread a
/// lane), `Pack<float, W>` on a CPU (lanes.hpp), `double` where tests compute reference values. Arrays that a kernel
/// touches are padded to a multiple of `kMaxLanes`, so that the last pack of an array needs no special case: its
/// surplus lanes compute numbers that are never used. A kernel that is faster when it sees a whole range of elements
/// also has `operator()(Range)`, which is called instead on a CPU.

#include <cstddef>
#include <cstdint>

/// STAMPEDE_FN qualifies functions of kernels: always inlined. STAMPEDE_UNROLL before a short loop lets arrays that are
/// indexed in it stay in registers; STAMPEDE_NO_UNROLL keeps the compiler from copying a long body.
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

/// Qualifies large functions that are used in several places: on a CPU compiled once and called, which shortens the
/// build and gives the same bits in all places. On a GPU inlined, because a call would put its arguments into memory.
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

/// Index of an element; signed, so that differences and loops that count down are safe.
using Index = std::int64_t;

/// The widest pack. Arrays are padded to multiples of it. Sums in a fixed order have this many partial sums, whatever
/// the width in use, so that every width gives the same bits.
inline constexpr int kMaxLanes = 16;

/// n rounded up to whole packs of the widest kind.
STAMPEDE_FN constexpr Index padded(Index n) { return (n + kMaxLanes - 1) / kMaxLanes * kMaxLanes; }

/// n rounded up to an odd number of cache lines, as the distance between rows of four-byte numbers. Rows that are a
/// power of two apart fall into the same few sets of the cache and push each other out; an odd number of lines spreads
/// them over all sets.
STAMPEDE_FN constexpr Index odd_lines(Index n) { return ((n + kMaxLanes - 1) / kMaxLanes | 1) * kMaxLanes; }

/// A half-open range of elements.
struct Range {
  Index begin = 0, end = 0;
  STAMPEDE_FN constexpr Index size() const { return end - begin; }
};

/// A fixed-size array that exists on the device as well (std::array's members are host functions there).
template <class T, int N>
struct Array {
  T values[N + (N == 0)];  // C++ has no arrays of length 0
  STAMPEDE_FN T& operator[](int i) { return values[i]; }
  STAMPEDE_FN const T& operator[](int i) const { return values[i]; }
  static constexpr int size() { return N; }
};

}  // namespace stampede
