#pragma once
/// \file Lanes: the number types that kernels are templates on, and the operations that all of them share.
///
/// | Real             | where                        | lanes | mask           |
/// |------------------|------------------------------|-------|----------------|
/// | float            | CUDA (a thread a lane), tests | 1     | bool           |
/// | double           | oracles                      | 1     | bool           |
/// | Pack<float, W>   | CPU: W = 16, 8, 4            | W     | Mask<W>        |
/// | Pack<double, W>  | physics in double precision  | W     | Mask<W, 8>     |
///
/// Shared operations: + - * / and comparisons; `select any all min max abs sqrt round_nearest`; `load store
/// load_first load_strided store_strided gather`; integers beside them (`IntOf`, `UintOf`) with `bits_of`, `real_of_bits`,
/// `to_real`, `to_int`, `multiply_wide`; `group_sum<K>` over aligned groups of K lanes. Lane data never steers a branch, except through
/// `any`, which skips work that no lane needs.
///
/// Pack<T, N> is a thin wrapper over the compiler's vector extension. nvcc cannot instantiate it, so packs exist in .cpp files only.

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/vocabulary.hpp"

#if !defined(__CUDACC__) && defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stampede {

// ---------------------------------------------------------------------------------------------- one lane

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
STAMPEDE_FN bool any_together(bool mask) {
#if defined(__CUDA_ARCH__)
  return __any_sync(0xffffffffu, mask);
#else
  return mask;
#endif
}
STAMPEDE_FN float abs(float x) { return fabsf(x); }
STAMPEDE_FN double abs(double x) { return fabs(x); }
STAMPEDE_FN float min(float a, float b) { return b < a ? b : a; }
STAMPEDE_FN double min(double a, double b) { return b < a ? b : a; }
STAMPEDE_FN float max(float a, float b) { return a < b ? b : a; }
STAMPEDE_FN double max(double a, double b) { return a < b ? b : a; }
STAMPEDE_FN float sqrt(float x) { return sqrtf(x); }
STAMPEDE_FN double sqrt(double x) { return ::sqrt(x); }

