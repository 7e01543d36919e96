#pragma once
/// \file From a walking task's settings to what is simulated: the robot, the kernels' numbers, and names for people.

#include <memory>
#include <string>
#include <vector>

#include "host/engine/task_info.hpp"
#include "host/robot/load.hpp"
#include "host/settings/legged_settings.hpp"
#include "kernels/constraints.hpp"

namespace stampede {

/// A constraint as people know it.
struct ConstraintInfo {
  std::string name, kind;  ///< kind: hard, soft, style
  float limit = 0;
  int begin = 0, columns = 0;
};

/// A walking task, ready to be simulated; crosses the modules' border.
struct LeggedPlan {
  RobotModel robot;
  LeggedConstants constants{};
  bool soft = true;  ///< violations are soft terminations (objective cat)
  std::vector<ConstraintInfo> constraints;
  std::vector<ConstraintColumn> columns;
  CatSettings cat;
  std::vector<float> action_centre, action_scale, action_low, action_high;  ///< joint targets [rad]
  TaskInfo info;                                                            ///< with sizes and names filled in
};

/// How a task's robot is loaded.
LoadOptions legged_load_options(const LeggedSettings& settings);

/// Loads the robot and resolves names. `task` is the task's name; messages begin with its file. Throws Error that names the
/// table and key where something does not fit the robot.
std::shared_ptr<const LeggedPlan> make_legged_plan(const TaskInfo& task, const LeggedSettings& settings);

/// The same task with nothing randomised but its starts and commands: no noise, delays or pushes.
LeggedSettings without_randomisation(LeggedSettings settings);

}  // namespace stampede
