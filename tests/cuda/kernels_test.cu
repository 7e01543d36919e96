/// \file Kernels on the GPU against the same kernels on the host: random numbers, mathematics, environments, learning.
#include <algorithm>
#include <limits>

#include "envs/tasks.hpp"
#include "host/learn/report.hpp"
#include "host/simulate/environments.hpp"
#include "kernels/adam.hpp"
#include "kernels/constraints.hpp"
#include "kernels/returns.hpp"
#include "tests/cuda/testing.cuh"

namespace stampede::testing {
namespace {

/// GPU code contracts a * b + c; in the parity build it does not.
#ifdef STAMPEDE_PARITY
constexpr bool kParity = true;
#else
constexpr bool kParity = false;
#endif

class Kernels : public GpuTest {};

/// Bits, uniform and normal numbers: row [what][element].
struct DrawNumbers {
  std::uint64_t seed;
  std::uint32_t* bits;
  float* uniform;
  float* normal;
  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    Random<Real> random(seed, lane_indices<Real>(first), 77, Purpose::kAction);
    for (int i = 0; i < 9; ++i) store(bits + 9 * first + i, random.bits());
    store(uniform + first, random.uniform());
    Real a, b;
    random.normal_pair(a, b);
    store(normal + first, a + Real(2.0f) * b);
  }
};

TEST_F(Kernels, RandomNumbersAreThoseOfTheHost) {
  for (const Index n : kSizes) {
    const auto draw = [&](auto&& place, std::vector<float>& uniform, std::vector<float>& normal) {
      auto bits = place.array(std::vector<std::uint32_t>(static_cast<std::size_t>(9 * n)));
      auto u = place.array(zeros(n)), z = place.array(zeros(n));
      place.launch(n, DrawNumbers{0xfedcba9876543210u, bits.data(), u.data(), z.data()});
      uniform = place.read(u, n);
      normal = place.read(z, n);
      return place.read(bits, 9 * n);
    };
    std::vector<float> got_uniform, got_normal, uniform, normal;
    EXPECT_TRUE(same_bits(draw(DevicePlace(backend()), got_uniform, got_normal), draw(HostPlace(), uniform, normal)));
    EXPECT_TRUE(same_bits(got_uniform, uniform));
    EXPECT_TRUE(kParity ? same_bits(got_normal, normal) : close(got_normal, normal, 1e-5));
  }
}

/// All elementary functions at one x.
struct Functions {
  const float* x;
  float* out;  ///< [element][7]
  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Real v = load<Real>(x + first);
    Real sine, cosine;
    sincos(v, sine, cosine);
    const Real values[7] = {sine, cosine, exp(v), exp_nonpositive(-abs(v)), log(abs(v)), tanh(v), sqrt(abs(v))};
    for (int i = 0; i < 7; ++i) store_strided(out + 7 * first + i, 7, values[i]);
  }
};

TEST_F(Kernels, ElementaryFunctionsAreThoseOfTheHost) {
  std::vector<float> x = random_floats(4097, -30.0f, 30.0f, 3);
  for (const float special : {0.0f, 1.0f, -1.0f, 100.0f, -100.0f, 1e-20f}) x.push_back(special);
  const Index n = static_cast<Index>(x.size());
  const auto evaluate = [&](auto&& place) {
    auto in = place.array(x), out = place.array(zeros(7 * n));
    place.launch(n, Functions{in.data(), out.data()});
    return place.read(out, 7 * n);
  };
  const std::vector<float> got = evaluate(DevicePlace(backend())), want = evaluate(HostPlace());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!std::isfinite(want[i])) {
      EXPECT_EQ(got[i], want[i]) << "function " << i % 7 << " of " << x[i / 7];
    } else {
      EXPECT_LE(std::fabs(got[i] - want[i]), 2e-6f * std::fmax(std::fabs(want[i]), 0.1f))
          << "function " << i % 7 << " of " << x[i / 7];
    }
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  DevicePlace place(backend());
  DeviceBuffer<float> in = place.array(std::vector<float>{nan}), out(7);
  place.launch(1, Functions{in.data(), out.data()});
  for (const float y : place.read(out, 7)) EXPECT_TRUE(std::isnan(y));
}

// ---------------------------------------------------------------------------------------------- environments

/// What a step reports of all environments, one after the other.
struct Step {
  std::vector<float> state, reward, ended, observation, final_observation, last_observation;
};