/// 1 / x and 1 / sqrt(x) to 2 units in the last place, for x neither subnormal nor above 1e37.
STAMPEDE_FN float reciprocal(float x) { return 1.0f / x; }
STAMPEDE_FN double reciprocal(double x) { return 1.0 / x; }
STAMPEDE_FN float reciprocal_sqrt(float x) {
#if defined(__CUDA_ARCH__)
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

/// Reads the first `count` >= 1 of the lanes' adjacent elements and touches none behind them; those lanes are 0.
template <ScalarLane Real>
STAMPEDE_FN Real load_first(const Real* p, Index) {
  return *p;
}

/// Reads p[0], p[stride], … .
template <ScalarLane Real>
STAMPEDE_FN Real load_strided(const Real* p, Index) {
  return *p;
}

/// Writes adjacent elements, one a lane; `store_strided` those at p[0], p[stride], … .
template <class T>
STAMPEDE_FN void store(T* p, T x) {
  *p = x;
}
STAMPEDE_FN void store_strided(float* p, Index, float x) { *p = x; }
STAMPEDE_FN void store_strided(double* p, Index, double x) { *p = x; }

/// Element `index` of the array, lane by lane.
STAMPEDE_FN float gather(const float* p, std::uint32_t index) { return p[index]; }

/// Sum over the aligned group of K lanes that each lane belongs to, the same bits in all of them: a butterfly, so that
/// it does not depend on the width of the pack. K is a power of two.
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

#if !defined(__CUDACC__)
// ---------------------------------------------------------------------------------------------- packs

template <class T, int N>
struct VectorOf {
  typedef T type __attribute__((vector_size(sizeof(T) * N)));
};

template <int Bytes>
struct SignedOf;
template <>
struct SignedOf<4> {
  using type = std::int32_t;
};
template <>
struct SignedOf<8> {
  using type = std::int64_t;
};

/// Which lanes a condition holds in: all bits set, or none, in as many bytes as the numbers compared have. && and || work
/// on all lanes, without short cut; != is where they differ.
template <int N, int Bytes = 4>
struct Mask {
  using Vector = typename VectorOf<typename SignedOf<Bytes>::type, N>::type;
  Vector v;
  STAMPEDE_FN friend Mask operator&&(Mask a, Mask b) { return {a.v & b.v}; }
  STAMPEDE_FN friend Mask operator||(Mask a, Mask b) { return {a.v | b.v}; }
  STAMPEDE_FN friend Mask operator!=(Mask a, Mask b) { return {a.v ^ b.v}; }
  STAMPEDE_FN friend Mask operator!(Mask a) { return {~a.v}; }
};

/// N numbers of four bytes, or doubles, side by side.
template <class T, int N>
struct Pack {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  using Lanes = Mask<N, sizeof(T)>;
  using Vector = typename VectorOf<T, N>::type;
  Vector v;

  STAMPEDE_FN Pack() = default;
  STAMPEDE_FN Pack(T x) : v(x - Vector{}) {}
  STAMPEDE_FN explicit Pack(Vector x) : v(x) {}

  STAMPEDE_FN T operator[](int lane) const { return v[lane]; }
  STAMPEDE_FN void set(int lane, T x) { v[lane] = x; }

  STAMPEDE_FN friend Pack operator+(Pack a, Pack b) { return Pack(a.v + b.v); }
  STAMPEDE_FN friend Pack operator-(Pack a, Pack b) { return Pack(a.v - b.v); }
  STAMPEDE_FN friend Pack operator*(Pack a, Pack b) { return Pack(a.v * b.v); }
  STAMPEDE_FN friend Pack operator/(Pack a, Pack b) { return Pack(a.v / b.v); }
  STAMPEDE_FN friend Pack operator-(Pack a) { return Pack(-a.v); }
  STAMPEDE_FN friend Pack operator&(Pack a, Pack b) { return Pack(a.v & b.v); }
  STAMPEDE_FN friend Pack operator|(Pack a, Pack b) { return Pack(a.v | b.v); }
  STAMPEDE_FN friend Pack operator^(Pack a, Pack b) { return Pack(a.v ^ b.v); }
  STAMPEDE_FN friend Pack operator<<(Pack a, int bits) { return Pack(a.v << bits); }
  STAMPEDE_FN friend Pack operator>>(Pack a, int bits) { return Pack(a.v >> bits); }
  STAMPEDE_FN Pack& operator+=(Pack b) { return *this = *this + b; }
  STAMPEDE_FN Pack& operator-=(Pack b) { return *this = *this - b; }
  STAMPEDE_FN Pack& operator*=(Pack b) { return *this = *this * b; }

  STAMPEDE_FN friend Lanes operator<(Pack a, Pack b) { return mask_of(a.v < b.v); }
  STAMPEDE_FN friend Lanes operator<=(Pack a, Pack b) { return mask_of(a.v <= b.v); }
  STAMPEDE_FN friend Lanes operator>(Pack a, Pack b) { return mask_of(a.v > b.v); }
  STAMPEDE_FN friend Lanes operator>=(Pack a, Pack b) { return mask_of(a.v >= b.v); }
  STAMPEDE_FN friend Lanes operator==(Pack a, Pack b) { return mask_of(a.v == b.v); }
  STAMPEDE_FN friend Lanes operator!=(Pack a, Pack b) { return mask_of(a.v != b.v); }

  STAMPEDE_FN friend Pack select(Lanes mask, Pack yes, Pack no) { return Pack(mask.v ? yes.v : no.v); }
#if defined(__AVX512F__)  // GCC does not find these instructions, which treat a NaN as below
  STAMPEDE_FN friend Pack min(Pack a, Pack b) requires(N == 16 && std::is_same_v<T, float>) {
    return Pack(Vector(_mm512_maskz_min_ps(0xffff, __m512(b.v), __m512(a.v))));
  }
  STAMPEDE_FN friend Pack max(Pack a, Pack b) requires(N == 16 && std::is_same_v<T, float>) {
    return Pack(Vector(_mm512_maskz_max_ps(0xffff, __m512(b.v), __m512(a.v))));
  }
#endif
  STAMPEDE_FN friend Pack min(Pack a, Pack b) { return Pack(b.v < a.v ? b.v : a.v); }
  STAMPEDE_FN friend Pack max(Pack a, Pack b) { return Pack(a.v < b.v ? b.v : a.v); }

 private:
  template <class V>
  STAMPEDE_FN static Lanes mask_of(V comparison) {
    return {reinterpret_cast<typename Lanes::Vector>(comparison)};
  }
};

template <class T, int N>
struct LaneTraits<Pack<T, N>> {
  static constexpr int kLanes = N;
  using Scalar = T;
  using Int = Pack<std::int32_t, N>;
  using Uint = Pack<std::uint32_t, N>;
  using Mask = stampede::Mask<N, sizeof(T)>;
};

template <int N, int Bytes>
STAMPEDE_FN bool any(Mask<N, Bytes> mask) {
#if defined(__AVX512DQ__)
  if constexpr (N == 16 && Bytes == 4) return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask.v)) != 0;
  if constexpr (N == 8 && Bytes == 8) return _mm512_movepi64_mask(reinterpret_cast<__m512i>(mask.v)) != 0;
