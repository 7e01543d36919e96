#pragma once
/// \file A robot as the engine simulates it: plain data in doubles, which is passed to the modules.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "host/engine/ground_map.hpp"
#include "kernels/physics/model.hpp"
#include "kernels/sense/solids.hpp"

namespace stampede {

/// Limbs and joints a limb that kernels are compiled for, the smallest first; a robot runs in the first that it fits.
struct RobotSize {
  int limbs, joints;
};
inline constexpr RobotSize kRobotSizes[] = {{1, 1}, {1, 2}, {2, 3}, {2, 6}, {4, 3}, {6, 3}};
inline constexpr int kMaxJoints = 6;  ///< of a limb, the greatest of the above

/// One joint of the robot, where it is and what MuJoCo calls it.
struct RobotJoint {
  std::string name;
  int limb = 0, place = 0;  ///< indices of the limb, and of the joint along it
  int position = 0;         ///< index into qpos
  int velocity = 0;         ///< index into qvel
  int actuator = -1;        ///< index into ctrl; -1 where nothing drives it
};

/// The ground's plane, from the robot's description.
struct PlaneGround {
  bool present = false;
  Vec3<double> point{0, 0, 0};   ///< on the plane, in the world [m]
  Vec3<double> normal{0, 0, 1};  ///< unit
};

struct RobotModel {
  std::string name;      ///< the file's stem
  int limbs = 0;         ///< that the robot has
  int joints = 0;        ///< the greatest number in a limb
  RobotSize size{0, 0};  ///< compiled sizes that it runs in
  int nq = 0, nv = 0, nu = 0;
  double total_mass = 0;  ///< [kg]

  PhysicsOptions<double> options{};
  Vec3<double> gravity{0, 0, -9.81};
  PlaneGround plane;
  std::shared_ptr<const GroundMap> map;  ///< heights and boxes; null where there are none
  BaseModel<double> base{};
  std::vector<JointModel<double>> joint;      ///< [size.limbs][size.joints], padded as model.hpp says
  std::vector<ContactKind> kind;              ///< [candidates]
  std::vector<ContactModel<double>> contact;  ///< [candidates][size.limbs]

  std::vector<Solid<double>> solids;  ///< what cameras see of it: the base's first, then limb by limb, link by link

  std::vector<RobotJoint> joint_info;  ///< in the order of qvel
  std::vector<double> home_qpos;       ///< the first keyframe, else the reference pose
  std::vector<double> home_ctrl;       ///< the keyframe's controls, else those of no force at `home_qpos`

  const JointModel<double>& joint_of(const RobotJoint& info) const {
    return joint[static_cast<std::size_t>(info.limb) * static_cast<std::size_t>(size.joints) +
                 static_cast<std::size_t>(info.place)];
  }
  bool has_ground() const { return plane.present || map != nullptr; }
  void remove_ground() {
    plane.present = false;
    map = nullptr;
  }
};

/// Lanes of an environment of this robot (RobotShape::kGroup).
inline int lanes_of(const RobotModel& robot) {
  const int limbs = robot.size.limbs;
  return limbs <= 1 ? 1 : limbs <= 2 ? 2 : limbs <= 4 ? 4 : 8;
}

/// What stands where a robot has no joint: no mass, and an armature of 1.
JointModel<double> absent_joint();
/// What stands where a lane has no candidate for contact: it never touches.
ContactModel<double> absent_contact();

}  // namespace stampede
