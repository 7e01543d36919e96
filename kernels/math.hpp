#pragma once
/// \file Elementary functions on lanes. They evaluate polynomials themselves instead of calling a library, so that a
/// float gives the same bits in a pack of any width (parity preset) and nearly the same on a GPU. Coefficients are
/// those of Cephes (S. L. Moshier, single precision). Errors below are the largest found in
/// tests/kernels/math_test.cpp, in units in the last place (ulp). For doubles the C library is called.
///
/// | function   | domain                   | error                                                       |
/// |------------|--------------------------|-------------------------------------------------------------|
/// | sincos     | \|x\| <= 8192            | 1.6 ulp, or 6e-8 absolute near zeros away from the origin   |
/// | exp        | all; 0 below -87.3       | 1.1 ulp                                                     |
/// | log        | x >= 0, not subnormal    | 0.9 ulp                                                     |
/// | tanh       | all                      | 2.5 ulp                                                     |
/// | wrap_angle | \|x\| <= 8192            | 3e-7 absolute, up to whole turns                            |

#include <cmath>
#include <limits>

#include "kernels/lanes.hpp"

namespace stampede {

inline constexpr double kPi = 3.14159265358979323846;

/// Sine and cosine of x [rad].
template <class Real>
STAMPEDE_FN void sincos(Real x, Real& sine, Real& cosine) {
  // x = k pi/2 + r, |r| <= pi/4, pi/2 in three parts of which the first two multiply k exactly.
  const Real k = round_nearest(x * Real(0.63661977236758134308f));
  Real r = x - k * Real(1.5703125f);
  r = r - k * Real(4.837512969970703125e-4f);
  r = r - k * Real(7.54978995489188216e-8f);
  const Real z = r * r;
  const Real s = r + r * z * (Real(-1.6666654611e-1f) + z * (Real(8.3321608736e-3f) + z * Real(-1.9515295891e-4f)));
  const Real c =
      Real(1.0f) - Real(0.5f) * z +
      z * z * (Real(4.166664568298827e-2f) + z * (Real(-1.388731625493765e-3f) + z * Real(2.443315711809948e-5f)));
  const auto quadrant = to_int(k);
  const auto swap = (quadrant & 1) != 0;
  const auto sign_s = (quadrant & 2) << 30;
  const auto sign_c = ((quadrant + 1) & 2) << 30;
  sine = real_of_bits(bits_of(select(swap, c, s)) ^ sign_s);
  cosine = real_of_bits(bits_of(select(swap, s, c)) ^ sign_c);
}
STAMPEDE_FN void sincos(double x, double& sine, double& cosine) {
  sine = ::sin(x);
  cosine = ::cos(x);
}

#if !defined(__CUDACC__)
template <int N>
STAMPEDE_FN void sincos(Pack<double, N> x, Pack<double, N>& sine, Pack<double, N>& cosine) {
  for (int lane = 0; lane < N; ++lane) {
    sine.v[lane] = ::sin(x.v[lane]);
    cosine.v[lane] = ::cos(x.v[lane]);
  }
}
#endif

/// e^x. Infinity above 88.72, 0 below -87.33 (where floats turn subnormal); NaN stays NaN.
template <class Real>
STAMPEDE_FN Real exp(Real x) {
  const Real low = Real(-87.33654f), high = Real(88.72283f);
  const auto under = x < low;
  const auto over = x > high;
  const Real y = select(under, low, select(over, high, x));
  const Real n = round_nearest(y * Real(1.44269504088896341f));
  Real r = y - n * Real(0.693359375f);
  r = r - n * Real(-2.12194440e-4f);
  Real p = Real(1.9875691500e-4f);
  p = p * r + Real(1.3981999507e-3f);
  p = p * r + Real(8.3334519073e-3f);
  p = p * r + Real(4.1665795894e-2f);
  p = p * r + Real(1.6666665459e-1f);
  p = p * r + Real(5.0000001201e-1f);
  p = p * (r * r) + r + Real(1.0f);
  // 2^n in two factors: n reaches 128, which a float's exponent does not hold.
  const auto half = to_int(n) >> 1;
  const auto rest = to_int(n) - half;
  const Real scaled = p * real_of_bits((half + 127) << 23) * real_of_bits((rest + 127) << 23);
  return select(over, Real(HUGE_VALF), select(under, Real(0.0f), scaled));
}
STAMPEDE_FN double exp(double x) { return ::exp(x); }

/// e^x for x <= 0 to 3 ulp where x > -1, to 1e-7 absolute everywhere: cheaper than `exp`, for activations. NaN stays
/// NaN.
template <class Real>
STAMPEDE_FN Real exp_nonpositive(Real x) {
  // 2^t = 2^n 2^f; the polynomial is a minimax fit of (2^f - 1) / f on [-1/2, 1/2], so that e^0 is exactly 1.
  const Real t = max(x, Real(-87.0f)) * Real(1.44269504088896341f);
  const Real n = round_nearest(t);
  const Real f = t - n;
  Real p = Real(1.326472731307149e-3f);
  p = p * f + Real(9.671512991189957e-3f);
  p = p * f + Real(5.550733581185341e-2f);
  p = p * f + Real(2.4022242426872253e-1f);
  p = p * f + Real(6.931470036506653e-1f);
  p = p * f + Real(1.0f);
  return real_of_bits(bits_of(p) + (to_int(n) << 23));
}
STAMPEDE_FN double exp_nonpositive(double x) { return ::exp(x); }

/// Natural logarithm of x >= 0. log(0) = -infinity; NaN below 0.
template <class Real>
STAMPEDE_FN Real log(Real x) {
  // x = 2^e m with m in [sqrt(1/2), sqrt(2)). Without the sign nothing below overflows; negative x give NaN at the end.
  const auto bits = bits_of(x) & 0x7fffffff;
  const auto shifted = bits - 0x3f3504f3;
  const auto e = shifted >> 23;
  const Real m = real_of_bits(bits - (e << 23)) - Real(1.0f);
  const Real exponent = to_real<Real>(e);
  const Real z = m * m;
  Real p = Real(7.0376836292e-2f);
  p = p * m + Real(-1.1514610310e-1f);
  p = p * m + Real(1.1676998740e-1f);
  p = p * m + Real(-1.2420140846e-1f);
  p = p * m + Real(1.4249322787e-1f);
  p = p * m + Real(-1.6668057665e-1f);
  p = p * m + Real(2.0000714765e-1f);
  p = p * m + Real(-2.4999993993e-1f);
  p = p * m + Real(3.3333331174e-1f);
  Real y = p * m * z;
  y = y + exponent * Real(-2.12194440e-4f);
  y = y - Real(0.5f) * z;
  Real result = m + y;
  result = result + exponent * Real(0.693359375f);
  result = select(x == Real(0.0f), Real(-HUGE_VALF), result);
  result = select(x == Real(HUGE_VALF), Real(HUGE_VALF), result);
  return select(x >= Real(0.0f), result, Real(NAN));
}
STAMPEDE_FN double log(double x) { return ::log(x); }

/// x^y for x >= 0; 0 for x = 0 and y > 0.
template <class Real>
STAMPEDE_FN Real pow(Real x, Real y) {
  return exp(y * log(x));
}
#if !defined(__CUDACC__)
template <int N>
STAMPEDE_FN Pack<double, N> pow(Pack<double, N> x, Pack<double, N> y) {
  for (int lane = 0; lane < N; ++lane) x.v[lane] = ::pow(x.v[lane], y.v[lane]);
  return x;
}
#endif

/// 1 / d for 1 <= d <= 2, to 2 ulp: a quadratic guess and two steps of Newton's, cheaper than dividing.
template <class Real>
STAMPEDE_FN Real reciprocal_of_1_to_2(Real d) {
  Real r = Real(2.12121232f) + d * (Real(-1.45454566f) + d * Real(0.32323237f));
  r = r * (Real(2.0f) - d * r);
  return r + r * (Real(1.0f) - d * r);
}
STAMPEDE_FN double reciprocal_of_1_to_2(double d) { return 1.0 / d; }

/// Hyperbolic tangent.
template <class Real>
STAMPEDE_FN Real tanh(Real x) {
  const Real z = x * x;
  Real p = Real(-5.70498872745e-3f);
  p = p * z + Real(2.06390887954e-2f);
  p = p * z + Real(-5.37397155531e-2f);
  p = p * z + Real(1.33314422036e-1f);
  p = p * z + Real(-3.33332819422e-1f);
  const Real small = p * z * x + x;
  const Real size = abs(x);
  const Real decay = exp_nonpositive(Real(-2.0f) * size);
  const Real large = (Real(1.0f) - decay) * reciprocal_of_1_to_2(Real(1.0f) + decay);
  return select(size < Real(0.625f), small, select(x < Real(0.0f), -large, large));
}
STAMPEDE_FN double tanh(double x) { return ::tanh(x); }

/// x limited to [low, high]; NaN stays NaN.
template <class Real>
STAMPEDE_FN Real clamp(Real x, Real low, Real high) {
  return select(x < low, low, select(x > high, high, x));
}

/// An angle [rad] brought into [-pi, pi).
template <class Real>
STAMPEDE_FN Real wrap_angle(Real x) {
  Real turns = round_nearest(x * Real(0.15915494309189533577f));
  Real wrapped = x - turns * Real(6.28125f);
  wrapped = wrapped - turns * Real(1.9359588623046875e-3f);
  wrapped = wrapped + turns * Real(6.516827184555041e-7f);
  const Real pi = Real(static_cast<ScalarOf<Real>>(kPi));
  const Real turn = Real(static_cast<ScalarOf<Real>>(2 * kPi));
  wrapped = select(wrapped >= pi, wrapped - turn, wrapped);
  return select(wrapped < -pi, wrapped + turn, wrapped);
}
STAMPEDE_FN double wrap_angle(double x) { return x - 2 * kPi * ::floor(x / (2 * kPi) + 0.5); }

/// Whether x is neither infinite nor NaN.
template <class Real>
STAMPEDE_FN MaskOf<Real> is_finite(Real x) {
  return (x - x) == Real(0.0f);
}

/// x, or `other` where x is infinite or NaN.
template <class Real>
STAMPEDE_FN Real finite_or(Real x, ScalarOf<Real> other) {
  return select(is_finite(x), x, Real(other));
}

/// The maximum of an empty set of numbers: the lowest float.
inline constexpr float kNoMaximum = std::numeric_limits<float>::lowest();

}  // namespace stampede
