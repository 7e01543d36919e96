#include "host/model/robot/solids.hpp"

#include <algorithm>
#include <tuple>

namespace stampede {
namespace {

SolidShape shape_of(int type) {
  switch (type) {
    case mjGEOM_SPHERE:
    case mjGEOM_CAPSULE:
      return SolidShape::kCapsule;
    case mjGEOM_CYLINDER:
      return SolidShape::kCylinder;
    case mjGEOM_BOX:
      return SolidShape::kBox;
    default:
      return SolidShape::kNone;
  }
}

/// Half its extent along its own axes, as Solid::half has it.
Vec3<double> half_of(int type, const double* size) {
  switch (type) {
    case mjGEOM_SPHERE:
      return {size[0], 0, 0};
    case mjGEOM_BOX:
      return {size[0], size[1], size[2]};
    default:
      return {size[0], 0, size[1]};
  }
}

}  // namespace

void read_solids(const ModelSource& source, RobotModel& robot) {
  const mjModel* m = source.model;
  for (int g = 0; g < m->ngeom; ++g) {
    const Part& part = source.limbs.part[static_cast<std::size_t>(m->geom_bodyid[g])];
    Solid<double> solid;
    solid.shape = shape_of(m->geom_type[g]);
    const bool touches = m->geom_contype[g] != 0 || m->geom_conaffinity[g] != 0;
    if (part.world || !touches || solid.shape == SolidShape::kNone) continue;
    const Pose pose = pose_on_link(source, g);
    solid.limb = part.limb;
    solid.link = part.link;
    solid.centre = pose.origin;
    solid.axes = pose.axes;
    solid.half = half_of(m->geom_type[g], m->geom_size + 3 * g);
    robot.solids.push_back(solid);
  }
  std::stable_sort(robot.solids.begin(), robot.solids.end(), [](const Solid<double>& a, const Solid<double>& b) {
    return std::tie(a.limb, a.link) < std::tie(b.limb, b.link);
  });
}

}  // namespace stampede