#endif
#if defined(__AVX__)
  if constexpr (N == 8 && Bytes == 4) return _mm256_movemask_ps(reinterpret_cast<__m256>(mask.v)) != 0;
#endif
#if defined(__SSE2__)
  if constexpr (N == 4 && Bytes == 4) return _mm_movemask_ps(reinterpret_cast<__m128>(mask.v)) != 0;
#endif
  typename SignedOf<Bytes>::type set = 0;
  for (int lane = 0; lane < N; ++lane) set |= mask.v[lane];
  return set != 0;
}
template <int N, int Bytes>
STAMPEDE_FN bool all(Mask<N, Bytes> mask) {
  return !any(!mask);
}
template <int N, int Bytes>
STAMPEDE_FN bool any_together(Mask<N, Bytes> mask) {
  return any(mask);
}

template <class T, int N>
STAMPEDE_FN Pack<T, N> abs(Pack<T, N> x) {
  using Bits = typename Mask<N, sizeof(T)>::Vector;
  using Signed = typename SignedOf<sizeof(T)>::type;
  const auto bits = reinterpret_cast<Bits>(x.v) & std::numeric_limits<Signed>::max();
  return Pack<T, N>(reinterpret_cast<typename Pack<T, N>::Vector>(bits));
}

template <int N>
STAMPEDE_FN Pack<float, N> sqrt(Pack<float, N> x) {
#if defined(__AVX512F__)
  if constexpr (N == 16) return Pack<float, N>(typename Pack<float, N>::Vector(_mm512_maskz_sqrt_ps(0xffff, x.v)));
#endif
#if defined(__AVX__)
  if constexpr (N == 8) return Pack<float, N>(typename Pack<float, N>::Vector(_mm256_sqrt_ps(x.v)));
#endif
#if defined(__SSE2__)
  if constexpr (N == 4) return Pack<float, N>(typename Pack<float, N>::Vector(_mm_sqrt_ps(x.v)));
#endif
  for (int lane = 0; lane < N; ++lane) x.v[lane] = __builtin_sqrtf(x.v[lane]);
  return x;
}

template <int N>
STAMPEDE_FN Pack<double, N> sqrt(Pack<double, N> x) {
  for (int lane = 0; lane < N; ++lane) x.v[lane] = __builtin_sqrt(x.v[lane]);
  return x;
}

