#pragma once
/// \file What a task is: one struct that says everything about one environment and nothing about devices, lanes or
/// memory.
///
/// See envs/pendulum/pendulum.hpp for the smallest. A task `T` has
///
/// - `T::kName`, `T::kSummary`, `T::kDefaults` (TOML: settings that differ from the built-in ones), `T::kMetric`
///   (JSON key of a figure of its own in evaluations, or ""),
/// - `T::kObservations`, `T::kActions`, `T::kMaxSteps` (the time limit), `T::observation_names()`, `T::action_names()`,
/// - `T::Parameters`: floats only, with `describe`: they appear in the configuration under their own names,
/// - `T::State<Real>`: Reals only; it is stored as one array a member,
/// - `T::reset`, `T::step`, `T::observe`, `T::action_bounds`, and `T::metric` where there is one.
///
/// A new task is one header of this shape and one line in envs/tasks.hpp.

#include "kernels/lanes.hpp"
#include "kernels/math.hpp"
#include "kernels/random.hpp"

namespace stampede {

/// What a control step brings.
template <class Real>
struct Outcome {
  Real reward;
  MaskOf<Real> terminated;  ///< a real end; the time limit is counted outside
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

}  // namespace stampede
