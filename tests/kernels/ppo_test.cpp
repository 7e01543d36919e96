/// \file The losses and their gradients against finite differences in double precision; the order of samples.

#include "kernels/ppo.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

/// One minibatch: a rollout of which `order` picks rows, and networks' outputs for them.
struct Batch {
  Index samples;
  int actions;
  Index mean_stride = 16, critic_stride = 16;
  std::vector<std::uint32_t> order;
  std::vector<float> output, old_mean, old_log_std, log_prob, advantage, returns, value, mean, critic, log_std;
  Control control{};
  AdvantageScale advantage_scale{};
  double advantage_mean = 0, advantage_variance = 0;

  Batch(Index n, int actions_) : samples(n), actions(actions_) {
    std::mt19937 generator(static_cast<unsigned>(n));
    output = random_floats(n * actions, -2, 2, 1);
    old_mean = random_floats(n * actions, -1, 1, 10);
    old_log_std = random_floats(actions, -0.7f, 0.3f, 11);
    log_std = random_floats(actions, -0.7f, 0.3f, 2);
    advantage = random_floats(n, -2, 3, 4);
    returns = random_floats(n, -20, 40, 5);
    value = random_floats(n, -20, 40, 6);
    mean = random_floats(padded(n) * mean_stride, -1, 1, 7);
    critic = random_floats(padded(n) * critic_stride, -1.5f, 1.5f, 8);
    order.assign(static_cast<std::size_t>(padded(n)), 0u);
    for (Index i = 0; i < n; ++i) order[i] = static_cast<std::uint32_t>(i);
    std::shuffle(order.begin(), order.begin() + n, generator);
    control.values = {1.0f, 10.0f, 200.0f};
    // Old log-probabilities near the new ones, so that ratios lie on either side of the clip range.
    log_prob = random_floats(n, -0.5f, 0.5f, 9);
    std::vector<double> means(actions), stds(actions);
    for (Index i = 0; i < n; ++i) advantage_mean += static_cast<double>(advantage[i]) / static_cast<double>(n);
    for (Index i = 0; i < n; ++i) {
      advantage_variance += std::pow(static_cast<double>(advantage[i]) - advantage_mean, 2) / static_cast<double>(n);
    }
    float sums[2] = {};
    const float centre = 0.4f;
    for (Index i = 0; i < n; ++i) {
      read_policy(i, means.data(), stds.data());
      log_prob[order[i]] += static_cast<float>(log_density(i, means.data(), stds.data()));
      sums[0] += advantage[i] - centre;
      sums[1] += (advantage[i] - centre) * (advantage[i] - centre);
    }
    ScaleAdvantages{sums, &centre, static_cast<float>(n), &advantage_scale}();
  }

  void read_policy(Index i, double* means, double* stds) const {
    for (int a = 0; a < actions; ++a) {
      means[a] = static_cast<double>(mean[i * mean_stride + a]);
      stds[a] = static_cast<double>(log_std[a]);
    }
  }
  double log_density(Index i, const double* means, const double* log_stds) const {
    double sum = 0;
    for (int a = 0; a < actions; ++a) {
      const double z = (static_cast<double>(output[order[i] * actions + a]) - means[a]) / std::exp(log_stds[a]);
      sum -= 0.5 * z * z + log_stds[a] + 0.5 * std::log(2 * kPi);
    }
    return sum;
  }
};

struct Case {
  const char* name;
  Surrogate surrogate;
  bool clip_value, critic, normalise;
  int actions;
};
const Case kCases[] = {{"ppo", Surrogate::kClippedRatio, true, true, true, 2},
                       {"ppo, values not clipped, plain advantages", Surrogate::kClippedRatio, false, true, false, 1},
                       {"actor-critic", Surrogate::kLogProb, false, true, true, 5},
                       {"reinforce", Surrogate::kLogProb, false, false, false, 3}};
constexpr double kRange = 0.2, kValueCoefficient = 0.7;

