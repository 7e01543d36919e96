#pragma once
/// \file A walking task's constraints, from its settings.

#include <string>

#include "host/engine/task_spec.hpp"
#include "host/task/legged_settings.hpp"

namespace stampede {

/// Fills the kernels' constraints and the task's list of them; needs the actions' names. `has_diagonals`: whether the
/// robot's limbs have pairs across (LeggedConstants::diagonal). Throws Error, beginning with the task's name, where a
/// constraint asks for what the robot does not have, or its limit or margin is impossible.
void place_constraints(const std::string& task, const LeggedSettings& settings, const RobotModel& robot,
                       bool has_diagonals, LeggedConstants& constants, TaskSpec& spec);

}  // namespace stampede
