/// \file Adam, the gradient's clip and the learning rate's schedules, against the formulas in double precision.

#include "kernels/adam.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

TEST(Adam, AgainstDouble) {
  constexpr int kSteps = 20;
  constexpr double kRate = 1e-3, kMaxNorm = 0.5;
  for (const Index n : kSizes) {
    const auto start = random_floats(n, -1, 1, 1);
    std::vector<double> p(start.begin(), start.end()), m(p.size(), 0.0), v(p.size(), 0.0);
    std::vector<std::vector<float>> gradients;
    std::vector<float> squared_norms;
    double beta1 = 1, beta2 = 1;
    for (int step = 0; step < kSteps; ++step) {
      // Some steps are clipped, some are not.
      gradients.push_back(random_floats(n, -1, 1, 2 + step));
      for (float& g : gradients.back()) g *= step % 2 == 0 ? 1e-4f : 1.0f;
      double square = 0;
      for (Index i = 0; i < n; ++i) square += std::pow(static_cast<double>(gradients.back()[i]), 2);
      squared_norms.push_back(static_cast<float>(square));
      const double norm = std::sqrt(square), scale = norm > kMaxNorm ? kMaxNorm / norm : 1.0;
      beta1 *= 0.9;
      beta2 *= 0.999;
      for (Index i = 0; i < n; ++i) {
        const double g = static_cast<double>(gradients.back()[i]) * scale;
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        p[i] -= kRate * (m[i] / (1 - beta1)) / (std::sqrt(v[i] / (1 - beta2)) + 1e-5);
      }
    }
    std::vector<float> scalar;
    for_each_width([&]<class Real>() {
      auto parameters = start;
      auto first = floats(n), second = floats(n);
      Control control{};
      control.learning_rate = static_cast<float>(kRate);
      control.beta1_power = control.beta2_power = 1.0f;
      const float columns[kLossColumns] = {};
      for (int step = 0; step < kSteps; ++step) {
        PrepareStep{&control, columns, &squared_norms[step], static_cast<float>(kMaxNorm), Schedule::kFixed, 0.01f}();
        run<Real>(n, AdamStep{parameters.data(), first.data(), second.data(), gradients[step].data(), &control});
      }
      Worst moved;
      for (Index i = 0; i < n; ++i) {
        const double from = static_cast<double>(start[i]);
        moved.take(static_cast<double>(parameters[i]) - from, p[i] - from, kRate);
      }
      // 1 - beta2 as a float is off by 1e-5; in the parameters, whose own rounding adds 20 * 6e-8, half of it remains.
      EXPECT_LE(moved.error, 1.5e-3);
      if (scalar.empty()) scalar = parameters;
      expect_as_scalar(parameters, scalar, n, 1e-6, 1.0);
    });
  }
}

TEST(Adam, NotesFiguresAndClips) {
  Control control{};
  control.beta1_power = control.beta2_power = 1.0f;
  const float columns[kLossColumns] = {1, 2, 3, 0.25f, 1.0f}, squared = 16.0f;
  PrepareStep{&control, columns, &squared, 1.0f, Schedule::kFixed, 0.01f}();
  EXPECT_EQ(control.gradient_scale, 0.25f);
  PrepareStep{&control, columns, &squared, 5.0f, Schedule::kFixed, 0.01f}();
  EXPECT_EQ(control.gradient_scale, 1.0f);
  EXPECT_EQ(control.minibatches, 2u);
  EXPECT_EQ(control.policy_loss, 2.0f);
  EXPECT_EQ(control.value_loss, 4.0f);
  EXPECT_EQ(control.kl, 6.0f);
  EXPECT_EQ(control.clip_fraction, 0.5f);
  EXPECT_EQ(control.gradient_norm, 8.0f);
  EXPECT_FLOAT_EQ(control.beta1_power, 0.81f);
  EXPECT_FLOAT_EQ(control.beta2_power, 0.998001f);
}

TEST(Adam, LearningRateFollowsTheDivergence) {
  const auto rate_after = [](float rate, float kl, float compared = 1.0f, std::uint32_t minibatches = 1) {
    Control control{};
    control.learning_rate = rate;
    control.minibatches = minibatches;
    const float columns[kLossColumns] = {0, 0, kl, 0, compared}, squared = 1.0f;
    PrepareStep{&control, columns, &squared, 1.0f, Schedule::kAdaptive, 0.01f}();
    return control.learning_rate;
  };
  EXPECT_FLOAT_EQ(rate_after(3e-4f, 0.021f), 2e-4f);
  EXPECT_FLOAT_EQ(rate_after(3e-4f, 0.004f), 4.5e-4f);
  EXPECT_EQ(rate_after(3e-4f, 0.019f), 3e-4f);
  EXPECT_EQ(rate_after(3e-4f, 0.006f), 3e-4f);
  EXPECT_EQ(rate_after(1.2e-5f, 1.0f), 1e-5f);
  EXPECT_EQ(rate_after(9e-3f, 0.0f), 1e-2f);
  // Where half the samples are images, the other half is what counts.
  EXPECT_FLOAT_EQ(rate_after(3e-4f, 0.011f, 0.5f), 2e-4f);
  EXPECT_EQ(rate_after(3e-4f, 0.009f, 0.5f), 3e-4f);
  // Nothing was compared: all are images, or no step was taken since the actions were drawn.
  EXPECT_EQ(rate_after(3e-4f, 0.0f, 0.0f), 3e-4f);
  EXPECT_EQ(rate_after(3e-4f, 0.0f, 1.0f, 0), 3e-4f);
  // Too far to be said in a float.
  EXPECT_FLOAT_EQ(rate_after(3e-4f, INFINITY), 2e-4f);
  EXPECT_FLOAT_EQ(rate_after(3e-4f, NAN), 2e-4f);
  // What was set outside these bounds never moves the wrong way.
  EXPECT_EQ(rate_after(5e-2f, 0.0f), 5e-2f);
  EXPECT_EQ(rate_after(1e-6f, 1.0f), 1e-6f);
}

TEST(Adam, SchedulesAtTheStartOfAnIteration) {
  const auto rate_at = [](std::uint32_t iteration, Schedule schedule) {
    Control control{};
    control.iteration = iteration;
    control.learning_rate = 7.0f;
    control.kl = 3.0f;
    control.minibatches = 3;
    BeginIteration{&control, schedule, 1e-3f, 100.0f}();
    EXPECT_EQ(control.kl, 0.0f);
    EXPECT_EQ(control.minibatches, 0u);
    return control.learning_rate;
  };
  EXPECT_EQ(rate_at(50, Schedule::kFixed), 1e-3f);
  EXPECT_EQ(rate_at(0, Schedule::kLinear), 1e-3f);
  EXPECT_FLOAT_EQ(rate_at(25, Schedule::kLinear), 7.5e-4f);
  EXPECT_EQ(rate_at(100, Schedule::kLinear), 0.0f);
  EXPECT_EQ(rate_at(101, Schedule::kLinear), 0.0f);
  EXPECT_EQ(rate_at(50, Schedule::kAdaptive), 7.0f);
}

}  // namespace
}  // namespace stampede::testing
