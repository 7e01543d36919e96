#pragma once
/// \file Left and right of a robot, from its description: which limbs are mirror images of each other, and which are
/// diagonally opposite.

#include <array>
#include <vector>

#include "host/engine/task_spec.hpp"
#include "host/model/robot/load.hpp"

namespace stampede {

/// A robot's image in its plane of left and right, by joints in the order of `joint_info`.
struct RobotMirror {
  std::vector<int> limb;    ///< image of each limb
  std::vector<int> joint;   ///< image of each joint
  std::vector<float> sign;  ///< -1 where mirroring changes the sign of the joint's position, else 1
};

/// `pose` holds the joints' positions, in the order of `joint_info` [rad]. Throws Error naming a joint without an
/// image: the mirrored joint must be within 2 cm and 3 degrees of another one.
RobotMirror find_mirror(const CompiledRobot& robot, const std::vector<double>& pose);

/// The two diagonals of a quadruped, limb by limb; empty where it does not have a limb in each of the four directions.
std::vector<std::array<int, 2>> find_diagonals(const CompiledRobot& robot, const std::vector<double>& pose);

/// How mirroring reorders an observation and the actions, and which signs it changes. Throws Error where the height
/// scan lies, or the camera looks, to one side.
MirrorMap mirror_of(const PlacedTerm* terms, int count, const LeggedSpec& spec, const RobotModel& robot,
                    const RobotMirror& mirror);
MirrorMap mirror_of_actions(const LeggedConstants& constants, const RobotModel& robot, const RobotMirror& mirror);

}  // namespace stampede
