#pragma once
/// \file How policies are evaluated: a fixed protocol for each task.

#include "host/engine/engine.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// The request of a task's protocol. Walking tasks: a grid of commands over the task's ranges, 5 forward x 3 sideways x
/// 3 turning, and standing still, each kept through an episode; on ground of tiles, which the episodes take in turn,
/// every second round walks straight ahead at three quarters of the fastest forward command. `randomise`: as in
/// training; else without noise, delays, pushes and the like.
EvaluationRequest evaluation_request(const PlannedTask& task, int episodes, bool randomise);

/// One traced episode of a walking task in which the command changes every two seconds, nothing else being randomised.
EvaluationRequest walk_request(const PlannedTask& task);

/// Whether a task randomises anything but its starts.
bool randomises(const Settings& settings);

}  // namespace stampede
