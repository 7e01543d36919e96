#pragma once
/// \file The robot's shapes as cameras see them.

#include "host/model/robot/constants.hpp"

namespace stampede {

/// Fills the robot's solids: its spheres, capsules, cylinders and boxes that can touch anything.
void read_solids(const ModelSource& source, RobotModel& robot);

}  // namespace stampede
