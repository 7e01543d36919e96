#pragma once
/// \file Batches of one task's environments as kernels: reset, step with automatic resets, steps with random actions.
///
/// State lies as a structure of arrays: one array of `stride` floats for each member of `Task::State`, then the
/// bookkeeping of episodes. An environment whose state turns non-finite ends its episode there, is reset and counted,
/// and the state before that step is kept in `last_finite`.

#include <cstring>

#include "envs/task.hpp"

namespace stampede {

/// What is counted of each environment. The counts are integers: a float cannot count beyond 2^24.
enum EnvironmentCount : int {
  kFinished,   ///< episodes `in_statistics` that ended since the statistics were cleared
  kNonfinite,  ///< steps whose state or reward was not finite, since the start
  kOverSlots,  ///< contacts that found no slot since the start; 0 where there are no contacts
  kEnvironmentCounts
};

/// The arrays of a batch; each holds `stride` numbers, and `stride` is a multiple of kMaxLanes.
struct EnvironmentView {
  float* state;           ///< [states][stride]
  float* age;             ///< control steps into the episode
  float* episode_return;  ///< undiscounted, so far
  float*
      in_statistics;  ///< 1 where the episode began at age 0; 0 where at a random age: it is left out of the statistics
  float* finished_return;  ///< sum of the returns of the episodes that kFinished counts
  float* finished_length;  ///< sum of their lengths
  float* finished_metric;  ///< sum of `Task::metric` at their ends
  float* last_finite;      ///< [states][stride]: the state before the last non-finite one
  std::uint32_t* counts;   ///< [kEnvironmentCounts][stride]
  Index stride;
  Index first_environment = 0;  ///< number of the batch's first environment among those of all ranks

  /// The numbers of the environments from `first` on among those of all ranks, by which random numbers are keyed. The
  /// surplus environments of a last pack have numbers that the next rank's have too; their results are never used.
  template <class Real>
  STAMPEDE_FN UintOf<Real> global_indices(Index first) const {
    return lane_indices<Real>(first_environment + first);
  }

  /// Number of arrays of `stride` floats that a batch of a task with `states` states needs.
  static constexpr int arrays(int states) { return 2 * states + 6; }

  STAMPEDE_FN std::uint32_t* count(EnvironmentCount which) const { return counts + which * stride; }

  /// The view of a buffer of arrays(states) * stride floats and one of kEnvironmentCounts * stride counts.
  STAMPEDE_FN static EnvironmentView over(float* buffer, std::uint32_t* counts, int states, Index stride,
                                          Index first_environment = 0) {
    EnvironmentView view;
    float* bookkeeping = buffer + states * stride;
    view.state = buffer;
    view.age = bookkeeping;
    view.episode_return = bookkeeping + stride;
    view.in_statistics = bookkeeping + 2 * stride;
    view.finished_return = bookkeeping + 3 * stride;
    view.finished_length = bookkeeping + 4 * stride;
    view.finished_metric = bookkeeping + 5 * stride;
    view.last_finite = bookkeeping + 6 * stride;
    view.counts = counts;
    view.stride = stride;
    view.first_environment = first_environment;
    return view;
  }
};

/// How a control step left an environment, as stored in `ended`.
inline constexpr float kRunning = 0.0f, kTerminated = 1.0f, kTimedOut = 2.0f;

/// Where a step's results go: `reward` and `ended` have an element for each environment, the observations a row.
struct StepOutput {
  float* reward;
  float* ended;
  float* observation;        ///< [env][observations]: what the next action is chosen from
  float* final_observation;  ///< of the privileged group where there is one, before the reset; only where an episode
                             ///< ended
  // Null where the task does not have it, or it was not asked for.
  float* privileged_observation = nullptr;  ///< [env][numbers]: TaskSpec::privileged
  float* violation = nullptr;               ///< [columns][violation_stride] of the constraints, or kNotApplied
  Index violation_stride = 0;
  float* figures = nullptr;           ///< [figures][stride]: numbers of the step for evaluations (LeggedFigure)
  float* measures = nullptr;          ///< [measures][stride]: sums, to which the results of `Task::measure` are added
  float* last_observation = nullptr;  ///< as final_observation, where a time limit ended the episode; other rows stay
                                      ///< as they are
};

/// Copies rows of `size` numbers, of `envs` environments from `first` on, where `ended` says that a time limit ended
/// the episode. Of `lanes` that share an environment this is the one of that number.
STAMPEDE_FN void copy_timed_out(const float* ended, const float* from, float* to, Index first, Index envs, Index size,
                                Index lane = 0, Index lanes = 1) {
  STAMPEDE_NO_UNROLL
  for (Index env = first; env < first + envs; ++env) {
    if (ended[env] != kTimedOut) continue;
    for (Index i = env * size + lane; i < (env + 1) * size; i += lanes) to[i] = from[i];
  }
}

/// One pack of environments in registers.
template <class Task, class Real>
struct EnvironmentLanes {
  using State = typename Task::template State<Real>;
  static constexpr int kSize = kStates<Task>;