template <class Task>
void check_task(CudaBackend& backend) {
  SCOPED_TRACE(Task::kName);
  constexpr Index kEnvs = 33, kObservations = Task::kObservations, kActions = Task::kActions;
  const Index stride = padded(kEnvs), size = EnvironmentView::arrays(kStates<Task>) * stride;
  const typename Task::Parameters parameters{};
  Array<float, Task::kActions> low, high;
  Task::action_bounds(parameters, low, high);

  const auto reset = [&](auto&& place) {
    auto state = place.array(zeros(size)), observation = place.array(zeros(stride * kObservations));
    auto counts = place.array(std::vector<std::uint32_t>(static_cast<std::size_t>(kEnvironmentCounts * stride)));
    const EnvironmentView view = EnvironmentView::over(state.data(), counts.data(), kStates<Task>, stride);
    place.launch(stride, ResetEnvironments<Task>{parameters, view, 5, true, observation.data()});
    return Step{place.read(state, size), {}, {}, place.read(observation, stride * kObservations), {}, {}};
  };
  const Step start = reset(HostPlace());
  EXPECT_TRUE(close(reset(DevicePlace(backend)).observation, start.observation, 1e-5));

  std::vector<float> state = start.state;
  int ends = 0;
  for (std::uint32_t step = 0; step < 200; ++step) {
    std::vector<float> action = random_floats(stride * kActions, -1.2f, 1.2f, step);
    for (std::size_t i = 0; i < action.size(); ++i) action[i] *= high[static_cast<int>(i % kActions)];
    const auto take = [&](auto&& place) {
      auto buffer = place.array(state), actions = place.array(action);
      auto counts = place.array(std::vector<std::uint32_t>(static_cast<std::size_t>(kEnvironmentCounts * stride)));
      auto clock = place.array(std::vector<std::uint32_t>{1000});
      auto reward = place.array(zeros(stride)), ended = place.array(zeros(stride));
      auto observation = place.array(zeros(stride * kObservations)), last = place.array(zeros(stride * kObservations));
      auto kept = place.array(zeros(stride * kObservations));
      place.launch(stride,
                   StepEnvironments<Task>{parameters,
                                          EnvironmentView::over(buffer.data(), counts.data(), kStates<Task>, stride),
                                          5,
                                          clock.data(),
                                          step,
                                          actions.data(),
                                          {.reward = reward.data(),
                                           .ended = ended.data(),
                                           .observation = observation.data(),
                                           .final_observation = last.data(),
                                           .last_observation = kept.data()}});
      return Step{place.read(buffer, size),
                  place.read(reward, stride),
                  place.read(ended, stride),
                  place.read(observation, stride * kObservations),
                  place.read(last, stride * kObservations),
                  place.read(kept, stride * kObservations)};
    };
    // The host's state is where both set out from: the motions are chaotic.
    const Step got = take(DevicePlace(backend)), want = take(HostPlace());
    ASSERT_TRUE(close(got.reward, want.reward, 2e-5)) << step;
    ASSERT_TRUE(same_bits(got.ended, want.ended)) << step;
    ASSERT_TRUE(close(got.observation, want.observation, 1e-4)) << step;
    ASSERT_TRUE(close(got.final_observation, want.final_observation, 1e-4)) << step;
    for (std::size_t i = 0; i < got.last_observation.size(); ++i) {
      const bool kept = got.ended[i / kObservations] == kTimedOut;
      ASSERT_EQ(got.last_observation[i], kept ? got.final_observation[i] : 0.0f) << step;
    }
    for (const float e : want.ended) ends += e != kRunning;
    state = want.state;
  }
  EXPECT_GT(ends, 0);
}

TEST_F(Kernels, EnvironmentsMoveAsOnTheHost) {
  BuiltInTasks::for_each([&]<class Task>(Task) { check_task<Task>(backend()); });
}

TEST_F(Kernels, NonFiniteStatesAreCaughtAndReset) {
  using Task = Pendulum;
  constexpr Index kStride = 16;
  const Index size = EnvironmentView::arrays(kStates<Task>) * kStride;
  std::vector<float> state = zeros(size);
  state[3] = std::numeric_limits<float>::infinity();
  DevicePlace place(backend());
  DeviceBuffer<float> buffer = place.array(state), action(kStride), reward(kStride), ended(kStride);
  DeviceBuffer<float> observation(3 * kStride), last(3 * kStride);
  const DeviceBuffer<std::uint32_t> clock(1);
  DeviceBuffer<std::uint32_t> counts(kEnvironmentCounts * kStride);
  const EnvironmentView view = EnvironmentView::over(buffer.data(), counts.data(), kStates<Task>, kStride);
  place.launch(
      kStride,
      StepEnvironments<Task>{
          {}, view, 1, clock.data(), 0, action.data(), {reward.data(), ended.data(), observation.data(), last.data()}});
  const std::vector<float> after = place.read(buffer, size);
  const std::vector<std::uint32_t> counted = place.read(counts, kEnvironmentCounts * kStride);
  for (std::size_t env = 0; env < kStride; ++env) {
    EXPECT_EQ(counted[kNonfinite * kStride + env], env == 3 ? 1u : 0u) << env;
    EXPECT_TRUE(std::isfinite(after[env])) << env;
    EXPECT_EQ(place.read(ended, kStride)[env], env == 3 ? kTerminated : kRunning) << env;
  }
}

