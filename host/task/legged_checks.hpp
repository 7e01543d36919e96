#pragma once
/// \file Whether a robot can do what a walking task asks of it.

#include <string>
#include <vector>

#include "host/engine/robot_model.hpp"
#include "host/task/legged_settings.hpp"

namespace stampede {

/// The joints' default positions, in the order of joint_info: those of the settings, else the robot's home [rad].
std::vector<double> default_pose(const RobotModel& robot, const ControlSettings& control);

/// Throws Error, beginning with the task's name, where something does not fit: the base, the limbs, how joints are
/// driven, the pose, delays longer than a control step.
void check_walker(const std::string& task, const RobotModel& robot, const LeggedSettings& settings);

}  // namespace stampede
