/// \file Drawing of actions: distribution, log-probability, scaling and bounds; values in their own units.

#include "kernels/policy.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

constexpr int kActions = 3;
constexpr Index kStride = 16;
const float kCentre[] = {0, 1, -2}, kScale[] = {1, 2, 0.5f}, kLow[] = {-1, -1, -2.5f}, kHigh[] = {1, 3, -1.5f};
const ActionScaling kScaling{kCentre, kScale, kLow, kHigh};
const float kLogStd[] = {0.0f, -1.0f, 0.5f};

struct Drawn {
  std::vector<float> output, action, log_prob, kept;
};

template <class Real>
Drawn draw(Index n, const std::vector<float>& mean, std::uint32_t clock) {
  Drawn d{floats(padded(n) * kActions), floats(padded(n) * kActions), floats(n), floats(padded(n) * kActions)};
  Control control{};
  control.clock = clock;
  run<Real>(n, SampleActions{mean.data(), kStride, 0, kLogStd, kActions, 7, &control, 5, kScaling, d.output.data(),
                             d.action.data(), d.log_prob.data(), d.kept.data()});
  return d;
}

TEST(Policy, DrawsFromTheGaussianItSays) {
  for (const Index n : kSizes) {
    const auto mean = random_floats(padded(n) * kStride, -1, 1, 1);
    const Drawn scalar = draw<float>(n, mean, 100);
    for_each_width([&]<class Real>() {
      const Drawn d = draw<Real>(n, mean, 100);
      Worst worst;
      double z1 = 0, z2 = 0;
      for (Index i = 0; i < n; ++i) {
        double log_prob = 0;
        for (int a = 0; a < kActions; ++a) {
          const float u = d.output[i * kActions + a];
          const double z = static_cast<double>(u - mean[i * kStride + a]) / std::exp(static_cast<double>(kLogStd[a]));
          log_prob -= 0.5 * z * z + static_cast<double>(kLogStd[a]) + 0.5 * std::log(2 * kPi);
          EXPECT_EQ(d.kept[i * kActions + a], mean[i * kStride + a]);
          z1 += z;
          z2 += z * z;
          const float wanted = std::clamp(kCentre[a] + kScale[a] * u, kLow[a], kHigh[a]);
          EXPECT_NEAR(d.action[i * kActions + a], wanted, 5e-7f);
          EXPECT_TRUE(d.action[i * kActions + a] >= kLow[a] && d.action[i * kActions + a] <= kHigh[a]);
        }
        worst.take(static_cast<double>(d.log_prob[i]), log_prob, 1.0);
      }
      EXPECT_LE(worst.error, 5e-6);
      const double count = static_cast<double>(n * kActions);
      EXPECT_LE(std::fabs(z1) / std::sqrt(count), 5.0);
      EXPECT_LE(std::fabs(z2 - count) / std::sqrt(2 * count), 5.0);
      expect_as_scalar(d.output, scalar.output, n * kActions, 1e-5, 1.0);
      expect_as_scalar(d.log_prob, scalar.log_prob, n, 1e-5, 1.0);
    });
    EXPECT_FALSE(scalar.output == draw<float>(n, mean, 101).output) << "every step draws anew";
  }
}

TEST(Policy, TilesDoNotMatter) {
  // A range's means lie from its own first row on; what is drawn depends on the environment alone.
  const auto mean = floats(64 * kStride);
  const Drawn whole = draw<Widest>(64, mean, 1);
  Drawn part{floats(64 * kActions), floats(64 * kActions), floats(64), floats(64 * kActions)};
  Control control{};
  control.clock = 1;
  const SampleActions kernel{mean.data(),
                             kStride,
                             32,
                             kLogStd,
                             kActions,
                             7,
                             &control,
                             5,
                             kScaling,
                             part.output.data(),
                             part.action.data(),
                             part.log_prob.data(),
                             part.kept.data()};
  for (Index i = 32; i < 64; i += kLanes<Widest>) kernel.operator()<Widest>(i);
  for (Index i = 32; i < 64; ++i) EXPECT_EQ(part.log_prob[i], whole.log_prob[i]);
}