// ---------------------------------------------------------------------------------------------- learning

TEST_F(Kernels, AdvantagesAreThoseOfTheHost) {
  constexpr int kHorizon = 24;
  for (const Index n : kSizes) {
    const Index stride = padded(n), rows = kHorizon * stride;
    std::vector<float> ended = random_floats(rows, 0.0f, 10.0f, 1);
    for (float& e : ended) e = e < 1.0f ? kTerminated : e < 2.0f ? kTimedOut : kRunning;
    const auto compute = [&](auto&& place, int final_steps) {
      auto reward = place.array(random_floats(rows, -1, 1, 2)), end = place.array(ended);
      auto value = place.array(random_floats(rows + stride, -5, 5, 3)),
           last = place.array(random_floats(rows, -5, 5, 4));
      auto advantage = place.array(zeros(rows)), returns = place.array(zeros(rows));
      place.launch(n, Advantages{reward.data(), end.data(), value.data(), last.data(), nullptr, advantage.data(),
                                 returns.data(), kHorizon, stride, 0.99f, 0.95f, true, final_steps});
      return joined(place.read(advantage, rows), place.read(returns, rows));
    };
    for (const int steps : {1, 5}) {
      EXPECT_TRUE(close(compute(DevicePlace(backend()), steps), compute(HostPlace(), steps), 1e-5)) << n;
    }
  }
}

TEST_F(Kernels, PpoLossIsThatOfTheHost) {
  constexpr int kActions = 3;
  constexpr Index kMeanStride = 4, kRollout = 5000;
  for (const Index n : kSizes) {
    for (const bool clipped : {true, false}) {
      std::vector<std::uint32_t> rows(static_cast<std::size_t>(n));
      std::mt19937 generator(5);
      for (std::uint32_t& row : rows) row = generator() % kRollout;
      const Index columns = kLossColumns + kActions, stride = padded(n);
      const auto compute = [&](auto&& place) {
        Control start{};
        start.values = {100.0f, 0.5f, 4.0f};
        auto order = place.array(rows);
        auto control = place.array(std::vector<Control>{start});
        auto output = place.array(random_floats(kRollout * kActions, -2, 2, 6));
        auto old_mean = place.array(random_floats(kRollout * kActions, -1, 1, 13));
        auto old_log_std = place.array(std::vector<float>{-0.4f, 0.1f, 0.2f});
        auto log_prob = place.array(random_floats(kRollout, -5, -2, 7));
        auto advantage = place.array(random_floats(kRollout, -3, 3, 8));
        auto returns = place.array(random_floats(kRollout, -5, 5, 9)),
             value = place.array(random_floats(kRollout, -5, 5, 10));
        auto mean = place.array(random_floats(n * kMeanStride, -1, 1, 11)),
             critic = place.array(random_floats(n * 4, -1, 1, 12));
        auto mean_gradient = place.array(zeros(n * kMeanStride)), critic_gradient = place.array(zeros(n * 4));
        auto log_std = place.array(std::vector<float>{-0.5f, 0.0f, 0.3f});
        auto out = place.array(zeros(columns * stride));
        auto scale = place.array(std::vector<AdvantageScale>{{0.5f, 0.1f, 0.7f}});
        PpoLoss loss{};
        loss.order = order.data();
        loss.rows = n;
        loss.actions = kActions;
        loss.output = output.data();
        loss.old_mean = old_mean.data();
        loss.old_log_std = old_log_std.data();
        loss.log_prob = log_prob.data();
        loss.advantage = advantage.data();
        loss.returns = returns.data();
        loss.value = value.data();
        loss.mean = mean.data();
        loss.mean_gradient = mean_gradient.data();
        loss.mean_stride = kMeanStride;
        loss.critic = critic.data();
        loss.critic_gradient = critic_gradient.data();
        loss.critic_stride = 4;
        loss.log_std = log_std.data();
        loss.columns = out.data();
        loss.column_stride = stride;
        loss.control = control.data();
        loss.advantage_scale = scale.data();
        loss.count = 1.0f;  // weights of 1, so that the tolerance means something
        loss.surrogate = clipped ? Surrogate::kClippedRatio : Surrogate::kLogProb;
        loss.clip_ratio = 0.2f;
        loss.value_coefficient = 0.5f;
        loss.clip_value = clipped;
        place.launch(n, loss);
        return joined(joined(place.read(out, columns * stride), place.read(mean_gradient, n * kMeanStride)),
                      place.read(critic_gradient, n * 4));
      };
      // A branch at a clip's edge may go either way; none of these values lies so close to one.
      EXPECT_TRUE(close(compute(DevicePlace(backend())), compute(HostPlace()), 1e-4, 0.1))
          << n << (clipped ? " clipped" : "");
    }
  }
}

