#pragma once
/// \file Lanes that are a single number, float or double: the operations that lanes.hpp lists, and what packs share
/// with them.

#include <cmath>
#include <cstring>
#include <type_traits>

#include "kernels/vocabulary.hpp"

// A GPU's instructions for 1 / x, 1 / sqrt(x) and sqrt(x), one instead of the 15 to 25 that round correctly: PTX ISA,
// "rcp", "rsqrt", "sqrt" with .approx: off by 1 unit in the last place, 2^-22.9 and 2^-23 at most.
#if defined(__CUDA_ARCH__) && defined(__NVCC__) && !defined(STAMPEDE_PARITY)
#define STAMPEDE_APPROXIMATE 1
#else
#define STAMPEDE_APPROXIMATE 0
#endif

namespace stampede {

template <class Real>
struct LaneTraits;

template <>
struct LaneTraits<float> {
  static constexpr int kLanes = 1;
  using Scalar = float;
  using Int = std::int32_t;
  using Uint = std::uint32_t;
  using Mask = bool;
};

template <>
struct LaneTraits<double> {
  static constexpr int kLanes = 1;
  using Scalar = double;
  using Int = std::int32_t;
  using Uint = std::uint32_t;
  using Mask = bool;
};

template <class Real>
inline constexpr int kLanes = LaneTraits<Real>::kLanes;
template <class Real>
using ScalarOf = typename LaneTraits<Real>::Scalar;
template <class Real>
using IntOf = typename LaneTraits<Real>::Int;
template <class Real>
using UintOf = typename LaneTraits<Real>::Uint;
template <class Real>
using MaskOf = typename LaneTraits<Real>::Mask;

template <class T>
STAMPEDE_FN T select(bool mask, T yes, T no) {
  return mask ? yes : no;
}
STAMPEDE_FN bool any(bool mask) { return mask; }
STAMPEDE_FN bool all(bool mask) { return mask; }
/// Whether the condition holds in any lane that runs in step with this one: of the pack, or of the warp on a GPU. All
/// of them then take the same branch, which group sums within it need.
STAMPEDE_FN bool any_together(bool mask) {
#if defined(__CUDA_ARCH__)
  return __any_sync(0xffffffffu, mask);
#else
  return mask;
#endif
}
/// Waits until all lanes that run in step with this one have come here, as all must. Between what they all read and what
/// one of them then writes in its place: on a GPU, lanes of a warp need not be in step by themselves.
STAMPEDE_FN void meet() {
#if defined(__CUDA_ARCH__)
  __syncwarp();
#endif
}
STAMPEDE_FN float abs(float x) { return fabsf(x); }
STAMPEDE_FN double abs(double x) { return fabs(x); }
STAMPEDE_FN float min(float a, float b) { return b < a ? b : a; }
STAMPEDE_FN double min(double a, double b) { return b < a ? b : a; }
STAMPEDE_FN float max(float a, float b) { return a < b ? b : a; }
STAMPEDE_FN double max(double a, double b) { return a < b ? b : a; }
/// To 1 unit in the last place; 0 for subnormal x on a GPU.
STAMPEDE_FN float sqrt(float x) {
#if STAMPEDE_APPROXIMATE
  float y;
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return sqrtf(x);
#endif
}
STAMPEDE_FN double sqrt(double x) { return ::sqrt(x); }

/// 1 / x and 1 / sqrt(x) to 2 units in the last place, for x neither subnormal nor above 1e37.
STAMPEDE_FN float reciprocal(float x) {
#if STAMPEDE_APPROXIMATE
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return 1.0f / x;
#endif
}
STAMPEDE_FN double reciprocal(double x) { return 1.0 / x; }
STAMPEDE_FN float reciprocal_sqrt(float x) {
#if STAMPEDE_APPROXIMATE
  float y;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#elif defined(__CUDA_ARCH__)
  return rsqrtf(x);
#else
  return 1.0f / sqrtf(x);
#endif
}
STAMPEDE_FN double reciprocal_sqrt(double x) { return 1.0 / ::sqrt(x); }

/// Nearest integer, ties to even; for |x| < 2^22 (float) and 2^51 (double), where adding and subtracting 1.5 * 2^23
/// (2^52) rounds.
STAMPEDE_FN float round_nearest(float x) {
#if defined(__CUDA_ARCH__)
  return rintf(x);
#else
  constexpr float kRound = 12582912.0f;
  return (x + kRound) - kRound;
#endif
}
STAMPEDE_FN double round_nearest(double x) { return rint(x); }

STAMPEDE_FN std::int32_t to_int(float x) { return static_cast<std::int32_t>(x); }
STAMPEDE_FN std::int32_t to_int(double x) { return static_cast<std::int32_t>(x); }

/// An integer as a Real.
template <class Real>
STAMPEDE_FN Real to_real(std::int32_t i) {
  return static_cast<Real>(i);
}

STAMPEDE_FN std::int32_t bits_of(float x) {
  std::int32_t i;
  memcpy(&i, &x, sizeof i);
  return i;
}
STAMPEDE_FN float real_of_bits(std::int32_t i) {
  float x;
  memcpy(&x, &i, sizeof x);
  return x;
}

/// The same bits, read as a signed integer.
STAMPEDE_FN std::int32_t as_signed(std::uint32_t i) { return static_cast<std::int32_t>(i); }

/// The 64-bit product of two unsigned words.
STAMPEDE_FN void multiply_wide(std::uint32_t a, std::uint32_t b, std::uint32_t& high, std::uint32_t& low) {
  const std::uint64_t product = static_cast<std::uint64_t>(a) * b;
  high = static_cast<std::uint32_t>(product >> 32);
  low = static_cast<std::uint32_t>(product);
}

/// A Real of one lane.
template <class Real>
concept ScalarLane = std::is_floating_point_v<Real>;

/// first, first + 1, … in the lanes.
template <ScalarLane Real>
STAMPEDE_FN std::uint32_t lane_indices(Index first) {
  return static_cast<std::uint32_t>(first);
}

/// Reads adjacent elements, one a lane.
template <ScalarLane Real>
STAMPEDE_FN Real load(const Real* p) {
  return *p;
}
template <ScalarLane Real>
STAMPEDE_FN std::uint32_t load_uint(const std::uint32_t* p) {
  return *p;
}

/// Reads the first `count` >= 1 of the lanes' adjacent elements and touches none behind them; the other lanes are 0.
template <ScalarLane Real>
STAMPEDE_FN Real load_first(const Real* p, Index) {
  return *p;
}

/// Reads p[0], p[stride], … .
template <ScalarLane Real>
STAMPEDE_FN Real load_strided(const Real* p, Index) {
  return *p;
}

/// Writes adjacent elements, one a lane; `store_first` writes only the first `count` >= 1 of them, `store_strided`
/// writes to p[0], p[stride], … .
template <class T>
STAMPEDE_FN void store(T* p, T x) {
  *p = x;
}
template <class T>
STAMPEDE_FN void store_first(T* p, T x, Index) {
  *p = x;
}
STAMPEDE_FN void store_strided(float* p, Index, float x) { *p = x; }
STAMPEDE_FN void store_strided(double* p, Index, double x) { *p = x; }

/// Element `index` of the array, lane by lane.
STAMPEDE_FN float gather(const float* p, std::uint32_t index) { return p[index]; }

/// Sum over the aligned group of K lanes that each lane belongs to, the same bits in all of them. K is a power of two.
/// Lanes add in pairs, then pairs of pairs (a butterfly), an order that does not depend on the width of the pack:
///
///     lane               0          1          2          3
///     at first           a          b          c          d
///     lanes 1 apart      a+b        a+b        c+d        c+d
///     lanes 2 apart      a+b+c+d    a+b+c+d    a+b+c+d    a+b+c+d
template <int K>
STAMPEDE_FN float group_sum(float x) {
  static_assert(K > 0 && (K & (K - 1)) == 0 && K <= 32);
#if defined(__CUDA_ARCH__)
  STAMPEDE_UNROLL
  for (int step = 1; step < K; step *= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
#endif
  return x;
}
/// Smallest value of the group, likewise.
template <int K>
STAMPEDE_FN float group_min(float x) {
  static_assert(K > 0 && (K & (K - 1)) == 0 && K <= 32);
#if defined(__CUDA_ARCH__)
  STAMPEDE_UNROLL
  for (int step = 1; step < K; step *= 2) x = min(x, __shfl_xor_sync(0xffffffffu, x, step));
#endif
  return x;
}

}  // namespace stampede