  State state;
  Real age, episode_return;

  STAMPEDE_FN static EnvironmentLanes read(const EnvironmentView& view, Index first) {
    EnvironmentLanes lanes;
    Array<Real, kSize> members;
    STAMPEDE_UNROLL
    for (int i = 0; i < kSize; ++i) members[i] = load<Real>(view.state + i * view.stride + first);
    memcpy(&lanes.state, &members, sizeof members);
    lanes.age = load<Real>(view.age + first);
    lanes.episode_return = load<Real>(view.episode_return + first);
    return lanes;
  }

  STAMPEDE_FN void write(const EnvironmentView& view, Index first) const {
    write_state(view.state, view.stride, first, state);
    store(view.age + first, age);
    store(view.episode_return + first, episode_return);
  }

  /// Takes one control step, ends and resets episodes, and writes the results to `out`.
  STAMPEDE_FN void step(const typename Task::Parameters& parameters, const Array<Real, Task::kActions>& action,
                        const EnvironmentView& view, Index first, std::uint64_t seed, std::uint32_t clock,
                        const StepOutput& out) {
    const State before = state;
    const Outcome<Real> outcome = Task::step(parameters, state, action);
    if constexpr (kHasMeasures<Task>) add_measures(parameters, action, view, first, out);
    age += Real(1.0f);
    const MaskOf<Real> bad = !(all_finite(state) && is_finite(outcome.reward));
    const MaskOf<Real> terminated = outcome.terminated || bad;
    const MaskOf<Real> ended = terminated || (age >= Real(static_cast<float>(Task::kMaxSteps)));
    const Real reward = select(bad, Real(0.0f), outcome.reward);
    episode_return += reward;
    store(out.reward + first, reward);
    store(out.ended + first, select(terminated, Real(kTerminated), select(ended, Real(kTimedOut), Real(kRunning))));
    if (any(ended)) {
      if (any(bad)) {
        count_where(bad, view.count(kNonfinite) + first);
        Array<Real, kSize> good;
        memcpy(&good, &before, sizeof good);
        STAMPEDE_UNROLL
        for (int i = 0; i < kSize; ++i) {
          float* kept = view.last_finite + i * view.stride + first;
          store(kept, select(bad, good[i], load<Real>(kept)));
        }
        state = blend(bad, before, state);
      }
      write_observation(parameters, out.final_observation, first);
      if (out.last_observation != nullptr) {
        copy_timed_out(out.ended, out.final_observation, out.last_observation, first, kLanes<Real>,
                       Task::kObservations);
      }
      const Real whole = load<Real>(view.in_statistics + first);
      const MaskOf<Real> counted = ended && whole == Real(1.0f);
      store(view.in_statistics + first, select(ended, Real(1.0f), whole));
      count_where(counted, view.count(kFinished) + first);
      add_where(counted, view.finished_return + first, episode_return);
      add_where(counted, view.finished_length + first, age);
      if constexpr (kHasMetric<Task>) add_where(counted, view.finished_metric + first, Task::metric(state));
      Random<Real> random(seed, view.global_indices<Real>(first), clock, Purpose::kReset);
      state = blend(ended, Task::template reset<Real>(parameters, random), state);
      age = select(ended, Real(0.0f), age);
      episode_return = select(ended, Real(0.0f), episode_return);
    }
    write_observation(parameters, out.observation, first);
  }

  STAMPEDE_FN void write_observation(const typename Task::Parameters& parameters, float* rows, Index first) const {
    Array<Real, Task::kObservations> observation;
    Task::observe(parameters, state, observation);
    STAMPEDE_UNROLL
    for (int i = 0; i < Task::kObservations; ++i) {
      store_strided(rows + first * Task::kObservations + i, Task::kObservations, observation[i]);
    }
  }

  STAMPEDE_FN static void write_state(float* to, Index stride, Index first, const State& state) {
    Array<Real, kSize> members;
    memcpy(&members, &state, sizeof members);
    STAMPEDE_UNROLL
    for (int i = 0; i < kSize; ++i) store(to + i * stride + first, members[i]);
  }

 private:
  STAMPEDE_FN static MaskOf<Real> all_finite(const State& s) {
    Array<Real, kSize> members;
    memcpy(&members, &s, sizeof members);
    // x - x is 0 for a finite x and NaN otherwise, and NaN stays in the sum.
    Real sum = members[0] - members[0];
    STAMPEDE_UNROLL
    for (int i = 1; i < kSize; ++i) sum = sum + (members[i] - members[i]);
    return sum == Real(0.0f);
  }

  STAMPEDE_FN static State blend(MaskOf<Real> mask, const State& yes, const State& no) {
    Array<Real, kSize> a, b;
    memcpy(&a, &yes, sizeof a);
    memcpy(&b, &no, sizeof b);
    STAMPEDE_UNROLL
    for (int i = 0; i < kSize; ++i) a[i] = select(mask, a[i], b[i]);
    State blended;
    memcpy(&blended, &a, sizeof a);
    return blended;
  }