struct Losses {
  double policy, value, clipped;
  double kink;  ///< how far the nearest point is at which the loss has no derivative

  double total() const { return policy + kValueCoefficient * value; }
};

/// KL(N(m', s') || N(m, s)) as its definition has it: the integral of p' log(p' / p), by the trapezoidal rule, which is exact to
/// rounding for functions that fade out at both ends.
double divergence_of(double old_mean, double old_log_std, double mean, double log_std) {
  const double sigma = std::exp(old_log_std);
  constexpr int kSteps = 100;
  constexpr double kReach = 12.0, kStep = 2 * kReach / kSteps;
  double integral = 0;
  for (int i = 0; i <= kSteps; ++i) {
    const double z = -kReach + i * kStep, away = (old_mean + sigma * z - mean) / std::exp(log_std);
    const double log_ratio = 0.5 * (away * away - z * z) + log_std - old_log_std;
    integral += std::exp(-0.5 * z * z) / std::sqrt(2 * kPi) * log_ratio * kStep;
  }
  return integral;
}

/// The losses of sample i, times the number of samples, in the networks' outputs.
Losses losses(const Batch& b, const Case& c, Index i, const double* means, const double* log_stds, double v) {
  const Index row = b.order[i];
  double advantage = static_cast<double>(b.advantage[row]);
  if (c.normalise) advantage = (advantage - b.advantage_mean) / std::sqrt(b.advantage_variance + 1e-8);
  const double log_prob = b.log_density(i, means, log_stds);
  const double log_ratio = log_prob - static_cast<double>(b.log_prob[row]), ratio = std::exp(log_ratio);
  Losses l{};
  l.kink = std::fabs(std::fabs(ratio - 1) - kRange);
  l.clipped = std::fabs(ratio - 1) > kRange;
  l.policy = c.surrogate == Surrogate::kLogProb
                 ? -advantage * log_prob
                 : -std::min(ratio * advantage, std::clamp(ratio, 1 - kRange, 1 + kRange) * advantage);
  if (c.critic) {
    const double centre = static_cast<double>(b.control.values.mean);
    const double deviation = std::sqrt(static_cast<double>(b.control.values.variance) + 1e-8);
    const double target = (static_cast<double>(b.returns[row]) - centre) / deviation;
    const double old = (static_cast<double>(b.value[row]) - centre) / deviation;
    l.value = 0.5 * (v - target) * (v - target);
    if (c.clip_value) {
      const double limited = old + std::clamp(v - old, -kRange, kRange) - target;
      l.kink = std::min(l.kink, std::fabs(std::fabs(v - old) - kRange));
      if (std::fabs(v - old) > kRange) l.kink = std::min(l.kink, std::fabs(0.5 * limited * limited - l.value));
      l.value = std::max(l.value, 0.5 * limited * limited);
    }
  }
  return l;
}

/// What the kernel is to write for every sample: gradients of means, log deviations and value, and the five figures.
struct Expected {
  std::vector<double> rows;
  std::vector<bool> smooth;
  int width;
};

Expected expected(const Batch& b, const Case& c) {
  Expected e;
  e.width = 2 * c.actions + 1 + kLossColumns;
  constexpr double kStep = 1e-5;
  std::vector<double> inputs(2 * c.actions + 1);
  for (Index i = 0; i < b.samples; ++i) {
    b.read_policy(i, inputs.data(), inputs.data() + c.actions);
    inputs.back() = static_cast<double>(b.critic[i * b.critic_stride]);
    const auto at = [&] { return losses(b, c, i, inputs.data(), inputs.data() + c.actions, inputs.back()); };
    for (double& x : inputs) {
      const double here = x;
      x = here + kStep;
      const double above = at().total();
      x = here - kStep;
      const double below = at().total();
      x = here;
      e.rows.push_back((above - below) / (2 * kStep));
    }
    const Losses l = at();
    double divergence = 0;
    for (int a = 0; a < c.actions; ++a) {
      divergence += divergence_of(static_cast<double>(b.old_mean[b.order[i] * c.actions + a]),
                                  static_cast<double>(b.old_log_std[a]), inputs[a], inputs[c.actions + a]);
    }
    e.rows.insert(e.rows.end(), {l.policy, l.value, divergence, l.clipped, 1.0});
    e.smooth.push_back(l.kink > 1e-3);
  }
  return e;
}