TEST_F(Kernels, AdamStepsAreThoseOfTheHost) {
  for (const Index n : kSizes) {
    const auto compute = [&](auto&& place) {
      Control start{};
      start.learning_rate = 1e-3f;
      start.beta1_power = start.beta2_power = 1.0f;
      auto control = place.array(std::vector<Control>{start});
      auto parameters = place.array(random_floats(n, -1, 1, 1)), gradient = place.array(random_floats(n, -1, 1, 2));
      auto first = place.array(zeros(n)), second = place.array(zeros(n));
      auto sums = place.array(std::vector<float>(kLossColumns, 0.001f)), norm = place.array(std::vector<float>{9.0f});
      for (int step = 0; step < 10; ++step) {
        place.launch_single(PrepareStep{control.data(), sums.data(), norm.data(), 1.0f, Schedule::kAdaptive, 0.01f});
        place.launch(n, AdamStep{parameters.data(), first.data(), second.data(), gradient.data(), control.data()});
      }
      return place.read(parameters, n);
    };
    EXPECT_TRUE(close(compute(DevicePlace(backend())), compute(HostPlace()), 1e-5)) << n;
  }
}

/// Kernels whose work a warp shares: fewer numbers than lanes, and more.
TEST_F(Kernels, WhatAWarpDoesIsWhatOneLaneDoesOnTheHost) {
  for (const int n : {1, 5, 31, 33, 200}) {
    const auto rescale = [&](auto&& place) {
      Control start{};
      start.values = {50.0f, 0.5f, 4.0f};
      auto control = place.array(std::vector<Control>{start});
      auto centre = place.array(std::vector<float>{0.7f}), sums = place.array(std::vector<float>{3.0f, 90.0f});
      auto weight = place.array(random_floats(n, -1, 1, 3)), bias = place.array(std::vector<float>{0.3f});
      place.launch_single(
          MergeReturnMoments{control.data(), centre.data(), sums.data(), 20.0f, weight.data(), bias.data(), n});
      const Moments after = place.read(control, 1).front().values;
      return joined(joined(place.read(weight, n), place.read(bias, 1)), {after.count, after.mean, after.variance});
    };
    EXPECT_TRUE(close(rescale(DevicePlace(backend())), rescale(HostPlace()), 1e-6)) << n;
    const auto gradient = [&](auto&& place) {
      auto sums = place.array(random_floats(kLossColumns + n, -1, 1, 4)), to = place.array(zeros(n));
      place.launch_single(LogStdGradient{sums.data(), to.data(), n, 0.25f});
      return place.read(to, n);
    };
    EXPECT_TRUE(same_bits(gradient(DevicePlace(backend())), gradient(HostPlace()))) << n;
    const auto report = [&](auto&& place) {
      Control end{};
      end.minibatches = 4;
      end.policy_loss = 1, end.value_loss = 2, end.kl = 3, end.clip_fraction = 4, end.gradient_norm = 5;
      end.learning_rate = 6;
      auto control = place.array(std::vector<Control>{end});
      std::vector<std::uint64_t> counted;
      for (std::uint64_t i = 0; i < kEnvironmentCounts; ++i) counted.push_back((i + 1) * 0x3000005u);
      auto counts = place.array(counted);
      auto totals = place.array(random_floats(kEnvironmentTotals + n, 1, 2, 5));
      auto of_constraints = place.array(random_floats(kConstraintTotals * n, 1, 2, 6));
      auto own = place.array(random_floats(WriteReport::kOwnNumbers, 1, 2, 7));
      auto log_std = place.array(random_floats(n, -1, 0, 8));
      const Index size = WriteReport::kEntries + n + kConstraintTotals * n;
      auto to = place.array(zeros(size));
      place.launch_single(WriteReport{control.data(), counts.data(), totals.data(), n, of_constraints.data(), n,
                                      own.data(), log_std.data(), n, to.data()});
      return place.read(to, size);
    };
    const std::vector<float> want = report(HostPlace());
    EXPECT_EQ(std::count(want.begin(), want.end(), 0.0f), 0) << "a number was not written";
    EXPECT_TRUE(close(report(DevicePlace(backend())), want, 1e-6)) << n;
  }
}

}  // namespace
}  // namespace stampede::testing
