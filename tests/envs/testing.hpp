#pragma once
/// \file What every task is tested for, whatever it simulates: the bookkeeping of episodes, independence of neighbours
/// and widths, agreement with double precision. A task's own test file adds its physics.

#include <string>

#include "envs/batch.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {

constexpr std::uint64_t kSeed = 77;

/// Environments of a task, with their arrays on the host.
template <class Task>
struct Environments {
  static constexpr int kSize = kStates<Task>;
  static constexpr float kUntouched = -123.0f;
  Index count, stride = padded(count);
  typename Task::Parameters parameters;
  std::vector<std::uint32_t> counts;
  std::vector<float> buffer, action, reward, ended, observation, final_observation, last_observation;
  Index first_environment = 0;

  explicit Environments(Index n) : count(n) {
    buffer = floats(EnvironmentView::arrays(kSize) * stride);
    counts.assign(static_cast<std::size_t>(kEnvironmentCounts * stride), 0u);
    action = floats(stride * Task::kActions);
    reward = ended = floats(stride);
    observation = final_observation = floats(stride * Task::kObservations);
    last_observation = floats(stride * Task::kObservations, kUntouched);
  }

  EnvironmentView view() {
    return EnvironmentView::over(buffer.data(), counts.data(), kSize, stride, first_environment);
  }
  std::uint32_t& counted(EnvironmentCount which, Index env) { return view().count(which)[env]; }
  StepOutput output() {
    StepOutput out{reward.data(), ended.data(), observation.data(), final_observation.data()};
    out.last_observation = last_observation.data();
    return out;
  }
  float& state(int member, Index env) { return buffer[member * stride + env]; }

  template <class Real>
  __attribute__((noinline)) void reset(bool random_phase) {
    run<Real>(count, ResetEnvironments<Task>{parameters, view(), kSeed, random_phase, observation.data()});
  }
  template <class Real>
  __attribute__((noinline)) void step(std::uint32_t clock) {
    run<Real>(count, StepEnvironments<Task>{parameters, view(), kSeed, &clock, 0, action.data(), output()});
  }
  template <class Real>
  __attribute__((noinline)) void drive(std::uint32_t clock, int steps) {
    DriveRandomly<Task> kernel{parameters, view(), kSeed, clock, steps, {}, {}, output()};
    Task::action_bounds(parameters, kernel.low, kernel.high);
    run<Real>(count, kernel);
  }

  /// Random states between the bounds, actions a little beyond theirs, and a few steps of age.
  void scatter(const Array<float, kSize>& low, const Array<float, kSize>& high, unsigned seed) {
    std::mt19937 generator(seed);
    const auto uniform = [&](float a, float b) { return std::uniform_real_distribution<float>(a, b)(generator); };
    Array<float, Task::kActions> action_low, action_high;
    Task::action_bounds(parameters, action_low, action_high);
    for (Index env = 0; env < stride; ++env) {
      for (int i = 0; i < kSize; ++i) state(i, env) = uniform(low[i], high[i]);
      for (int a = 0; a < Task::kActions; ++a) {
        action[env * Task::kActions + a] = uniform(1.2f * action_low[a], 1.2f * action_high[a]);
      }
      view().age[env] = 3.0f;
      view().in_statistics[env] = 1.0f;
    }
  }
};

template <class Task>
using Bounds = Array<float, kStates<Task>>;

/// One step in double precision, from the floats that the state holds.
template <class Task>
struct Oracle {
  double state[kStates<Task>], observation[Task::kObservations], reward;

  Oracle(Environments<Task>& from, Index env) {
    typename Task::template State<double> s;
    for (int i = 0; i < kStates<Task>; ++i) state[i] = static_cast<double>(from.state(i, env));
    std::memcpy(static_cast<void*>(&s), state, sizeof s);
    Array<double, Task::kActions> action;
    for (int a = 0; a < Task::kActions; ++a) action[a] = static_cast<double>(from.action[env * Task::kActions + a]);
    reward = Task::step(from.parameters, s, action).reward;
    std::memcpy(state, static_cast<void*>(&s), sizeof s);
    Array<double, Task::kObservations> seen;
    Task::observe(from.parameters, s, seen);
    std::copy_n(seen.values, Task::kObservations, observation);
  }
};

