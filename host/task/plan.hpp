#pragma once
/// \file From a walking task's settings to what is simulated: the robot, the kernels' numbers, and names for people.

#include <memory>
#include <string>
#include <vector>

#include "envs/legged/terrain/kinds.hpp"
#include "host/model/robot/load.hpp"
#include "host/task/legged_settings.hpp"
#include "host/task/mirror.hpp"
#include "host/task/task_info.hpp"
#include "kernels/constraints.hpp"

namespace stampede {

/// A constraint as people know it.
struct ConstraintInfo {
  std::string name, kind;  ///< kind: hard, soft, style
  float limit = 0;
  int begin = 0, columns = 0;
};

/// What a checkpoint calls a constraint's running maxima [columns]: by name, so that no order matters.
inline std::string constraint_tensor(const ConstraintInfo& constraint) {
  return "constraint_maxima/" + constraint.name;
}

/// A walking task, ready to be simulated; crosses the modules' border.
struct LeggedPlan {
  RobotModel robot;
  std::vector<std::string> notes;  ///< what of the robot is simulated otherwise than its file says
  LeggedConstants constants{};
  bool soft = true;  ///< violations are soft terminations (objective cat)
  std::vector<ConstraintInfo> constraints;
  std::vector<ConstraintColumn> columns;
  CatSettings cat;
  std::vector<float> spawn;               ///< [levels][columns][3], on ground of tiles [m]
  std::vector<double> difficulties;       ///< of the levels
  std::vector<TerrainKind> tile_kinds;    ///< of the columns
  std::vector<std::string> critic_names;  ///< of the critic's own observation
  std::vector<float> sensed;  ///< of the policy's observations: 1 for what sensors tell, 0 for what it knows by itself
  std::vector<float> action_centre, action_scale, action_low, action_high;  ///< joint targets [rad]
  MirrorMap policy_mirror, critic_mirror, action_mirror;  ///< empty where trainings look into no mirror
  TaskInfo info;                                          ///< with sizes and names filled in

  bool mirrored() const { return !action_mirror.place.empty(); }
  /// On which tile, level x columns + column, an evaluation's episode takes place.
  Index tile_of(Index episode) const { return episode % (Index{constants.levels} * constants.columns_of_tiles); }
};

/// How a task's robot is loaded.
LoadOptions legged_load_options(const LeggedSettings& settings);

/// Loads the robot and resolves names. `task` is the task's name; messages begin with its file. Throws Error that names the
/// table and key where something does not fit the robot.
std::shared_ptr<const LeggedPlan> make_legged_plan(const TaskInfo& task, const LeggedSettings& settings);

/// The same task with nothing randomised but its starts and commands: no noise, delays or pushes.
LeggedSettings without_randomisation(LeggedSettings settings);

}  // namespace stampede