template <class Real>
std::vector<float> computed(const Batch& b, const Case& c, const MirrorView& mirror = {}) {
  auto mean_gradient = floats(padded(b.samples) * b.mean_stride), critic_gradient = mean_gradient;
  const Index stride = padded(b.samples);
  auto columns = floats((kLossColumns + c.actions) * stride);
  PpoLoss loss{};
  loss.order = b.order.data();
  loss.rows = b.samples;
  loss.actions = c.actions;
  loss.output = b.output.data();
  loss.old_mean = b.old_mean.data();
  loss.old_log_std = b.old_log_std.data();
  loss.log_prob = b.log_prob.data();
  loss.advantage = b.advantage.data();
  loss.returns = b.returns.data();
  loss.value = b.value.data();
  loss.mean = b.mean.data();
  loss.mean_gradient = mean_gradient.data();
  loss.mean_stride = b.mean_stride;
  loss.critic = c.critic ? b.critic.data() : nullptr;
  loss.critic_gradient = critic_gradient.data();
  loss.critic_stride = b.critic_stride;
  loss.log_std = b.log_std.data();
  loss.columns = columns.data();
  loss.column_stride = stride;
  loss.control = &b.control;
  loss.advantage_scale = c.normalise ? &b.advantage_scale : nullptr;
  loss.count = static_cast<float>(b.samples);
  loss.surrogate = c.surrogate;
  loss.clip_ratio = static_cast<float>(kRange);
  loss.value_coefficient = static_cast<float>(kValueCoefficient);
  loss.clip_value = c.clip_value;
  loss.mirror = mirror;
  run<Real>(b.samples, loss);
  std::vector<float> rows;
  for (Index i = 0; i < b.samples; ++i) {
    for (int a = 0; a < c.actions; ++a) rows.push_back(mean_gradient[i * b.mean_stride + a]);
    for (int a = 0; a < c.actions; ++a) rows.push_back(columns[(kLossColumns + a) * stride + i]);
    rows.push_back(critic_gradient[i * b.critic_stride]);
    for (int column = 0; column < kLossColumns; ++column) rows.push_back(columns[column * stride + i]);
  }
  for (Index i = b.samples; i < stride; ++i) {
    for (int column = 0; column < kLossColumns + c.actions; ++column) EXPECT_EQ(columns[column * stride + i], 0.0f);
  }
  return rows;
}

TEST(PpoLoss, AgainstFiniteDifferencesInDouble) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    for (const Index n : kSizes) {
      const Batch b(n, c.actions);
      const Expected e = expected(b, c);
      std::vector<float> scalar;
      for_each_width([&]<class Real>() {
        const std::vector<float> got = computed<Real>(b, c);
        Worst worst;
        Index smooth = 0;
        for (Index i = 0; i < n; ++i) {
          if (!e.smooth[i]) continue;
          ++smooth;
          for (int k = 0; k < e.width; ++k) {
            const auto at = static_cast<std::size_t>(i * e.width + k);
            worst.take(static_cast<double>(got[at]) * static_cast<double>(n), e.rows[at], 1.0);
          }
        }
        EXPECT_LE(worst.error, 2e-5);
        EXPECT_GE(smooth, n - n / 20 - 1) << "nearly all samples are compared";
        if (scalar.empty()) scalar = got;
        expect_as_scalar(got, scalar, static_cast<Index>(got.size()), 2e-5, 1.0 / static_cast<double>(n));
      });
    }
  }
}