/// Every width against the double oracle, in what is observed (angles wrap, their sines do not), and against one lane.
template <class Task>
void expect_one_step_like_double(const Bounds<Task>& low, const Bounds<Task>& high, double tolerance) {
  for (const Index n : kSizes) {
    Environments<Task> start(n);
    start.scatter(low, high, 1);
    std::vector<Oracle<Task>> want;
    for (Index env = 0; env < n; ++env) want.emplace_back(start, env);
    Environments<Task> scalar = start;
    scalar.template step<float>(0);
    for_scalar_and_widest([&]<class Real>() {
      Environments<Task> got = start;
      got.template step<Real>(0);
      Worst worst;
      for (Index env = 0; env < n; ++env) {
        worst.take(static_cast<double>(got.reward[env]), want[env].reward, 1.0);
        for (int i = 0; i < Task::kObservations; ++i) {
          worst.take(static_cast<double>(got.observation[env * Task::kObservations + i]), want[env].observation[i],
                     1.0);
        }
      }
      EXPECT_LE(worst.error, tolerance);
      expect_as_scalar(got.observation, scalar.observation, n * Task::kObservations, tolerance, 1.0);
      expect_as_scalar(got.reward, scalar.reward, n, tolerance, 1.0);
      for (Index env = 0; env < n; ++env) ASSERT_EQ(got.ended[env], kRunning);
    });
  }
}

/// The order of the environments changes the order of the results and nothing else, not in a bit.
template <class Task>
void expect_neighbours_do_not_matter(const Bounds<Task>& low, const Bounds<Task>& high) {
  const Index n = 129;
  Environments<Task> start(n);
  start.scatter(low, high, 2);
  const auto place = [&](Index env) { return (env * 50 + 7) % n; };
  Environments<Task> moved = start;
  for (Index env = 0; env < n; ++env) {
    for (int i = 0; i < kStates<Task>; ++i) moved.state(i, place(env)) = start.state(i, env);
    for (int a = 0; a < Task::kActions; ++a) {
      moved.action[place(env) * Task::kActions + a] = start.action[env * Task::kActions + a];
    }
  }
  for_scalar_and_widest([&]<class Real>() {
    Environments<Task> a = start, b = moved;
    a.template step<Real>(0);
    b.template step<Real>(0);
    int different = 0;
    for (Index env = 0; env < n; ++env) {
      different += word_of(a.reward[env]) != word_of(b.reward[place(env)]);
      for (int i = 0; i < kStates<Task>; ++i) different += word_of(a.state(i, env)) != word_of(b.state(i, place(env)));
    }
    EXPECT_EQ(different, 0);
  });
}

/// Environments from some number on draw what they would draw in a batch with all those before them.
template <class Task>
void expect_random_numbers_of_all_ranks() {
  const Index first = 27, n = 33;  // a multiple of no pack
  for_scalar_and_widest([&]<class Real>() {
    Environments<Task> all(first + n), some(n);
    some.first_environment = first;
    for (Environments<Task>* e : {&all, &some}) {
      e->template reset<Real>(true);
      e->template drive<Real>(0, Task::kMaxSteps + 8);  // every episode ends once
    }
    int different = 0, begun_anew = 0;
    for (Index env = 0; env < n; ++env) {
      begun_anew += some.view().age[env] < static_cast<float>(Task::kMaxSteps) ? 1 : 0;
      different += word_of(some.view().age[env]) != word_of(all.view().age[first + env]) ? 1 : 0;
      for (int i = 0; i < Task::kObservations; ++i) {
        different += word_of(some.observation[env * Task::kObservations + i]) !=
                             word_of(all.observation[(first + env) * Task::kObservations + i])
                         ? 1
                         : 0;
      }
    }
    EXPECT_EQ(different, 0);
    EXPECT_EQ(begun_anew, n);
  });
}

