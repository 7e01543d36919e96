/// \file Advantages against the double sum that defines them, with random terminations and time-outs.

#include "kernels/returns.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

struct Rollout {
  Index envs, stride = padded(envs);
  int horizon;
  std::vector<float> reward, ended, value, final_value, delta;

  Rollout(Index envs_, int horizon_, double end_share, unsigned seed) : envs(envs_), horizon(horizon_) {
    const Index rows = horizon * stride;
    reward = random_floats(rows, -1, 1, seed);
    value = random_floats(rows + stride, -5, 5, seed + 1);
    final_value = random_floats(rows, -5, 5, seed + 2);
    ended = floats(rows);
    // Half of the steps violate nothing, some end it all, at real ends and time-outs too.
    delta = random_floats(rows, -1, 1.2f, seed + 4);
    for (float& d : delta) d = std::clamp(d, 0.0f, 1.0f);
    std::mt19937 generator(seed + 3);
    std::uniform_real_distribution<double> uniform(0, 1);
    for (float& e : ended) e = uniform(generator) < end_share ? (uniform(generator) < 0.5 ? 1.0f : 2.0f) : 0.0f;
    // What must not be read is poisoned.
    for (std::size_t i = 0; i < final_value.size(); ++i) {
      if (ended[i] == 0.0f) final_value[i] = NAN;
    }
  }

  /// A_t = sum_k (gamma lambda)^(k-t) prod_{j=t..k-1} (1 - delta_j) (1 - R_j) TD_k, as it stands; and the sum of its terms'
  /// sizes.
  double advantage(int t, Index env, float gamma, float lambda, bool use_values, bool soft, double& size) const {
    const auto g = static_cast<double>(gamma), l = static_cast<double>(lambda);
    double sum = 0;
    size = 0;
    for (int k = t; k < horizon; ++k) {
      double weight = std::pow(g * l, k - t);
      const auto goes_on = [&](int step) { return soft ? 1 - static_cast<double>(delta[step * stride + env]) : 1.0; };
      for (int j = t; j < k; ++j) weight *= ended[j * stride + env] == 0.0f ? goes_on(j) : 0;
      if (weight == 0) continue;
      const Index at = k * stride + env;
      double terms[3] = {goes_on(k) * static_cast<double>(reward[at]), 0, 0};
      if (use_values) {
        terms[1] = -static_cast<double>(value[at]);
        if (ended[at] == 0.0f) terms[2] = goes_on(k) * g * static_cast<double>(value[at + stride]);
        if (ended[at] == 2.0f) terms[2] = goes_on(k) * g * static_cast<double>(final_value[at]);
      }
      for (const double term : terms) {
        sum += weight * term;
        size += std::fabs(weight * term);
      }
    }
    return sum;
  }
};

struct Case {
  const char* name;
  float gamma, lambda;
  bool use_values, soft;
};
const Case kCases[] = {{"return", 0.99f, 1.0f, false, false},
                       {"return_baseline", 0.99f, 1.0f, true, false},
                       {"td", 0.9f, 0.0f, true, false},
                       {"gae", 0.99f, 0.95f, true, false},
                       {"gae, constraints", 0.99f, 0.95f, true, true},
                       {"return, constraints", 0.99f, 1.0f, false, true}};