/// The loss of mirrored samples is that of a rollout whose actions were exchanged beforehand.
TEST(PpoLoss, ActionsInTheMirror) {
  const Case& c = kCases[0];
  const Index n = 99;
  const Batch b(n, c.actions);
  std::vector<std::uint32_t> place;
  std::vector<float> sign;
  for (int a = 0; a < c.actions; ++a) {
    place.push_back(static_cast<std::uint32_t>(c.actions - 1 - a));
    sign.push_back(a % 2 == 0 ? -1.0f : 1.0f);
  }
  Control control{};
  control.iteration = 1;
  for (const std::uint32_t pass : {5u, 6u}) {  // of five to an iteration, the second iteration's first two
    Batch exchanged = b;
    for (Index row = pass == 5 ? 0 : 1; row < n; row += 2) {
      for (int a = 0; a < c.actions; ++a) {
        exchanged.output[row * c.actions + a] = sign[a] * b.output[row * c.actions + place[a]];
      }
    }
    for_each_width([&]<class Real>() {
      const std::vector<float> got = computed<Real>(b, c, {place.data(), sign.data(), {&control, pass - 5, 5}});
      std::vector<float> expected = computed<Real>(exchanged, c);
      EXPECT_NE(got, computed<Real>(b, c));
      // The divergence is that of the samples that are no images.
      const std::size_t width = expected.size() / static_cast<std::size_t>(n);
      for (Index i = 0; i < n; ++i) {
        if ((b.order[i] + pass) % 2 == 0) continue;
        float* const figures = &expected[static_cast<std::size_t>(i + 1) * width - kLossColumns];
        figures[kKl] = figures[kCompared] = 0.0f;
      }
      EXPECT_EQ(got, expected);
    });
  }
}

/// An action that has become likelier than a float can say still pushes the right way and leaves everything finite.
TEST(PpoLoss, ARatioThatOverflows) {
  Case c = kCases[0];
  c.normalise = false;
  Batch b(33, c.actions);
  for (Index row = 0; row < b.samples; ++row) b.log_prob[row] -= 500.0f;
  for (Index row = 0; row < b.samples; ++row) b.advantage[row] = row % 3 == 0 ? 0.0f : row % 3 == 1 ? 1.0f : -1.0f;
  for_each_width([&]<class Real>() {
    const std::vector<float> got = computed<Real>(b, c);
    const std::size_t width = got.size() / static_cast<std::size_t>(b.samples);
    for (Index i = 0; i < b.samples; ++i) {
      const float* row = &got[static_cast<std::size_t>(i) * width];
      for (std::size_t k = 0; k < width; ++k) EXPECT_TRUE(std::isfinite(row[k]) && std::fabs(row[k]) < 1e12f);
      const float advantage = b.advantage[b.order[i]];
      for (int a = 0; a < c.actions; ++a) {
        // Bad actions are made less likely: the mean goes away from them. Good ones are likely enough.
        const float away = b.mean[i * b.mean_stride + a] - b.output[b.order[i] * c.actions + a];
        if (advantage < 0) {
          EXPECT_LT(row[a] * away, -1e3f);
        } else {
          EXPECT_EQ(row[a], 0.0f);
        }
      }
    }
    // What is no number stays none: that is no ratio that overflows.
    Batch broken = b;
    broken.mean[0] = NAN;
    EXPECT_TRUE(std::isnan(computed<Real>(broken, c)[static_cast<std::size_t>(width - kLossColumns + kPolicyLoss)]));
  });
}

TEST(PpoLoss, BothSidesOfEveryKinkOccur) {
  // The comparison above says something only if these samples are there.
  const Batch b(4097, 2);
  const Case& c = kCases[0];
  int above = 0, below = 0, value_inside = 0, value_outside = 0;
  for (Index i = 0; i < b.samples; ++i) {
    double means[2], stds[2];
    b.read_policy(i, means, stds);
    const double v = static_cast<double>(b.critic[i * b.critic_stride]);
    const double old = (static_cast<double>(b.value[b.order[i]]) - 10.0) / std::sqrt(200.0);
    (losses(b, c, i, means, stds, v).clipped != 0 ? above : below) += 1;
    (std::fabs(v - old) < kRange ? value_inside : value_outside) += 1;
  }
  for (const int count : {above, below, value_inside, value_outside}) EXPECT_GT(count, 300);
}

