/// \file Distillation: who acts and what is labelled; the losses and their gradients against finite differences in
/// double precision; the rollouts that are kept.

#include "kernels/distillation.hpp"

#include <set>

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

constexpr int kActions = 3;
const float kCentre[kActions] = {0.5f, -1.0f, 0.0f}, kScale[kActions] = {2.0f, 0.25f, 1.0f},
            kLow[kActions] = {-1.0f, -2.0f, -0.5f}, kHigh[kActions] = {3.0f, 0.0f, 0.5f};
constexpr ActionScaling kScaling{kCentre, kScale, kLow, kHigh};

TEST(Distillation, TheTeachersShareFollowsItsSchedule) {
  const TeacherShare constant{0.75f, ShareSchedule::kConstant, 4}, first{0.75f, ShareSchedule::kFirst, 4},
      linear{0.75f, ShareSchedule::kLinear, 4};
  const float of_linear[] = {0.75f, 0.5625f, 0.375f, 0.1875f, 0.0f, 0.0f};
  for (std::uint32_t i = 0; i < 6; ++i) {
    EXPECT_EQ(constant.at(i), 0.75f);
    EXPECT_EQ(first.at(i), i == 0 ? 0.75f : 0.0f);
    EXPECT_EQ(linear.at(i), of_linear[i]);
  }
}

/// What MixActions made of random means.
struct Mixed {
  std::vector<float> student, teacher, label, action;
};

template <class Real>
Mixed mixed(Index n, float beta, float noise) {
  const Index stride = 16;
  Mixed m{random_floats(n * stride, -2, 2, 1), random_floats(n * stride, -2, 2, 2), floats(n * kActions),
          floats(n * kActions)};
  Control control{};
  control.clock = 7;
  m.student.resize(static_cast<std::size_t>(padded(n) * stride));
  m.teacher.resize(static_cast<std::size_t>(padded(n) * stride));
  m.label.resize(static_cast<std::size_t>(padded(n) * kActions));
  m.action.resize(static_cast<std::size_t>(padded(n) * kActions));
  run<Real>(n, MixActions{m.student.data(),
                          stride,
                          m.teacher.data(),
                          stride,
                          0,
                          kActions,
                          11,
                          &control,
                          2,
                          {beta, ShareSchedule::kConstant, 1},
                          noise,
                          kScaling,
                          m.label.data(),
                          m.action.data()});
  return m;
}

double applied(double u, int a) {
  return std::clamp(static_cast<double>(kCentre[a]) + static_cast<double>(kScale[a]) * u, static_cast<double>(kLow[a]),
                    static_cast<double>(kHigh[a]));
}

TEST(Distillation, TheTeacherLabelsEveryStepAndActsInItsShare) {
  for (const Index n : kSizes) {
    for (const float beta : {0.0f, 0.3f, 1.0f}) {
      SCOPED_TRACE(beta);
      for_each_width([&]<class Real>() {
        const Mixed m = mixed<Real>(n, beta, 0.0f);
        Index taught = 0;
        double worst = 0;
        for (Index e = 0; e < n; ++e) {
          const auto mean = [&](const std::vector<float>& of, int a) {
            return static_cast<double>(of[static_cast<std::size_t>(e * 16 + a)]);
          };
          // All actions of a step are one actor's.
          bool by_teacher = true, by_student = true;
          for (int a = 0; a < kActions; ++a) {
            const auto at = static_cast<std::size_t>(e * kActions + a);
            const double label =
                (applied(mean(m.teacher, a), a) - static_cast<double>(kCentre[a])) / static_cast<double>(kScale[a]);
            worst = std::max(worst, std::fabs(static_cast<double>(m.label[at]) - label));
            const double action = static_cast<double>(m.action[at]);
            by_teacher = by_teacher && std::fabs(action - applied(mean(m.teacher, a), a)) < 1e-5;
            by_student = by_student && std::fabs(action - applied(mean(m.student, a), a)) < 1e-5;
          }
          EXPECT_TRUE(by_teacher || by_student);
          taught += by_teacher ? 1 : 0;
        }
        EXPECT_LE(worst, 1e-5);
        const double share = static_cast<double>(taught) / static_cast<double>(n);
        if (beta == 0.0f || beta == 1.0f) {
          EXPECT_EQ(share, static_cast<double>(beta));
        }
        // Four standard deviations.
        if (n == 4097) {
          EXPECT_NEAR(share, static_cast<double>(beta), 4 * std::sqrt(0.25 / 4097));
        }
      });
    }
  }
}