TEST(Policy, ARankDrawsWhatItsEnvironmentsWouldDrawInOneProcess) {
  const auto mean = floats(64 * kStride);
  const Drawn whole = draw<float>(64, mean, 1);
  for_each_width([&]<class Real>() {
    Drawn part{floats(32 * kActions), floats(32 * kActions), floats(32), floats(32 * kActions)};
    Control control{};
    control.clock = 1;
    SampleActions kernel{mean.data(),
                         kStride,
                         0,
                         kLogStd,
                         kActions,
                         7,
                         &control,
                         5,
                         kScaling,
                         part.output.data(),
                         part.action.data(),
                         part.log_prob.data(),
                         part.kept.data()};
    kernel.first_environment = 27;  // a multiple of no pack
    run<Real>(32, kernel);
    const std::vector<float> wanted(whole.output.begin() + 27 * kActions, whole.output.begin() + 59 * kActions);
    expect_as_scalar(part.output, wanted, 32 * kActions, 1e-5, 1.0);
  });
}

TEST(Policy, TheMeanItself) {
  const auto mean = random_floats(padded(33) * kStride, -3, 3, 2);
  for_each_width([&]<class Real>() {
    auto action = floats(padded(33) * kActions);
    run<Real>(33, MeanActions{mean.data(), kStride, 0, kActions, kScaling, action.data()});
    for (Index i = 0; i < 33; ++i) {
      for (int a = 0; a < kActions; ++a) {
        const float wanted = std::clamp(kCentre[a] + kScale[a] * mean[i * kStride + a], kLow[a], kHigh[a]);
        EXPECT_NEAR(action[i * kActions + a], wanted, 5e-7f);
      }
    }
  });
}

TEST(Policy, ValuesInTheRewardsUnits) {
  const auto output = random_floats(padded(33) * kStride, -2, 2, 3);
  Control control{};
  control.values = {1, -7, 25};
  for_each_width([&]<class Real>() {
    auto value = floats(33);
    run<Real>(33, StoreValues{output.data(), kStride, 0, &control, value.data()});
    for (Index i = 0; i < 33; ++i) EXPECT_NEAR(value[i], -7 + 5 * output[i * kStride], 1e-5f);
  });
}

/// As several threads of a GPU share an environment, in any order.
TEST(Policy, PartsDrawWhatTheWholeDraws) {
  for (const int actions : {1, 2, 3, 8, 11}) {
    const auto n = static_cast<std::size_t>(actions);
    const auto mean = random_floats(3 * kStride, -1, 1, 1), log_std = random_floats(actions, -1, 1, 2);
    const std::vector<float> zero(n, 0.0f), one(n, 1.0f), low(n, -0.5f);
    const Control control{};
    const auto draw_all = [&](bool in_parts) {
      auto output = floats(3 * actions), action = output, kept = output, log_prob = floats(kMaxLanes);
      SampleActions kernel{nullptr,
                           0,
                           0,
                           log_std.data(),
                           actions,
                           7,
                           &control,
                           5,
                           {zero.data(), one.data(), low.data(), one.data()},
                           output.data(),
                           action.data(),
                           log_prob.data(),
                           kept.data()};
      kernel.reads(mean.data(), kStride, 0);
      for (Index env = 0; env < 3; ++env) {
        if (!in_parts) {
          kernel.operator()<float>(env);
          continue;
        }
        std::vector<float> terms(n, NAN);
        for (int part = kernel.parts(); part-- > 0;) kernel.part(env, part, terms.data());
        kernel.join(env, terms.data());
      }
      for (const auto* more : {&action, &kept, &log_prob}) output.insert(output.end(), more->begin(), more->end());
      return output;
    };
    EXPECT_EQ(draw_all(true), draw_all(false)) << actions << " actions";
  }
}

}  // namespace
}  // namespace stampede::testing