template <class T, int N>
STAMPEDE_FN Pack<T, N> reciprocal(Pack<T, N> x) {
#if defined(__AVX512F__) && !defined(STAMPEDE_PARITY)
  // The processor's estimate of 14 bits and one step of Newton's: a quarter of a division's time.
  if constexpr (N == 16) {
    const Pack<T, N> y(typename Pack<T, N>::Vector(_mm512_maskz_rcp14_ps(0xffff, x.v)));
    return y + y * (Pack<T, N>(1.0f) - x * y);
  }
#endif
  return Pack<T, N>(T(1)) / x;
}
template <class T, int N>
STAMPEDE_FN Pack<T, N> reciprocal_sqrt(Pack<T, N> x) {
#if defined(__AVX512F__) && !defined(STAMPEDE_PARITY)
  if constexpr (N == 16) {
    const Pack<T, N> y(typename Pack<T, N>::Vector(_mm512_maskz_rsqrt14_ps(0xffff, x.v)));
    return y * (Pack<T, N>(1.5f) - Pack<T, N>(0.5f) * x * (y * y));
  }
#endif
  return Pack<T, N>(T(1)) / sqrt(x);
}

template <int N>
STAMPEDE_FN Pack<float, N> round_nearest(Pack<float, N> x) {
  const Pack<float, N> round = 12582912.0f;
  return (x + round) - round;
}

template <int N>
STAMPEDE_FN Pack<double, N> round_nearest(Pack<double, N> x) {
  const Pack<double, N> round = 6755399441055744.0;
  return (x + round) - round;
}

template <class T, int N>
STAMPEDE_FN Pack<std::int32_t, N> to_int(Pack<T, N> x) {
  return Pack<std::int32_t, N>(__builtin_convertvector(x.v, typename Pack<std::int32_t, N>::Vector));
}

template <class Real, int N>
STAMPEDE_FN Real to_real(Pack<std::int32_t, N> i) {
  return Real(__builtin_convertvector(i.v, typename Real::Vector));
}

template <int N>
STAMPEDE_FN Pack<std::int32_t, N> bits_of(Pack<float, N> x) {
  return Pack<std::int32_t, N>(reinterpret_cast<typename Pack<std::int32_t, N>::Vector>(x.v));
}
template <int N>
STAMPEDE_FN Pack<float, N> real_of_bits(Pack<std::int32_t, N> i) {
  return Pack<float, N>(reinterpret_cast<typename Pack<float, N>::Vector>(i.v));
}

template <int N>
STAMPEDE_FN Pack<std::int32_t, N> as_signed(Pack<std::uint32_t, N> i) {
  return Pack<std::int32_t, N>(reinterpret_cast<typename Pack<std::int32_t, N>::Vector>(i.v));
}

template <int N>
STAMPEDE_FN void multiply_wide(Pack<std::uint32_t, N> a, Pack<std::uint32_t, N> b, Pack<std::uint32_t, N>& high,
                               Pack<std::uint32_t, N>& low) {
  // The processors multiply the even 32-bit lanes to 64-bit products: once as they are, once with the odd lanes moved down.
  using Wide = typename VectorOf<std::uint64_t, N / 2>::type;
  const Wide a_even = reinterpret_cast<Wide>(a.v), b_even = reinterpret_cast<Wide>(b.v);
  const Wide a_odd = a_even >> 32, b_odd = b_even >> 32;
  Wide even, odd;
  const auto product = [](Wide x, Wide y) -> Wide {
#if defined(__AVX512F__)
    if constexpr (N == 16) return (Wide)_mm512_maskz_mul_epu32(0xff, (__m512i)x, (__m512i)y);
#endif
#if defined(__AVX2__)
    if constexpr (N == 8) return (Wide)_mm256_mul_epu32((__m256i)x, (__m256i)y);
#endif
#if defined(__SSE2__)
    if constexpr (N == 4) return (Wide)_mm_mul_epu32((__m128i)x, (__m128i)y);
#endif
    return (x & 0xffffffffu) * (y & 0xffffffffu);
  };
  even = product(a_even, b_even);
  odd = product(a_odd, b_odd);
  using Narrow = typename Pack<std::uint32_t, N>::Vector;
  constexpr std::uint64_t kLow = 0xffffffffu;
  high.v = reinterpret_cast<Narrow>((even >> 32) | (odd & ~kLow));
  low.v = reinterpret_cast<Narrow>((even & kLow) | (odd << 32));
}

