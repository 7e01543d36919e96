#pragma once
/// \file Candidates for contact: which shapes of the robot meet the ground, as points, corners and cylinders.

#include "host/model/robot/constants.hpp"

namespace stampede {

/// Fills the robot's plane, candidates and their kinds; needs the joints. Throws Error naming the geom at fault.
void read_shapes(const ModelSource& source, RobotModel& robot);

/// A geom type as a word for messages: "box".
const char* shape_word(int type);
/// Pose in the world of a geom that does not move.
Pose world_pose_of(const mjModel* model, int geom);

/// The most contacts that a lane has at the same time in 2000 random poses (any orientation, joints anywhere in their
/// ranges, the deepest point up to 10 cm in the ground), and 4 more on a map. Clamped to 1..kMaxContacts.
int measured_slots(const RobotModel& robot);

/// Height along `up` of the robot's lowest point that can touch, over the origin of a floating base (1e30: there is
/// none) [m].
double lowest_point(const RobotModel& robot, const double* qpos, Vec3<double> up = {0, 0, 1});
/// The same for the shapes of each lane: x and y are the point's place from the base's origin, in world axes, and z is
/// its height along `up` [m].
std::vector<Vec3<double>> lowest_points(const RobotModel& robot, const double* qpos, Vec3<double> up = {0, 0, 1});

}  // namespace stampede
