#pragma once
/// \file What to try where a training diverged.

#include <string>

#include "host/task/planned_task.hpp"

namespace stampede {

/// A share as its two numbers.
struct Share {
  double part = 0, whole = 0;
};

/// Advice against a divergence. `nonfinite`: states that were not finite, of the run's steps so far; `unlearnt`: the
/// same of the first rollout, before anything was learnt. Where they came at least half as often in that, the
/// simulation itself is unstable.
std::string advice_on_divergence(const PlannedTask& task, const Share& nonfinite, const Share& unlearnt);

}  // namespace stampede
