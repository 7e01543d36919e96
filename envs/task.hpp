#pragma once
/// \file What a task is: one struct that says everything about one environment and nothing about devices, lanes or
/// memory.
///
/// See envs/pendulum/pendulum.hpp for the smallest. A task `T` has
///
/// - `T::kName`, `T::kSummary`, `T::kDefaults` (TOML: settings that differ from the built-in ones), `T::kMetric`
///   (JSON key under which evaluations report the mean of `T::metric`, or ""),
/// - `T::kObservations`, `T::kActions`, `T::kMaxSteps` (the time limit), `T::observation_names()`, `T::action_names()`,
/// - `T::Parameters`: floats only, with `describe`: they appear in the configuration under their own names,
/// - `T::State<Real>`: Reals only; it is stored as one array a member,
/// - `T::reset`, `T::step`, `T::observe`, `T::action_bounds`, `T::metric` where kMetric is not "",
///   `T::kMeasures` and `T::measure` where trainings are to report numbers that only this task has, and `T::sketch`
///   where it can be drawn.
///
/// A new task is one header of this shape. It is registered twice and named nowhere else: for the catalogue by
/// `register_tasks` (host/task/describe_task.hpp), for a processor's kernels by `register_environments`
/// (host/simulate/environments.hpp). For those that are listed in envs/tasks.hpp the program and its modules do both.

#include <cstddef>

#include "envs/sketch.hpp"
#include "kernels/lanes.hpp"
#include "kernels/math.hpp"
#include "kernels/random.hpp"

namespace stampede {

/// What a control step brings.
template <class Real>
struct Outcome {
  Real reward;
  MaskOf<Real> terminated;  ///< the episode really ends; the time limit is applied by EnvironmentLanes::step
};

/// The mask of a condition that never holds.
template <class Real>
STAMPEDE_FN MaskOf<Real> no_lanes() {
  return Real(0.0f) != Real(0.0f);
}

template <class Task>
inline constexpr int kStates = static_cast<int>(sizeof(typename Task::template State<float>) / sizeof(float));

template <class Task>
inline constexpr bool kHasMetric = Task::kMetric[0] != '\0';

/// A metric that only this task has, reported for every iteration: the mean of the results of `T::measure` over
/// environments and control steps.
struct Measure {
  const char *name, *unit;
};

/// How many a task has: the size of its `kMeasures`, which may be missing.
template <class Task>
constexpr int count_measures() {
  if constexpr (requires { Task::kMeasures; }) {
    return static_cast<int>(sizeof(Task::kMeasures) / sizeof(Measure));
  } else {
    return 0;
  }
}
template <class Task>
inline constexpr int kMeasureCount = count_measures<Task>();
template <class Task>
inline constexpr bool kHasMeasures = count_measures<Task>() != 0;

template <class... T>
struct TaskList {
  /// Calls body(Task{}) for each task.
  template <class Body>
  static void for_each(Body&& body) {
    (body(T{}), ...);
  }
};

/// Gives a task's parameters values in the order of their declaration; those that are not given keep their defaults.
template <class Parameters, class Values>
void set_parameters(Parameters& parameters, const Values& values) {
  std::size_t next = 0;
  Parameters::describe([&](const char*, float Parameters::*member, double, double, const char*) {
    if (next < values.size()) parameters.*member = values[next];
    ++next;
  });
}

}  // namespace stampede