TEST(PpoLoss, ShuffleVisitsEveryRealRowOnce) {
  for (const std::uint32_t envs : {1u, 15u, 16u, 33u, 4097u}) {
    const auto stride = static_cast<std::uint32_t>(padded(envs));
    const std::uint32_t horizon = 5, samples = envs * horizon;
    Control control{};
    control.iteration = 3;
    std::vector<std::uint32_t> scalar;
    for_each_width([&]<class Real>() {
      const auto shuffled = [&](std::uint32_t epoch) {
        std::vector<std::uint32_t> order(static_cast<std::size_t>(padded(samples)));
        run<Real>(padded(samples), Shuffle{order.data(), samples, envs, stride, 42, {&control, epoch, 4}});
        order.resize(samples);
        return order;
      };
      const auto order = shuffled(1);
      std::vector<int> seen(stride * horizon, 0);
      for (const std::uint32_t row : order) {
        ASSERT_LT(row, seen.size());
        seen[row] += 1;
      }
      int wrong = 0;
      for (std::uint32_t row = 0; row < seen.size(); ++row) wrong += seen[row] != (row % stride < envs ? 1 : 0);
      EXPECT_EQ(wrong, 0);
      if (scalar.empty()) scalar = order;
      EXPECT_TRUE(order == scalar) << "depends on the width";
      if (envs > 1) {
        EXPECT_FALSE(order == shuffled(2)) << "every epoch has its own order";
      }
    });
  }
}

TEST(PpoLoss, AdvantageMomentsOfTheChosenRows) {
  const Index n = 33;
  const Split split{11, 4, 3};  // windows of 3 samples: 2, 3, 3 and 3 of them
  const Index sizes[] = {6, 9, 9, 9}, begins[] = {0, 6, 15, 24};
  EXPECT_EQ(split.most(), 9);
  const auto advantage = random_floats(100, -1, 1, 1);
  std::vector<std::uint32_t> order(static_cast<std::size_t>(padded(n) + kMaxLanes));
  for (Index i = 0; i < n; ++i) order[i] = static_cast<std::uint32_t>(99 - 3 * i);
  for_each_width([&]<class Real>() {
    const float centre = 0.25f;
    const AdvantageMoments moments{advantage.data(), order.data(), &centre, split};
    for (int minibatch = 0; minibatch < 4; ++minibatch) {
      const Index size = sizes[minibatch], begin = begins[minibatch];
      ASSERT_EQ(split.begin(minibatch), begin);
      ASSERT_EQ(moments.elements(minibatch), size);
      for (Index i = 0; i < size; i += kLanes<Real>) {
        Array<Real, 2> out;
        moments(i, minibatch, out);
        for (int k = 0; k < kLanes<Real> && i + k < size; ++k) {
          const float x = advantage[99 - 3 * (begin + i + k)] - centre;
          EXPECT_EQ(lane(out[0], k), x);
          EXPECT_EQ(lane(out[1], k), x * x);
        }
      }
    }
  });
}

TEST(PpoLoss, GradientOfTheLogDeviations) {
  const float sums[kLossColumns + 3] = {9, 9, 9, 9, 9, 0.5f, -0.25f, 0.0f};
  float gradient[3];
  LogStdGradient{sums, gradient, 3, 0.01f}(0, 1);
  for (int a = 0; a < 3; ++a) EXPECT_FLOAT_EQ(gradient[a], sums[kLossColumns + a] - 0.01f);
}

}  // namespace
}  // namespace stampede::testing