/// Time limit, automatic reset, what is counted, and which observation is of before the reset.
template <class Task>
void expect_time_limit(const Bounds<Task>& low, const Bounds<Task>& high) {
  const Index n = 33;
  Environments<Task> start(n);
  start.scatter(low, high, 3);
  for (const Index env : {0, 5, 31, 32}) {
    start.view().age[env] = static_cast<float>(Task::kMaxSteps - 1);
    start.view().episode_return[env] = 100.0f;
  }
  start.view().in_statistics[31] = 0.0f;  // began at a random age: ends like the others, but is not counted
  for_scalar_and_widest([&]<class Real>() {
    Environments<Task> e = start;
    e.template step<Real>(41);
    Environments<Task> fresh(n);
    // A reset depends on the environment and the step alone: the same numbers, drawn here.
    for (Index env = 0; env < n; env += kLanes<Real>) {
      Random<Real> random(kSeed, lane_indices<Real>(env), 42, Purpose::kReset);
      EnvironmentLanes<Task, Real>::write_state(fresh.buffer.data(), fresh.stride, env,
                                                Task::template reset<Real>(fresh.parameters, random));
    }
    for (Index env = 0; env < n; ++env) {
      const bool over = start.view().age[env] > 3.0f;
      const Oracle<Task> followed(start, env);
      const float* observation = (over ? e.final_observation : e.observation).data() + env * Task::kObservations;
      for (int i = 0; i < Task::kObservations; ++i) {
        ASSERT_NEAR(static_cast<double>(observation[i]), followed.observation[i], 1e-4) << "environment " << env;
        ASSERT_EQ(e.last_observation[env * Task::kObservations + i], over ? observation[i] : e.kUntouched);
      }
      ASSERT_EQ(e.ended[env], over ? kTimedOut : kRunning);
      ASSERT_EQ(e.view().age[env], over ? 0.0f : 4.0f);
      ASSERT_EQ(e.view().episode_return[env], over ? 0.0f : e.reward[env]);
      const bool counted = over && env != 31;
      ASSERT_EQ(e.view().in_statistics[env], 1.0f) << "the next episode is a whole one";
      ASSERT_EQ(e.counted(kFinished, env), counted ? 1u : 0u);
      ASSERT_EQ(e.view().finished_return[env], counted ? 100.0f + e.reward[env] : 0.0f);
      ASSERT_EQ(e.view().finished_length[env], counted ? static_cast<float>(Task::kMaxSteps) : 0.0f);
      ASSERT_EQ(e.counted(kNonfinite, env), 0u);
      if (!over) continue;
      typename Task::template State<float> after;
      float members[kStates<Task>];
      for (int i = 0; i < kStates<Task>; ++i) {
        members[i] = e.state(i, env);
        // The compiler may contract the same formula in two places in two ways.
        ASSERT_NEAR(members[i], fresh.state(i, env), kParity ? 0.0f : 5e-7f) << "reset of environment " << env;
      }
      std::memcpy(static_cast<void*>(&after), members, sizeof after);
      Array<float, Task::kObservations> seen;
      Task::observe(e.parameters, after, seen);
      for (int i = 0; i < Task::kObservations; ++i) {
        ASSERT_NEAR(e.observation[env * Task::kObservations + i], seen[i], 1e-6f);
      }
    }
  });
}