TEST(Distillation, NoiseIsOnTheActionsNotOnTheLabels) {
  for_each_width([&]<class Real>() {
    const Index n = 4097;
    const Mixed plain = mixed<Real>(n, 1.0f, 0.0f), noisy = mixed<Real>(n, 1.0f, 0.1f);
    EXPECT_TRUE(same_bits(plain.label, noisy.label, n * kActions));
    double sum = 0, squares = 0, count = 0;
    for (Index e = 0; e < n; ++e) {
      for (int a = 0; a < kActions; ++a) {
        const auto at = static_cast<std::size_t>(e * kActions + a);
        const double u = static_cast<double>(plain.label[at]);
        if (applied(u - 0.5, a) == applied(u, a) || applied(u + 0.5, a) == applied(u, a)) continue;  // near a bound
        if (std::fabs(applied(u - 0.5, a) - applied(u + 0.5, a)) < static_cast<double>(kScale[a]) * 0.999) continue;
        const double moved = static_cast<double>(noisy.action[at] - plain.action[at]) / static_cast<double>(kScale[a]);
        sum += moved;
        squares += moved * moved;
        count += 1;
      }
    }
    ASSERT_GT(count, 1000);
    EXPECT_NEAR(sum / count, 0, 4 * 0.1 / std::sqrt(count));
    EXPECT_NEAR(std::sqrt(squares / count), 0.1, 4 * 0.1 / std::sqrt(2 * count));
  });
}

/// One minibatch of labels, and a network's outputs for the rows that `order` picks.
struct Batch {
  Index samples;
  Index mean_stride = 16;
  std::vector<std::uint32_t> order;
  std::vector<float> label, teacher_log_std, mean, log_std;

