#pragma once
/// \file A robot's depth camera, from its settings.

#include "host/engine/robot_model.hpp"
#include "host/task/legged_settings.hpp"
#include "kernels/sense/camera.hpp"

namespace stampede {

/// The camera of a robot whose control steps take `control_dt` [s]. Throws Error where the settings make none: a number
/// of pixels that is no multiple of kMaxLanes, a range that is empty, a rate that does not divide that of control
/// steps, a place inside the robot's base.
DepthCamera make_camera(const CameraSettings& settings, double control_dt, const RobotModel& robot);

}  // namespace stampede
