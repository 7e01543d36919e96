#pragma once
/// \file A robot's parts: its base, and limbs that are serial chains of joints.
///
/// Bodies without joints move with the body above them: together they are one rigid part, here named by its topmost
/// body.

#include <mujoco/mujoco.h>

#include <string>
#include <vector>

#include "host/model/robot/pose.hpp"

namespace stampede {

/// Which rigid part of the robot a body belongs to.
struct Part {
  int limb = -1;  ///< -1: the base, or the world
  int link = 0;   ///< 0: the base, i: what the limb's i-th joint moves
  bool world = false;
};

struct Limbs {
  bool floating = false;
  int base = 0;                         ///< body of the base; 0: limbs are attached to the world itself
  std::vector<std::vector<int>> chain;  ///< [limb][place] -> joint
  std::vector<Part> part;               ///< [body]
  std::vector<Pose> pose;               ///< [body] in the base's frame, at qpos0
};

/// "joint 'knee'", or "joint 3 of body 'shank'" where it has no name.
std::string name_of(const mjModel* model, mjtObj kind, int id);
/// "knee", or "joint 3".
std::string plain_name(const mjModel* model, mjtObj kind, int id);

/// Throws Error, naming the joint, where the robot is not a base with serial limbs. `file` begins the message.
Limbs find_limbs(const mjModel* model, const std::string& file);

}  // namespace stampede
