/// \file Constraints as terminations against a straightforward implementation in double, step by step as the paper has it.

#include "kernels/constraints.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

struct Layer {
  int horizon = 7, columns = 19;  // more than a pack, and not a multiple of one
  Index envs, stride = padded(envs), violation_stride = odd_lines(stride), column_stride = padded(columns);
  float tau = 0.95f, min_p = 0.0f, rise_iterations = 50.0f;
  std::vector<ConstraintColumn> column;
  std::vector<int> begin = {0, 12, 13, 19};

  explicit Layer(Index environments) : envs(environments) {
    for (int i = 0; i < columns; ++i) {
      // Of one column the violations are more than the maximum follows at once.
      const float scale = i == 7 ? 1e-4f : 1.0f;
      column.push_back({i < 12 ? 0.25f : i == 12 ? 1.0f : 0.1f, i < 12 || i > 15 ? 1.0f : 0.0f, scale});
    }
  }
  std::size_t at(int t, int c, Index env) const {
    return static_cast<std::size_t>((t * columns + c) * violation_stride + env);
  }

  /// Two of three columns are satisfied most of the time, one is never violated, and one is above 0 by less than the floor.
  /// The last constraint does not apply to some, and the second to nobody in some steps.
  std::vector<float> violations(unsigned seed) const {
    std::vector<float> v = random_floats(horizon * columns * violation_stride, -1, 0.5f, seed);
    for (int t = 0; t < horizon; ++t) {
      for (Index env = 0; env < envs; ++env) {
        v[at(t, 3, env)] = -1.0f;
        v[at(t, 5, env)] = env == 0 ? 3e-7f : -1.0f;
        v[at(t, 12, env)] = t % 3 == 1 ? kNotApplied : v[at(t, 12, env)] > 0.3f ? 1.0f : 0.0f;
        for (int c = 13; c < 19 && (t + env) % 4 == 0; ++c) v[at(t, c, env)] = kNotApplied;
      }
    }
    return v;
  }
};

/// What one control step does, in doubles.
struct Reference {
  std::vector<double> m;
  bool first = true;

  double probability(const ConstraintColumn& column, double progress) const {
    const double p = static_cast<double>(column.p_max);
    return column.rises > 0.5f ? 1 / (20 + progress * (1 / p - 20)) : p;
  }
  /// delta of each environment; [env][column] as well.
  std::vector<double> step(const Layer& layer, const std::vector<float>& v, int t, double progress,
                           std::vector<std::vector<double>>& by_column) {
    std::vector<double> largest(static_cast<std::size_t>(layer.columns), -1e30);
    for (int c = 0; c < layer.columns; ++c) {
      for (Index env = 0; env < layer.envs; ++env) {
        largest[static_cast<std::size_t>(c)] =
            std::max(largest[static_cast<std::size_t>(c)], static_cast<double>(v[layer.at(t, c, env)]));
      }
      const double before = first ? 0 : m[static_cast<std::size_t>(c)];
      const double scale = static_cast<double>(layer.column[static_cast<std::size_t>(c)].scale);
      largest[static_cast<std::size_t>(c)] =
          std::max(std::min(largest[static_cast<std::size_t>(c)], 100 * std::max(before, scale)), 1e-6);
    }
    const double tau = static_cast<double>(layer.tau);
    for (std::size_t c = 0; c < largest.size(); ++c) {
      if (first)
        m.push_back(largest[c]);
      else
        m[c] = tau * m[c] + (1 - tau) * largest[c];
    }
    first = false;
    std::vector<double> delta;
    by_column.clear();
    for (Index env = 0; env < layer.envs; ++env) {
      std::vector<double> row;
      for (int c = 0; c < layer.columns; ++c) {
        const double violation = static_cast<double>(v[layer.at(t, c, env)]);
        const double p = probability(layer.column[static_cast<std::size_t>(c)], progress);
        const double min_p = static_cast<double>(layer.min_p);
        const double share = std::clamp(violation / m[static_cast<std::size_t>(c)], 0.0, 1.0);
        row.push_back(violation > 0 ? min_p + share * (p - min_p) : 0);
      }
      delta.push_back(*std::max_element(row.begin(), row.end()));
      by_column.push_back(std::move(row));
    }
    return delta;
  }
};

