/// \file The elementary functions against the C library in double precision; the bounds are those of kernels/math.hpp.

#include "kernels/math.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

/// Every `stride`-th float between two bit patterns.
std::vector<float> every(float low, float high, std::int32_t stride) {
  std::vector<float> values;
  for (std::int64_t bits = bits_of(low); bits <= bits_of(high); bits += stride) {
    values.push_back(real_of_bits(static_cast<std::int32_t>(bits)));
  }
  return values;
}

/// The same, and their negatives.
std::vector<float> both_signs(float low, float high, std::int32_t stride) {
  std::vector<float> values = every(low, high, stride);
  const std::size_t n = values.size();
  for (std::size_t i = 0; i < n; ++i) values.push_back(-values[i]);
  return values;
}

template <class Real, class Function>
std::vector<float> map(std::vector<float> x, const Function& f) {
  const std::size_t n = x.size();
  x.resize(static_cast<std::size_t>(padded(static_cast<Index>(n))), 1.0f);
  for (std::size_t i = 0; i < x.size(); i += kLanes<Real>) store(&x[i], f(load<Real>(&x[i])));
  x.resize(n);
  return x;
}

/// Checks f on x against `want`: at most `ulp` units in the last place off, or at most `absolute`, in every width.
template <class Function>
void check(const std::vector<float>& x, double (*want)(double), double ulp, double absolute, const Function& f) {
  std::vector<double> exact(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) exact[i] = want(static_cast<double>(x[i]));
  const std::vector<float> scalar = map<float>(x, f);
  for_each_width([&]<class Real>() {
    const std::vector<float> got = map<Real>(x, f);
    double worst = 0;
    std::size_t where = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double y = static_cast<double>(got[i]);
      const double error = std::fabs(y - exact[i]) <= absolute ? 0.0 : ulps(y, exact[i]);
      if (!(error <= worst)) {
        worst = std::isnan(error) ? HUGE_VAL : error;
        where = i;
      }
    }
    EXPECT_LE(worst, ulp) << "at " << x[where] << ": " << got[where] << " where " << exact[where] << " is right";
    if (kParity) {
      EXPECT_TRUE(same_bits(got, scalar, static_cast<Index>(x.size())));
    }
  });
}

const auto kSine = [](auto x) {
  decltype(x) sine, cosine;
  sincos(x, sine, cosine);
  return sine;
};
const auto kCosine = [](auto x) {
  decltype(x) sine, cosine;
  sincos(x, sine, cosine);
  return cosine;
};
const auto kExp = [](auto x) { return exp(x); };
const auto kLog = [](auto x) { return log(x); };
const auto kTanh = [](auto x) { return tanh(x); };
const auto kWrap = [](auto x) { return wrap_angle(x); };

TEST(Math, SineAndCosine) {
  const auto near = both_signs(1e-30f, 0.785f, 4001);
  check(near, std::sin, 1.6, 0, kSine);
  check(near, std::cos, 1.6, 0, kCosine);
  const auto far = both_signs(0.785f, 8192.0f, 401);
  check(far, std::sin, 1.6, 6e-8, kSine);
  check(far, std::cos, 1.6, 6e-8, kCosine);
}

TEST(Math, Exponential) { check(both_signs(1e-30f, 87.33f, 1801), std::exp, 1.1, 0, kExp); }

TEST(Math, ExponentialOfNonpositives) {
  const auto f = [](auto x) { return exp_nonpositive(x); };
  auto near = every(1e-30f, 1.0f, 1801), far = every(1.0f, 200.0f, 401);
  for (float& x : near) x = -x;
  for (float& x : far) x = -x;
  far.insert(far.end(), {-HUGE_VALF, -1e30f});
  check(near, std::exp, 3, 0, f);
  check(far, std::exp, 0, 1e-7, f);
}

TEST(Math, ReciprocalOf1To2) {
  check(
      every(1.0f, 2.0f, 101), [](double x) { return 1 / x; }, 2, 0, [](auto x) { return reciprocal_of_1_to_2(x); });
}

TEST(Math, Logarithm) {
  check(every(1.17549435e-38f, 3.4e38f, 4001), std::log, 0.9, 0, kLog);
  check(every(0.9f, 1.1f, 11), std::log, 0.9, 0, kLog);
}

TEST(Math, HyperbolicTangent) { check(both_signs(1e-30f, 100.0f, 1801), std::tanh, 2.5, 0, kTanh); }

TEST(Math, AnglesAreWrapped) {
  auto x = both_signs(1e-3f, 8192.0f, 401);
  for (const float turns : {0.5f, 1.0f, 1.5f, 7.5f}) {  // and the border itself, with its neighbours
    float angle = turns * static_cast<float>(2 * kPi);
    for (int i = 0; i < 16; ++i) angle = std::nextafter(angle, 0.0f);
    for (int i = 0; i < 32; ++i, angle = std::nextafter(angle, 1e9f)) x.insert(x.end(), {angle, -angle});
  }
  const std::vector<float> scalar = map<float>(x, kWrap);
  for_each_width([&]<class Real>() {
    const std::vector<float> got = map<Real>(x, kWrap);
    const float pi = static_cast<float>(kPi);
    double worst = 0;
    std::size_t outside = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double turns = (static_cast<double>(x[i]) - static_cast<double>(got[i])) / (2 * kPi);
      const double error = std::fabs(turns - std::nearbyint(turns)) * 2 * kPi;
      if (!(error <= worst)) worst = std::isnan(error) ? HUGE_VAL : error;
      outside += !(got[i] >= -pi && got[i] < pi);
    }
    EXPECT_LE(worst, 3e-7);
    EXPECT_EQ(outside, 0u);
    if (kParity) {
      EXPECT_TRUE(same_bits(got, scalar, static_cast<Index>(x.size())));
    }
  });
}

TEST(Math, NumbersThatAreNone) {
  const float inf = HUGE_VALF;
  const std::vector<float> x = {NAN, inf, -inf, 0.0f, -1.0f, 100.0f, -100.0f, 89.0f, -88.0f};
  for_each_width([&]<class Real>() {
    const auto e = map<Real>(x, kExp), l = map<Real>(x, kLog), t = map<Real>(x, kTanh), s = map<Real>(x, kSine);
    EXPECT_TRUE(std::isnan(lane(exp_nonpositive(Real(NAN)), 0)));
    const auto c = map<Real>(x, [](auto v) { return clamp(v, decltype(v)(-1.0f), decltype(v)(1.0f)); });
    for (const auto& y : {e, l, t, s, c}) EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_EQ(e[1], inf);
    EXPECT_EQ(e[2], 0.0f);
    EXPECT_EQ(e[3], 1.0f);
    EXPECT_EQ(e[7], inf);
    EXPECT_EQ(e[8], 0.0f);
    EXPECT_EQ(l[1], inf);
    EXPECT_TRUE(std::isnan(l[2]));
    EXPECT_EQ(l[3], -inf);
    EXPECT_TRUE(std::isnan(l[4]));
    EXPECT_EQ(t[1], 1.0f);
    EXPECT_EQ(t[2], -1.0f);
    EXPECT_TRUE(std::isnan(s[1]) && std::isnan(s[2]));
    EXPECT_EQ(c[1], 1.0f);
    EXPECT_EQ(c[2], -1.0f);
    const auto finite = map<Real>(x, [](auto v) { return select(is_finite(v), decltype(v)(1.0f), decltype(v)(0.0f)); });
    EXPECT_EQ(finite, (std::vector<float>{0, 0, 0, 1, 1, 1, 1, 1, 1}));
  });
}

}  // namespace
}  // namespace stampede::testing
