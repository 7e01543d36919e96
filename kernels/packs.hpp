#pragma once
/// \file Packs: W numbers side by side in a vector of the processor, for CPUs. The operations that lanes.hpp lists,
/// with a processor's instruction where the compiler does not find it by itself.

#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/one_lane.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stampede {

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

/// Which lanes a condition holds in: all bits set, or none, in as many bytes as the numbers compared have. && and ||
/// work on all lanes and always evaluate both sides; != holds where the two differ.
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
  STAMPEDE_FN Pack(T x) : v(x - Vector{}) {}  ///< x in all lanes: the compiler repeats a number beside a vector
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
#if defined(__AVX512F__)  // GCC does not find these instructions by itself; a NaN gives the same as in min, max below
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
  // The processors multiply the even 32-bit lanes to 64-bit products: once as they are, once with the odd lanes moved
  // down.
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
template <int N>
STAMPEDE_FN void store_first(float* p, Pack<float, N> x, Index count) {
  if (count >= N) return store(p, x);
  STAMPEDE_NO_UNROLL
  for (Index lane = 0; lane < count; ++lane) p[lane] = x.v[lane];
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

/// K numbers that are repeated over a pack: K of them in memory, and when read lane l has number l mod K.
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

}  // namespace stampede