TEST(Constraints, AgainstTheStraightforwardLayerInDouble) {
  for (const Index envs : {Index{1}, Index{16}, Index{37}, Index{200}}) {
    for (const float min_p : {0.0f, 0.05f}) {
      Layer layer(envs);
      layer.min_p = min_p;
      std::vector<float> scalar;
      for_each_width([&]<class Real>() {
        Reference reference;
        auto running = floats(layer.column_stride), scale = running;
        for (std::size_t c = 0; c < layer.column.size(); ++c) scale[c] = layer.column[c].scale;
        std::vector<float> all;
        // Three rollouts: before, in the middle of and after the rise.
        for (const std::uint32_t iteration : {0u, 25u, 80u}) {
          const auto v = layer.violations(iteration + 3);
          Control control{};
          control.iteration = iteration;
          auto largest = floats(layer.horizon * layer.column_stride), inverse = largest;
          auto probability = floats(layer.column_stride);
          for (int t = 0; t < layer.horizon; ++t) {
            for (int c = 0; c < layer.columns; ++c) {
              const float* row = v.data() + layer.at(t, c, 0);
              largest[static_cast<std::size_t>(t * layer.column_stride + c)] = *std::max_element(row, row + envs);
            }
          }
          run<Real>(layer.column_stride,
                    ScaleViolations{largest.data(), layer.column.data(), scale.data(), running.data(), inverse.data(),
                                    probability.data(), &control, layer.horizon, layer.columns, layer.column_stride,
                                    layer.tau, layer.rise_iterations});
          auto delta = floats(layer.horizon * layer.stride);
          const SoftTerminations soft{v.data(),      inverse.data(), probability.data(),     delta.data(),
                                      layer.columns, layer.stride,   layer.violation_stride, layer.column_stride,
                                      layer.min_p};
          run<Real>(layer.horizon * layer.stride, soft);
          Worst worst;
          std::vector<double> totals(3 * kConstraintTotals, 0.0);
          for (int t = 0; t < layer.horizon; ++t) {
            std::vector<std::vector<double>> columns;
            const auto want = reference.step(layer, v, t, std::min(1.0, iteration / 50.0), columns);
            for (Index env = 0; env < envs; ++env) {
              const float got = delta[static_cast<std::size_t>(t * layer.stride + env)];
              worst.take(static_cast<double>(got), want[static_cast<std::size_t>(env)], 1.0);
              all.push_back(got);
              for (std::size_t k = 0; k < 3; ++k) {
                double most = 0, hardest = 0;
                bool applies = false;
                for (int c = layer.begin[k]; c < layer.begin[k + 1]; ++c) {
                  most = std::max(most, static_cast<double>(v[layer.at(t, c, env)]));
                  applies |= v[layer.at(t, c, env)] != kNotApplied;
                  hardest = std::max(hardest, columns[static_cast<std::size_t>(env)][static_cast<std::size_t>(c)]);
                }
                totals[4 * k] += most > 0 ? 1 : 0;
                totals[4 * k + 1] += most;
                totals[4 * k + 2] += hardest;
                totals[4 * k + 3] += applies;
              }
            }
          }
          EXPECT_LE(worst.error, 1e-6) << envs << " environments, iteration " << iteration;

          // What is reported of each constraint.
          const ConstraintTotals kernel{soft, layer.begin.data(), envs};
          for (int k = 0; k < 3; ++k) {
            std::vector<double> got(kConstraintTotals, 0.0);
            for (Index i = 0; i < layer.horizon * layer.stride; i += kLanes<Real>) {
              Array<Real, kConstraintTotals> out;
              kernel.template operator()<Real>(i, k, out);
              for (int j = 0; j < kConstraintTotals; ++j) {
                float lanes[kMaxLanes];
                store(lanes, out[j]);
                for (int lane = 0; lane < kLanes<Real>; ++lane)
                  got[static_cast<std::size_t>(j)] += static_cast<double>(lanes[lane]);
              }
            }
            for (std::size_t j = 0; j < 4; ++j) {
              const double want = totals[static_cast<std::size_t>(4 * k) + j];
              EXPECT_NEAR(got[j], want, 1e-5 * std::max(1.0, want)) << "constraint " << k << ", figure " << j;
            }
          }
        }
        if (scalar.empty()) scalar = all;
        expect_as_scalar(all, scalar, static_cast<Index>(all.size()), 2e-6, 1.0);
      });
    }
  }
}