  explicit Batch(Index n)
      : samples(n),
        order(static_cast<std::size_t>(padded(n)), 0u),
        label(random_floats(n * kActions, -1.5f, 1.5f, 1)),
        teacher_log_std(random_floats(kActions, -1.0f, 0.5f, 2)),
        mean(random_floats(padded(n) * mean_stride, -1.5f, 1.5f, 3)),
        log_std(random_floats(kActions, -1.0f, 0.5f, 4)) {
    for (Index i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(n - 1 - i);
  }
};

constexpr double kHuber = 0.8;

/// The loss of one sample, for means and log standard deviations of the caller's.
double loss_of(const Batch& b, Imitation kind, Index i, const double* mean, const double* log_std) {
  double loss = 0;
  for (int a = 0; a < kActions; ++a) {
    const double e = mean[a] - static_cast<double>(b.label[b.order[static_cast<std::size_t>(i)] * kActions + a]);
    if (kind == Imitation::kSquared) loss += e * e;
    if (kind == Imitation::kHuber) {
      loss += std::fabs(e) <= kHuber ? 0.5 * e * e : kHuber * (std::fabs(e) - 0.5 * kHuber);
    }
    if (kind == Imitation::kDivergence) {
      const double t = static_cast<double>(b.teacher_log_std[static_cast<std::size_t>(a)]), s = log_std[a];
      loss += s - t + (std::exp(2 * t) + e * e) / (2 * std::exp(2 * s)) - 0.5;
    }
  }
  return loss;
}

TEST(Distillation, LossesAgainstFiniteDifferencesInDouble) {
  Control control{};
  for (const Imitation kind : {Imitation::kSquared, Imitation::kHuber, Imitation::kDivergence}) {
    SCOPED_TRACE(static_cast<int>(kind));
    for (const Index n : kSizes) {
      const Batch b(n);
      for_each_width([&]<class Real>() {
        const Index stride = padded(n);
        auto gradient = floats(stride * b.mean_stride), columns = floats((kLossColumns + kActions) * stride);
        run<Real>(n, ImitationLoss{b.order.data(),
                                   n,
                                   kActions,
                                   b.label.data(),
                                   b.teacher_log_std.data(),
                                   b.mean.data(),
                                   gradient.data(),
                                   b.mean_stride,
                                   b.log_std.data(),
                                   columns.data(),
                                   stride,
                                   static_cast<float>(n),
                                   kind,
                                   static_cast<float>(kHuber),
                                   &control,
                                   {0.25f, ShareSchedule::kConstant, 1}});
        Worst worst;
        double total_share = 0;
        for (Index i = 0; i < n; ++i) {
          double mean[kActions], log_std[kActions], error = 0;
          for (int a = 0; a < kActions; ++a) {
            mean[a] = static_cast<double>(b.mean[static_cast<std::size_t>(i * b.mean_stride + a)]);
            log_std[a] = static_cast<double>(b.log_std[static_cast<std::size_t>(a)]);
            error +=
                std::fabs(mean[a] - static_cast<double>(b.label[b.order[static_cast<std::size_t>(i)] * kActions + a]));
          }
          const auto count = static_cast<double>(n);
          const auto column = [&](int which) {
            return static_cast<double>(columns[static_cast<std::size_t>(which * stride + i)]) * count;
          };
          worst.take(column(kPolicyLoss), loss_of(b, kind, i, mean, log_std), 1.0);
          worst.take(column(kValueLoss), error / kActions, 1.0);
          EXPECT_EQ(column(kKl), 0.0);
          EXPECT_EQ(column(kCompared), 0.0);
          total_share += column(kClipped) / count;
          for (int a = 0; a < kActions; ++a) {
            const auto slope = [&](double* x) {
              const double h = 1e-6, at = *x;
              *x = at + h;
              const double up = loss_of(b, kind, i, mean, log_std);
              *x = at - h;
              const double down = loss_of(b, kind, i, mean, log_std);
              *x = at;
              return (up - down) / (2 * h);
            };
            worst.take(static_cast<double>(gradient[static_cast<std::size_t>(i * b.mean_stride + a)]) * count,
                       slope(&mean[a]), 1.0);
            worst.take(column(kLossColumns + a), slope(&log_std[a]), 1.0);
          }
        }
        EXPECT_LE(worst.error, 2e-5);
        EXPECT_NEAR(total_share, 0.25, 1e-4);
        for (Index i = n; i < stride; ++i) {
          for (int c = 0; c < kLossColumns + kActions; ++c) {
            EXPECT_EQ(columns[static_cast<std::size_t>(c * stride + i)], 0.0f) << "another tile's";
          }
        }
      });
    }
  }
}

TEST(Distillation, AuxiliaryLossesAgainstFiniteDifferencesInDouble) {
  constexpr int kColumns = 5;
  constexpr Index kOutputs = 16, kTargets = 32;
  constexpr float kWeight = 0.75f;
  for (const Index n : kSizes) {
    const auto output = random_floats(padded(n) * kOutputs, -1.5f, 1.5f, 1);
    const auto target = random_floats(n * kTargets, -1.5f, 1.5f, 2);
    std::vector<std::uint32_t> order(static_cast<std::size_t>(padded(n)), 0u);
    for (Index i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(n - 1 - i);
    for_each_width([&]<class Real>() {
      auto gradient = floats(padded(n) * kOutputs, 9.0f), loss = floats(padded(n), -1.0f);
      run<Real>(n, AuxiliaryLoss{order.data(), n, kColumns, kWeight, target.data() + 16, kTargets, output.data() + 3,
                                 gradient.data() + 3, kOutputs, loss.data(), static_cast<float>(n)});
      Worst worst;
      for (Index i = 0; i < n; ++i) {
        double x[kColumns];
        for (int c = 0; c < kColumns; ++c) x[c] = static_cast<double>(output[static_cast<std::size_t>(i * 16 + 3 + c)]);
        const auto loss_of_sample = [&] {
          double sum = 0;
          for (int c = 0; c < kColumns; ++c) {
            const Index row = order[static_cast<std::size_t>(i)];
            const double e = x[c] - static_cast<double>(target[static_cast<std::size_t>(row * kTargets + 16 + c)]);
            sum += e * e / kColumns;
          }
          return sum;
        };
        const auto count = static_cast<double>(n);
        worst.take(static_cast<double>(loss[static_cast<std::size_t>(i)]) * count, loss_of_sample(), 1.0);
        for (int c = 0; c < kColumns; ++c) {
          const double h = 1e-6, at = x[c];
          x[c] = at + h;
          const double up = loss_of_sample();
          x[c] = at - h;
          const double down = loss_of_sample();
          x[c] = at;
          worst.take(static_cast<double>(gradient[static_cast<std::size_t>(i * kOutputs + 3 + c)]) * count,
                     static_cast<double>(kWeight) * (up - down) / (2 * h), 1.0);
        }
        for (Index c = 0; c < kOutputs; ++c) {
          if (c >= 3 && c < 3 + kColumns) continue;
          EXPECT_EQ(gradient[static_cast<std::size_t>(i * kOutputs + c)], 9.0f) << "not the head's";
        }
      }
      EXPECT_LE(worst.error, 2e-5);
      for (Index i = n; i < padded(n); ++i) EXPECT_EQ(loss[static_cast<std::size_t>(i)], -1.0f) << "another tile's";
    });
  }
}

TEST(Distillation, AuxiliaryLossesAreMeansOverTheMinibatches) {
  float mean[3] = {7, 8, 9};
  for (const float step : {1.0f, 2.0f, 3.0f, 4.0f}) {
    const float sums[] = {step, 10 * step};
    MeanAuxiliaryLosses{sums, mean, 2, 0.25f, step == 1.0f}();
  }
  EXPECT_EQ(mean[0], 2.5f);
  EXPECT_EQ(mean[1], 25.0f);
  EXPECT_EQ(mean[2], 9.0f);
}

TEST(Distillation, AStudentThatIsItsTeacherDivergesByNothing) {
  Batch b(33);
  Control control{};
  b.log_std = b.teacher_log_std;
  for (Index i = 0; i < 33; ++i) {
    for (int a = 0; a < kActions; ++a) {
      b.mean[static_cast<std::size_t>(i * b.mean_stride + a)] =
          b.label[b.order[static_cast<std::size_t>(i)] * kActions + a];
    }
  }
  for_each_width([&]<class Real>() {
    const Index stride = padded(Index{33});
    auto gradient = floats(stride * b.mean_stride), columns = floats((kLossColumns + kActions) * stride);
    run<Real>(33, ImitationLoss{b.order.data(),
                                33,
                                kActions,
                                b.label.data(),
                                b.teacher_log_std.data(),
                                b.mean.data(),
                                gradient.data(),
                                b.mean_stride,
                                b.log_std.data(),
                                columns.data(),
                                stride,
                                33.0f,
                                Imitation::kDivergence,
                                1.0f,
                                &control,
                                {0, ShareSchedule::kConstant, 1}});
    for (Index i = 0; i < 33; ++i) EXPECT_NEAR(static_cast<double>(columns[static_cast<std::size_t>(i)]), 0, 1e-7);
    for (const float g : gradient) EXPECT_EQ(g, 0.0f);
  });
}

TEST(Distillation, RolloutsAreKeptInTurn) {
  for_each_width([&]<class Real>() {
    const Index size = 48;
    auto kept = floats(3 * size, -1.0f);
    Control control{};
    for (std::uint32_t i = 0; i < 5; ++i) {
      control.iteration = i;
      const auto rollout = floats(size, static_cast<float>(i));
      run<Real>(size, KeepRollout{rollout.data(), kept.data(), size, &control, 3});
    }
    for (Index at = 0; at < 3 * size; ++at) {
      const float last[] = {3, 4, 2};
      EXPECT_EQ(kept[static_cast<std::size_t>(at)], last[at / size]);
    }
  });
}

/// A pass takes as many rows as a rollout has, each at most once, from all rollouts that are filled and no other.
TEST(Distillation, APassDrawsFromAllRolloutsThatAreFilled) {
  const std::uint32_t envs = 33, stride = 48, horizon = 5, samples = envs * horizon, rollouts = 4;
  Control control{};
  for (const std::uint32_t iteration : {0u, 2u, 3u, 9u}) {
    control.iteration = iteration;
    const std::uint32_t filled = std::min(iteration + 1, rollouts);
    std::vector<std::uint32_t> scalar;
    for_each_width([&]<class Real>() {
      std::vector<std::uint32_t> order(static_cast<std::size_t>(padded(samples)));
      run<Real>(padded(samples), Shuffle{order.data(), samples, envs, stride, 42, {&control, 0, 1}, 0, rollouts});
      order.resize(samples);
      const std::set<std::uint32_t> different(order.begin(), order.end());
      EXPECT_EQ(different.size(), samples);
      std::set<std::uint32_t> from;
      for (const std::uint32_t row : order) {
        EXPECT_LT(row % stride, envs);
        from.insert(row / (stride * horizon));
      }
      EXPECT_EQ(from.size(), filled);
      EXPECT_EQ(*from.rbegin(), filled - 1);
      if (scalar.empty()) scalar = order;
      EXPECT_TRUE(order == scalar) << "depends on the width";
    });
  }
}

}  // namespace
}  // namespace stampede::testing