  STAMPEDE_FN void add_measures(const typename Task::Parameters& parameters, const Array<Real, Task::kActions>& action,
                                const EnvironmentView& view, Index first, const StepOutput& out) const {
    if (out.measures == nullptr) return;
    constexpr int kCount = kMeasureCount<Task>;
    Array<Real, kCount> now;
    Task::measure(parameters, state, action, now);
    STAMPEDE_UNROLL
    for (int i = 0; i < kCount; ++i) {
      float* to = out.measures + i * view.stride + first;
      // A measure that is not finite would make the sum useless. The state that it comes from is counted in step().
      store(to, load<Real>(to) + select(is_finite(now[i]), now[i], Real(0.0f)));
    }
  }

  STAMPEDE_FN static void add_where(MaskOf<Real> mask, float* to, Real x) {
    store(to, load<Real>(to) + select(mask, x, Real(0.0f)));
  }
  STAMPEDE_FN static void count_where(MaskOf<Real> mask, std::uint32_t* to) {
    using Uint = UintOf<Real>;
    store(to, load_uint<Real>(to) + select(mask, Uint(1u), Uint(0u)));
  }
};

/// Starts all environments anew; with `random_phase` at random ages, so that they do not time out together.
template <class Task>
struct ResetEnvironments {
  typename Task::Parameters parameters;
  EnvironmentView view;
  std::uint64_t seed;
  bool random_phase;
  float* observation;  ///< [env][observations]

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    EnvironmentLanes<Task, Real> lanes;
    Random<Real> random(seed, view.global_indices<Real>(first), 0, Purpose::kReset);
    lanes.state = Task::template reset<Real>(parameters, random);
    Random<Real> phase(seed, view.global_indices<Real>(first), 0, Purpose::kPhase);
    const Real age = to_real<Real>(to_int(phase.uniform() * Real(static_cast<float>(Task::kMaxSteps))));
    lanes.age = random_phase ? age : Real(0.0f);
    lanes.episode_return = Real(0.0f);
    lanes.write(view, first);
    store(view.in_statistics + first, select(lanes.age == Real(0.0f), Real(1.0f), Real(0.0f)));
    lanes.write_observation(parameters, observation, first);
  }
};

/// One control step of every environment with the actions given.
template <class Task>
struct StepEnvironments {
  typename Task::Parameters parameters;
  EnvironmentView view;
  std::uint64_t seed;
  const std::uint32_t* clock;  ///< control steps taken before this rollout …
  std::uint32_t offset;        ///< … and in it
  const float* action;         ///< [env][actions], in the task's units
  StepOutput out;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    auto lanes = EnvironmentLanes<Task, Real>::read(view, first);
    Array<Real, Task::kActions> a;
    STAMPEDE_UNROLL
    for (int i = 0; i < Task::kActions; ++i) {
      a[i] = load_strided<Real>(action + first * Task::kActions + i, Task::kActions);
    }
    lanes.step(parameters, a, view, first, seed, *clock + offset + 1, out);
    lanes.write(view, first);
  }
};

/// `steps` control steps with actions uniform between the bounds, drawn here. Writes every step's results to the same
/// rows.
template <class Task>
struct DriveRandomly {
  typename Task::Parameters parameters;
  EnvironmentView view;
  std::uint64_t seed;
  std::uint32_t clock;
  int steps;
  Array<float, Task::kActions> low, high;
  StepOutput out;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    auto lanes = EnvironmentLanes<Task, Real>::read(view, first);
    // A Philox block holds four words: four steps of one action share it.
    constexpr int kGroup = Task::kActions >= 4 ? 1 : 4 / Task::kActions;
    STAMPEDE_NO_UNROLL
    for (int step = 0; step < steps; step += kGroup) {
      Random<Real> random(seed, view.global_indices<Real>(first), clock + static_cast<std::uint32_t>(step),
                          Purpose::kRandomAction);
      STAMPEDE_UNROLL
      for (int k = 0; k < kGroup; ++k) {
        if (step + k >= steps) break;
        Array<Real, Task::kActions> action;
        STAMPEDE_UNROLL
        for (int i = 0; i < Task::kActions; ++i) action[i] = random.uniform(Real(low[i]), Real(high[i]));
        lanes.step(parameters, action, view, first, seed, clock + static_cast<std::uint32_t>(step + k) + 1, out);
      }
    }
    lanes.write(view, first);
  }
};

/// Sets the count and the sums of finished episodes to zero.
struct ClearStatistics {
  EnvironmentView view;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    store(view.count(kFinished) + first, UintOf<Real>(0u));
    store(view.finished_return + first, Real(0.0f));
    store(view.finished_length + first, Real(0.0f));
    store(view.finished_metric + first, Real(0.0f));
  }
};

}  // namespace stampede