TEST(Constraints, TheFirstStepSetsTheMaximumAndTheFloorHolds) {
  for_each_width([]<class Real>() {
    auto largest = floats(2 * kMaxLanes), inverse = largest, running = floats(kMaxLanes), probability = running;
    largest[0] = 4.0f, largest[kMaxLanes] = 2.0f;        // falls slowly
    largest[1] = -3.0f, largest[kMaxLanes + 1] = -3.0f;  // never violated
    const ConstraintColumn columns[2] = {{0.25f, 1.0f, 1.0f}, {1.0f, 0.0f, 1.0f}};
    const std::vector<float> scale(kMaxLanes, 1.0f);
    Control control{};
    run<Real>(kMaxLanes, ScaleViolations{largest.data(), columns, scale.data(), running.data(), inverse.data(),
                                         probability.data(), &control, 2, 2, kMaxLanes, 0.5f, 10.0f});
    EXPECT_EQ(inverse[0], 0.25f);
    EXPECT_EQ(running[0], 3.0f);
    EXPECT_FLOAT_EQ(running[1], 1e-6f);
    EXPECT_FLOAT_EQ(probability[0], 0.05f);
    EXPECT_EQ(probability[1], 1.0f);
  });
}

/// Violations of 2 each step; in the third of a hundred steps one environment's is absurd. For the others the constraint
/// must not be off: what is not finite leaves the maximum where it was, what is finite is forgotten within a rollout or two.
TEST(Constraints, OneAbsurdViolationDoesNotSwitchAConstraintOff) {
  for_each_width([]<class Real>() {
    constexpr int kSteps = 100;
    const float absurd[5] = {std::nanf(""), HUGE_VALF, -HUGE_VALF, 1e30f, 1e9f};
    auto largest = floats(kSteps * kMaxLanes), inverse = largest, running = floats(kMaxLanes), probability = running;
    std::fill(largest.begin(), largest.end(), 2.0f);
    for (std::size_t i = 0; i < 5; ++i) largest[2 * kMaxLanes + i] = absurd[i];
    const std::vector<ConstraintColumn> columns(5, {0.25f, 0.0f, 1.0f});
    const std::vector<float> scale(kMaxLanes, 1.0f);
    Control control{};
    run<Real>(kMaxLanes, ScaleViolations{largest.data(), columns.data(), scale.data(), running.data(), inverse.data(),
                                         probability.data(), &control, kSteps, 5, kMaxLanes, 0.95f, 10.0f});
    for (std::size_t i = 0; i < 5; ++i) {
      float most = 0;
      for (int t = 0; t < kSteps; ++t) {
        const float m = 1 / inverse[static_cast<std::size_t>(t) * kMaxLanes + i];
        ASSERT_TRUE(std::isfinite(m)) << "column " << i << ", step " << t;
        most = std::max(most, m);
      }
      EXPECT_LE(most, i < 3 ? 2.0f : 12.0f) << absurd[i];
      EXPECT_LE(1 / inverse[50 * kMaxLanes + i], 3.0f) << absurd[i];
      EXPECT_NEAR(running[i], 2.0f, 0.1f) << absurd[i];
    }
  });
}

TEST(Constraints, TheExpectedTimeToTerminationFallsEvenly) {
  for (const float progress : {0.0f, 0.25f, 0.5f, 1.0f}) {
    EXPECT_NEAR(1 / termination_probability(0.25f, true, progress), 20 + progress * (4 - 20), 1e-4);
    EXPECT_EQ(termination_probability(0.25f, false, progress), 0.25f);
    EXPECT_EQ(termination_probability(0.0f, true, progress), 0.0f)
        << "the time to termination is infinite from the start";
  }
}

}  // namespace
}  // namespace stampede::testing