namespace detail {
template <class T, int N>
struct __attribute__((packed, aligned(4), may_alias)) Unaligned {
  typename VectorOf<T, N>::type v;
};
}  // namespace detail

template <class P>
concept PackType = (kLanes<P> > 1) && requires {
  typename P::Vector;
};

template <PackType Real>
STAMPEDE_FN Real load(const ScalarOf<Real>* p) {
  return Real(reinterpret_cast<const detail::Unaligned<ScalarOf<Real>, kLanes<Real>>*>(p)->v);
}
template <PackType Real>
STAMPEDE_FN UintOf<Real> load_uint(const std::uint32_t* p) {
  return load<UintOf<Real>>(p);
}
template <class T, int N>
STAMPEDE_FN void store(T* p, Pack<T, N> x) {
  reinterpret_cast<detail::Unaligned<T, N>*>(p)->v = x.v;
}
template <PackType Real>
STAMPEDE_FN UintOf<Real> lane_indices(Index first) {
  UintOf<Real> indices;
  STAMPEDE_UNROLL
  for (int lane = 0; lane < kLanes<Real>; ++lane) indices.v[lane] = static_cast<std::uint32_t>(first + lane);
  return indices;
}
template <int N>
STAMPEDE_FN Pack<float, N> gather(const float* p, Pack<std::uint32_t, N> index) {
#if defined(__AVX512F__)
  if constexpr (N == 16) {
    return Pack<float, N>(typename Pack<float, N>::Vector(
        _mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, reinterpret_cast<__m512i>(index.v), p, 4)));
  }
#endif
  Pack<float, N> x;
  STAMPEDE_UNROLL
  for (int lane = 0; lane < N; ++lane) x.v[lane] = p[index.v[lane]];
  return x;
}
template <PackType Real>
STAMPEDE_FN Real load_strided(const ScalarOf<Real>* p, Index stride) {
  return gather(p, lane_indices<Real>(0) * UintOf<Real>(static_cast<std::uint32_t>(stride)));
}
template <int N>
STAMPEDE_FN void store_strided(float* p, Index stride, Pack<float, N> x) {
#if defined(__AVX512F__)
  if constexpr (N == 16) {
    const auto index = lane_indices<Pack<float, N>>(0) * Pack<std::uint32_t, N>(static_cast<std::uint32_t>(stride));
    return _mm512_i32scatter_ps(p, reinterpret_cast<__m512i>(index.v), x.v, 4);
  }
#endif
  STAMPEDE_UNROLL
  for (int lane = 0; lane < N; ++lane) p[lane * stride] = x.v[lane];
}
template <PackType Real>
STAMPEDE_FN Real load_first(const ScalarOf<Real>* p, Index count) {
  constexpr int kWidth = kLanes<Real>;
  if (count >= kWidth) return load<Real>(p);
#if defined(__AVX512F__)
  if constexpr (kWidth == 16) {
    const unsigned mask = (1u << count) - 1u;
    return Real(typename Real::Vector(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p)));
  }
#endif
#if defined(__AVX__)
  if constexpr (kWidth == 8) {
    const auto wanted = lane_indices<Real>(0) < UintOf<Real>(static_cast<std::uint32_t>(count));
    return Real(typename Real::Vector(_mm256_maskload_ps(p, reinterpret_cast<__m256i>(wanted.v))));
  }
