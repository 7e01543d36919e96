/// \file Actuators: force = gear clamp(gain clamp(u) + b0 + b1 gear q + b2 gear v), as coefficients of u, q and v.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/base/error.hpp"
#include "host/model/robot/constants.hpp"

namespace stampede {
namespace {

/// Throws where the actuator is of a kind that is not simulated.
void check_actuator(const ModelSource& source, int a) {
  const mjModel* m = source.model;
  const auto refuse = [&](const std::string& what, const char* right) {
    throw Error(fmt::format("{}: {} {}; {}", source.file, name_of(m, mjOBJ_ACTUATOR, a), what, right));
  };
  const int transmission = m->actuator_trntype[a];
  if (transmission != mjTRN_JOINT && transmission != mjTRN_JOINTINPARENT) {
    refuse("does not act on a joint but on a tendon, site or body", "joint=\"...\" would be right");
  }
  const int joint = m->actuator_trnid[2 * a];
  if (m->jnt_type[joint] != mjJNT_HINGE && m->jnt_type[joint] != mjJNT_SLIDE) {
    refuse(fmt::format("drives {}, which is no hinge or slide joint", name_of(m, mjOBJ_JOINT, joint)),
           "a hinge or slide joint would be right");
  }
  if (m->actuator_plugin[a] >= 0) refuse("is a plugin", "a motor, position or velocity actuator would be right");
  if (m->actuator_dyntype[a] != mjDYN_NONE || m->actuator_actnum[a] > 0) {
    refuse("has an activation with dynamics of its own", "dyntype=\"none\" would be right");
  }
  if (m->actuator_gaintype[a] != mjGAIN_FIXED || m->actuator_ctrlnum[a] != 1) {
    refuse("has a gain that is not fixed", "gaintype=\"fixed\" would be right");
  }
  if (m->actuator_biastype[a] != mjBIAS_NONE && m->actuator_biastype[a] != mjBIAS_AFFINE) {
    refuse("has a bias that is neither none nor affine", "biastype=\"affine\" would be right");
  }
  if (m->actuator_delay[a] != 0) refuse("acts with a delay", "delay=\"0\" would be right");
}

}  // namespace

void read_actuators(const ModelSource& source, RobotModel& robot) {
  const mjModel* m = source.model;
  const auto off = [&](int flag) { return (m->opt.disableflags & flag) != 0; };
  std::vector<int> driver(static_cast<std::size_t>(m->njnt), -1);
  for (int a = 0; a < m->nactuator; ++a) {
    check_actuator(source, a);
    const int j = m->actuator_trnid[2 * a];
    int& other = driver[static_cast<std::size_t>(j)];
    if (other >= 0) {
      throw Error(fmt::format("{}: {} drives {}, which {} drives already; a joint has one actuator", source.file,
                              name_of(m, mjOBJ_ACTUATOR, a), name_of(m, mjOBJ_JOINT, j),
                              name_of(m, mjOBJ_ACTUATOR, other)));
    }
    other = a;
    const auto info = std::find_if(robot.joint_info.begin(), robot.joint_info.end(),
                                   [&](const RobotJoint& candidate) { return candidate.velocity == m->jnt_dofadr[j]; });
    info->actuator = m->actuator_ctrladr[a];
    const int group = m->actuator_group[a];
    const bool asleep =
        off(mjDSBL_ACTUATION) || (group >= 0 && group < 31 && ((m->opt.disableactuator >> group) & 1) != 0);
    if (asleep) {
      source.notes.push_back(
          fmt::format("{} is switched off by the file, and so it is here", name_of(m, mjOBJ_ACTUATOR, a)));
      continue;
    }
    JointModel<double>& joint = robot.joint[static_cast<std::size_t>(info->limb * robot.size.joints + info->place)];
    const double gear = m->actuator_gear[6 * m->actuator_outadr[a]];
    const double gain = gear * m->actuator_gainprm[mjNGAIN * a];
    double stiffness = 0;
    if (m->actuator_biastype[a] == mjBIAS_AFFINE) {
      const double* bias = m->actuator_biasprm + mjNBIAS * a;
      joint.bias = gear * bias[0];
      stiffness = gear * gear * bias[1];
      joint.velocity_gain = gear * gear * bias[2];
    }
    // The gain that u and -q have in common becomes servo (u - q), a difference of positions (model.hpp).
    joint.servo = gain > 0 && stiffness < 0 ? std::min(gain, -stiffness) : 0;
    joint.gain = gain - joint.servo;
    joint.stiffness = stiffness + joint.servo;
    const int u = m->actuator_ctrladr[a];
    if (m->actuator_ctrllimited[u] && !off(mjDSBL_CLAMPCTRL)) {
      joint.control_low = m->actuator_ctrlrange[2 * u];
      joint.control_high = m->actuator_ctrlrange[2 * u + 1];
    }
    if (m->actuator_forcelimited[a]) {
      const double* range = m->actuator_forcerange + 2 * a;
      joint.force_low = std::min(gear * range[0], gear * range[1]);
      joint.force_high = std::max(gear * range[0], gear * range[1]);
    }
    if (m->jnt_actfrclimited[j]) {
      // To clamp to one range and then to a second is to clamp once: to the first one's ends, clamped to the second.
      const double low = m->jnt_actfrcrange[2 * j], high = m->jnt_actfrcrange[2 * j + 1];
      joint.force_low = std::clamp(joint.force_low, low, high);
      joint.force_high = std::clamp(joint.force_high, low, high);
    }
  }
}

}  // namespace stampede
