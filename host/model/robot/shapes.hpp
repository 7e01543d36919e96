#pragma once
/// \file Candidates for contact: which shapes of the robot meet the ground, as points, corners and cylinders.

#include "host/model/robot/constants.hpp"

namespace stampede {

/// Fills the robot's plane, candidates and their kinds; needs the joints. Throws Error naming the geom at fault.
void read_shapes(const ModelSource& source, RobotModel& robot);

/// A geom type as people call it: "box".
const char* shape_word(int type);
/// Where a geom is that does not move.
Pose world_pose_of(const mjModel* model, int geom);

/// Contacts that a lane has at the same time in a few thousand poses: any orientation, joints anywhere in their ranges, the
/// deepest point up to 10 cm in the ground; a few more on a map. Clamped to 1..kMaxContacts.
int measured_slots(const RobotModel& robot);

/// How high the lowest point that can touch is over the origin of a floating base, along `up` (1e30: there is none) [m].
double lowest_point(const RobotModel& robot, const double* qpos, Vec3<double> up = {0, 0, 1});
/// The same for each lane's share of the shapes: where that point is from the base's origin, in world axes, and in z how high.
std::vector<Vec3<double>> lowest_points(const RobotModel& robot, const double* qpos, Vec3<double> up = {0, 0, 1});

}  // namespace stampede