#endif
  ScalarOf<Real> lanes[kWidth] = {};
  STAMPEDE_NO_UNROLL
  for (Index lane = 0; lane < count; ++lane) lanes[lane] = p[lane];
  return load<Real>(lanes);
}

/// K numbers that a pack's lanes repeat: K of them in memory, all lanes when read.
template <class P, int K>
struct Repeated {
  using Scalar = ScalarOf<P>;
  Scalar values[K];

  STAMPEDE_FN operator P() const {
    constexpr int kWidth = kLanes<P>;
    static_assert(kWidth % K == 0);
    if constexpr (K == 1) return P(values[0]);
    if constexpr (K == kWidth) return load<P>(values);
#if defined(__AVX512F__)
    if constexpr (kWidth == 16 && K == 8 && sizeof(Scalar) == 4) {
      return P(typename P::Vector(
          _mm512_castpd_ps(_mm512_maskz_broadcast_f64x4(0xff, _mm256_castps_pd(_mm256_loadu_ps(values))))));
    }
    if constexpr (kWidth == 16 && K == 4 && sizeof(Scalar) == 4) {
      return P(typename P::Vector(_mm512_maskz_broadcast_f32x4(0xffff, _mm_loadu_ps(values))));
    }
    if constexpr (kWidth == 16 && K == 2 && sizeof(Scalar) == 4) {
      double both;
      memcpy(&both, values, sizeof both);
      return P(typename P::Vector(_mm512_castpd_ps(_mm512_set1_pd(both))));
    }
#endif
#if defined(__AVX__)
    if constexpr (kWidth == 8 && K == 4 && sizeof(Scalar) == 4) {
      return P(typename P::Vector(_mm256_broadcast_ps(reinterpret_cast<const __m128*>(values))));
    }
#endif
    Scalar lanes[kWidth];
    STAMPEDE_UNROLL
    for (int lane = 0; lane < kWidth; ++lane) lanes[lane] = values[lane % K];
    return load<P>(lanes);
  }
};

namespace detail {
template <int Step, class T, int N, int... Lane>
STAMPEDE_FN Pack<T, N> exchange(Pack<T, N> x, std::integer_sequence<int, Lane...>) {
  return Pack<T, N>(__builtin_shufflevector(x.v, x.v, (Lane ^ Step)...));
}
/// Combines each lane with the others of its group of K, in the order of a butterfly.
template <int K, class T, int N, class Combine>
STAMPEDE_FN Pack<T, N> butterfly(Pack<T, N> x, Combine combine) {
  static_assert(K > 0 && (K & (K - 1)) == 0 && K <= N);
  constexpr auto kSequence = std::make_integer_sequence<int, N>{};
  if constexpr (K >= 2) x = combine(x, exchange<1>(x, kSequence));
  if constexpr (K >= 4) x = combine(x, exchange<2>(x, kSequence));
  if constexpr (K >= 8) x = combine(x, exchange<4>(x, kSequence));
  if constexpr (K >= 16) x = combine(x, exchange<8>(x, kSequence));
  return x;
}
}  // namespace detail

template <int K, class T, int N>
STAMPEDE_FN Pack<T, N> group_sum(Pack<T, N> x) {
  return detail::butterfly<K>(x, [](Pack<T, N> a, Pack<T, N> b) { return a + b; });
}
template <int K, class T, int N>
STAMPEDE_FN Pack<T, N> group_min(Pack<T, N> x) {
  return detail::butterfly<K>(x, [](Pack<T, N> a, Pack<T, N> b) { return min(a, b); });
}

#endif  // !__CUDACC__

/// What a kernel computes with: its own number type where it names one (`Real`), else the backend's.
template <class Kernel, class Default>
struct KernelReal {
  using type = Default;
};
template <class Kernel, class Default>
requires requires { typename Kernel::Real; }
struct KernelReal<Kernel, Default> {
  using type = typename Kernel::Real;
};

}  // namespace stampede