TEST(Returns, AgainstTheDoubleSum) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    for (const Index envs : kSizes) {
      const int horizon = envs > 1000 ? 12 : 40;
      const Rollout r(envs, horizon, 0.08, 11);
      std::vector<double> want, sizes;
      double largest = 0;
      for (int t = 0; t < horizon; ++t) {
        for (Index e = 0; e < envs; ++e) {
          sizes.push_back(0);
          want.push_back(r.advantage(t, e, c.gamma, c.lambda, c.use_values, c.soft, sizes.back()));
          sizes.back() = std::max(sizes.back(), 1e-30);  // where a soft termination of 1 leaves nothing
          largest = std::max(largest, std::fabs(want.back()));
        }
      }
      std::vector<float> scalar;
      for_each_width([&]<class Real>() {
        auto advantage = floats(horizon * r.stride), returns = advantage;
        run<Real>(envs, Advantages{r.reward.data(), r.ended.data(), r.value.data(), r.final_value.data(),
                                   c.soft ? r.delta.data() : nullptr, advantage.data(), returns.data(), horizon,
                                   r.stride, c.gamma, c.lambda, c.use_values});
        Worst worst, of_largest;
        std::vector<float> got;
        for (int t = 0; t < horizon; ++t) {
          for (Index e = 0; e < envs; ++e) {
            const Index at = t * r.stride + e;
            const auto which = static_cast<std::size_t>(t * envs + e);
            const double a = want[which], v = c.use_values ? static_cast<double>(r.value[at]) : 0;
            // Relative to the size of what was summed: terms of either sign may cancel.
            worst.take(static_cast<double>(advantage[at]), a, sizes[which]);
            of_largest.take(static_cast<double>(advantage[at]), a, largest);
            worst.take(static_cast<double>(returns[at]), a + v, sizes[which] + std::fabs(v));
            got.push_back(advantage[at]);
          }
        }
        EXPECT_LE(worst.error, 1e-6);
        EXPECT_LE(of_largest.error, 1e-6);
        if (scalar.empty()) scalar = got;
        expect_as_scalar(got, scalar, static_cast<Index>(got.size()), 2e-6, 1.0);
      });
    }
  }
}

TEST(Returns, ATimeOutBootstrapsAndATerminationDoesNot) {
  for_each_width([]<class Real>() {
    auto reward = floats(2 * kMaxLanes, 1.0f), ended = floats(2 * kMaxLanes), value = floats(3 * kMaxLanes, 10.0f);
    const auto final_value = floats(2 * kMaxLanes, 100.0f);
    ended[0] = 1.0f;  // environment 0 ends at step 0, 1 times out there, 2 runs on
    ended[1] = 2.0f;
    for (int e = 0; e < kMaxLanes; ++e) value[kMaxLanes + e] = 20.0f;
    auto advantage = floats(2 * kMaxLanes), returns = advantage;
    run<Real>(kMaxLanes, Advantages{reward.data(), ended.data(), value.data(), final_value.data(), nullptr,
                                    advantage.data(), returns.data(), 2, kMaxLanes, 0.5f, 0.5f, true});
    EXPECT_EQ(advantage[0], 1.0f - 10.0f);
    EXPECT_EQ(advantage[1], 1.0f + 0.5f * 100.0f - 10.0f);
    EXPECT_EQ(advantage[2], 1.0f + 0.5f * 20.0f - 10.0f + 0.25f * (1.0f + 0.5f * 10.0f - 20.0f));
    EXPECT_EQ(returns[2], advantage[2] + 10.0f);
  });
}

/// With at most one time-out of an environment in so many steps, one row holds the final values of them all.
TEST(Returns, StepsMayShareARowOfFinalValues) {
  for (const int steps : {1, 3, 7, 40}) {
    SCOPED_TRACE(steps);
    constexpr int kHorizon = 24;
    Rollout r(33, kHorizon, 0, 17);
    auto shared = floats((kHorizon + steps - 1) / steps * r.stride, NAN);
    int time_outs = 0;
    for (Index e = 0; e < r.stride; ++e) {
      for (int t = static_cast<int>(e) % steps; t < kHorizon; t += steps) {
        const Index at = t * r.stride + e, row = t / steps * r.stride + e;
        const bool terminates = (e + t) % 5 == 0;
        r.ended[at] = terminates ? 1.0f : 2.0f;
        if (terminates) continue;
        r.final_value[at] = shared[row] = 0.1f * static_cast<float>(at % 97);
        ++time_outs;
      }
    }
    EXPECT_GT(time_outs, 20);
    for_each_width([&]<class Real>() {
      const auto compute = [&](const float* final_value, int final_steps) {
        auto advantage = floats(kHorizon * r.stride), returns = advantage;
        run<Real>(r.envs,
                  Advantages{r.reward.data(), r.ended.data(), r.value.data(), final_value, nullptr, advantage.data(),
                             returns.data(), kHorizon, r.stride, 0.99f, 0.95f, true, final_steps});
        return advantage;
      };
      const auto want = compute(r.final_value.data(), 1), got = compute(shared.data(), steps);
      EXPECT_EQ(got, want);
      for (const float a : got) EXPECT_TRUE(std::isfinite(a));
    });
  }
}

}  // namespace
}  // namespace stampede::testing
