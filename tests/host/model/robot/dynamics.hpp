#pragma once
/// \file Mass matrix and bias of a RobotModel by Jacobians, link by link: slow, and nothing of what the kernels do.
///
/// M = sum over links of m Jv' Jv + Jw' I Jw, bias = sum of Jv' m (a - g) + Jw' (I alpha + omega x I omega), with the
/// accelerations that the links have where all unknowns' are zero. Unknowns and state are MuJoCo's: of a floating base its
/// linear velocity in world axes, then its angular one in its own.

#include <vector>

#include "host/engine/robot_model.hpp"
#include "host/model/robot/pose.hpp"

namespace stampede::test {

struct Dynamics {
  std::vector<double> mass_matrix, bias;
};

inline Dynamics dynamics_of(const RobotModel& robot, const double* qpos, const double* qvel) {
  using V = Vec3<double>;
  const auto nv = static_cast<std::size_t>(robot.nv);
  Dynamics result;
  result.mass_matrix.assign(nv * nv, 0.0);
  result.bias.assign(nv, 0.0);

  struct Moving {
    Pose pose;
    V omega{0, 0, 0}, alpha{0, 0, 0}, acceleration{0, 0, 0};
    std::vector<V> turn, move;  // columns of the Jacobian at the world's origin: omega, and the velocity there
  };
  const auto add_link = [&](const Moving& frame, double mass, V centre, const Sym3<double>& about) {
    const V c = frame.pose * centre, r = c - frame.pose.origin;
    const V a = frame.acceleration + cross(frame.alpha, r) + cross(frame.omega, cross(frame.omega, r)) - robot.gravity;
    const Sym3<double> inertia = rotate(frame.pose.axes, about);
    const V torque = inertia * frame.alpha + cross(frame.omega, inertia * frame.omega);
    std::vector<V> linear(nv);
    for (std::size_t i = 0; i < nv; ++i) linear[i] = frame.move[i] + cross(frame.turn[i], c);
    for (std::size_t i = 0; i < nv; ++i) {
      result.bias[i] += mass * dot(linear[i], a) + dot(frame.turn[i], torque);
      for (std::size_t j = 0; j < nv; ++j) {
        result.mass_matrix[i * nv + j] +=
            mass * dot(linear[i], linear[j]) + dot(frame.turn[i], inertia * frame.turn[j]);
      }
    }
  };

  Moving base;
  base.turn.assign(nv, V{0, 0, 0});
  base.move = base.turn;
  if (robot.options.floating) {
    base.pose = pose_at(qpos, qpos + 3);
    base.omega = base.pose.axes * vector_at(qvel + 3);
    const V unit[3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (std::size_t i = 0; i < 3; ++i) {
      base.move[i] = unit[i];
      base.turn[3 + i] = base.pose.axes * unit[i];
      base.move[3 + i] = -cross(base.turn[3 + i], base.pose.origin);
    }
    add_link(base, robot.base.mass, robot.base.centre, robot.base.inertia);
  } else {
    base.pose = {robot.options.fixed_position, robot.options.fixed_orientation.matrix()};
  }
  for (int l = 0; l < robot.limbs; ++l) {
    Moving link = base;
    for (int i = 0; i < robot.size.joints; ++i) {
      const RobotJoint* info = nullptr;
      for (const RobotJoint& candidate : robot.joint_info) {
        if (candidate.limb == l && candidate.place == i) info = &candidate;
      }
      if (info == nullptr) break;
      const JointModel<double>& joint = robot.joint[static_cast<std::size_t>(l * robot.size.joints + i)];
      const double moved = qpos[info->position] - joint.reference, rate = qvel[info->velocity];
      const V before = link.pose.origin;
      link.pose = link.pose * Pose{joint.offset, joint.frame};
      const V z = link.pose.axes.z;
      const bool slide = joint.slide > 0.5;
      if (slide) link.pose.origin = link.pose.origin + z * moved;
      const V r = link.pose.origin - before;
      link.acceleration = link.acceleration + cross(link.alpha, r) + cross(link.omega, cross(link.omega, r));
      const auto v = static_cast<std::size_t>(info->velocity);
      if (slide) {
        link.acceleration = link.acceleration + cross(link.omega, z) * (2 * rate);
        link.move[v] = z;
      } else {
        const double c = std::cos(moved), s = std::sin(moved);
        link.pose.axes = link.pose.axes * Mat3<double>{{c, s, 0}, {-s, c, 0}, {0, 0, 1}};
        link.alpha = link.alpha + cross(link.omega, z) * rate;
        link.omega = link.omega + z * rate;
        link.turn[v] = z;
        link.move[v] = -cross(z, link.pose.origin);
      }
      add_link(link, joint.mass, joint.centre, joint.inertia);
      result.mass_matrix[v * nv + v] += joint.armature;
    }
  }
  return result;
}

}  // namespace stampede::test