/// A state that turns non-finite ends its episode, is counted and reset; its last good state is kept; nobody else
/// notices.
template <class Task>
void expect_nonfinite_is_caught(const Bounds<Task>& low, const Bounds<Task>& high) {
  const Index n = 33;
  Environments<Task> start(n);
  start.scatter(low, high, 4);
  constexpr std::uint32_t kBefore = 1u << 24;  // where floats would no longer count
  for (Index env = 0; env < n; ++env) start.counted(kNonfinite, env) = start.counted(kFinished, env) = kBefore;
  for_scalar_and_widest([&]<class Real>() {
    for (const float poison : {NAN, HUGE_VALF}) {
      Environments<Task> healthy = start, e = start;
      // An infinite action is limited, as any; an infinite state is not.
      for (const Index env : {1, 17, 32}) {
        if (std::isnan(poison))
          e.action[env * Task::kActions] = poison;
        else
          e.state(kStates<Task> - 1, env) = e.state(1, env) = poison;
      }
      Environments<Task> before = e;
      healthy.template step<Real>(9);
      e.template step<Real>(9);
      for (Index env = 0; env < n; ++env) {
        const bool bad = env == 1 || env == 17 || env == 32;
        ASSERT_EQ(e.counted(kNonfinite, env), bad ? kBefore + 1 : kBefore) << "environment " << env;
        ASSERT_EQ(e.ended[env], bad ? kTerminated : kRunning);
        for (int i = 0; i < kStates<Task>; ++i) {
          ASSERT_TRUE(std::isfinite(e.state(i, env)));
          if (bad) {
            ASSERT_EQ(word_of(e.view().last_finite[i * e.stride + env]), word_of(before.state(i, env)));
          } else {
            ASSERT_EQ(word_of(e.state(i, env)), word_of(healthy.state(i, env)));
          }
        }
        if (bad) {
          ASSERT_EQ(e.reward[env], 0.0f);
          ASSERT_EQ(e.view().age[env], 0.0f);
          ASSERT_EQ(e.counted(kFinished, env), kBefore + 1);
          // The episode's last observation is of the last good state, where there is one.
          const float* last = e.final_observation.data() + env * Task::kObservations;
          for (int i = 0; i < Task::kObservations && std::isnan(poison); ++i) ASSERT_TRUE(std::isfinite(last[i]));
          ASSERT_EQ(e.last_observation[env * Task::kObservations], e.kUntouched) << "no time limit was the reason";
        } else {
          ASSERT_EQ(e.reward[env], healthy.reward[env]);
        }
        for (int i = 0; i < Task::kObservations; ++i) {
          ASSERT_TRUE(std::isfinite(e.observation[env * Task::kObservations + i]));
        }
      }
    }
  });
}

/// Resets and random driving: the same whatever the width and however the steps are cut; ages spread where asked.
template <class Task>
void expect_driving_is_reproducible() {
  const Index n = 33;
  Environments<Task> scalar(n);
  scalar.template reset<float>(true);
  for_scalar_and_widest([&]<class Real>() {
    Environments<Task> whole(n);
    whole.template reset<Real>(true);
    for (Index env = 0; env < n; ++env) {
      ASSERT_EQ(whole.view().age[env], scalar.view().age[env]);
      ASSERT_TRUE(whole.view().age[env] >= 0.0f && whole.view().age[env] < static_cast<float>(Task::kMaxSteps));
    }
    expect_as_scalar(whole.observation, scalar.observation, n * Task::kObservations, 1e-6, 1.0);
    Environments<Task> parts = whole;
    whole.template drive<Real>(0, 2 * Task::kMaxSteps + 12);
    parts.template drive<Real>(0, 4);
    parts.template drive<Real>(4, 2 * Task::kMaxSteps + 8);
    EXPECT_TRUE(same_bits(whole.buffer, parts.buffer, static_cast<Index>(whole.buffer.size())));
    EXPECT_EQ(whole.counts, parts.counts);
    std::uint32_t episodes = 0;
    for (Index env = 0; env < n; ++env) {
      episodes += whole.counted(kFinished, env);
      ASSERT_GE(whole.counted(kFinished, env), 1u) << "every environment has run through one episode";
      ASSERT_EQ(whole.counted(kNonfinite, env), 0u);
    }
    EXPECT_LE(episodes, static_cast<std::uint32_t>(2 * n));
  });
  const auto [least, most] = std::minmax_element(scalar.view().age, scalar.view().age + n);
  EXPECT_GT(*most - *least, 0.5f * static_cast<float>(Task::kMaxSteps));
  scalar.template reset<float>(false);
  EXPECT_EQ(*std::max_element(scalar.view().age, scalar.view().age + n), 0.0f);
}

}  // namespace stampede::testing
