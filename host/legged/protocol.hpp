#pragma once
/// \file How policies are evaluated: a fixed protocol for each task.

#include "host/engine/engine.hpp"
#include "host/legged/plan.hpp"

namespace stampede {

/// The request of a task's protocol. Walking tasks: a grid of commands over the task's ranges, 5 forward x 3 sideways x 3 turning
/// and standing still, each kept through an episode; `randomise` as in training, or not at all (noise, delays and pushes
/// included).
EvaluationRequest evaluation_request(const Settings& settings, int episodes, bool randomise);

/// Whether a task randomises anything but its starts.
bool randomises(const Settings& settings);

}  // namespace stampede
