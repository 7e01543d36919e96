#pragma once
/// \file From a walking task's settings and its robot to what is simulated: the kernels' numbers, and names for people.

#include "host/engine/task_spec.hpp"
#include "host/model/robot/load.hpp"
#include "host/task/legged_settings.hpp"
#include "host/task/task_info.hpp"

namespace stampede {

/// How a task's robot is loaded.
LoadOptions legged_load_options(const LeggedSettings& settings);

/// Loads the task's robot, with the ground that it walks on. Throws Error where it names none.
CompiledRobot compile_legged_robot(const TaskInfo& task, const LeggedSettings& settings);

/// Resolves names to indices of rows and columns. `robot` is what compile_legged_robot gave for these settings, or for
/// others that load the same robot. Throws Error that begins with the task's name and names the table and key where
/// something does not fit the robot.
TaskSpec make_legged_spec(const TaskInfo& task, const LeggedSettings& settings, const CompiledRobot& robot);

/// The same task with nothing randomised but its starts and commands: no noise, delays or pushes.
LeggedSettings without_randomisation(LeggedSettings settings);

}  // namespace stampede
