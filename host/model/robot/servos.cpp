#include "host/model/robot/servos.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/base/error.hpp"
#include "host/model/robot/description.hpp"
#include "host/model/robot/pose.hpp"

namespace stampede {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

struct Interval {
  double low = -kNoLimit, high = kNoLimit;

  Interval scaled(double factor) const {
    return {std::min(factor * low, factor * high), std::max(factor * low, factor * high)};
  }
  Interval within(const Interval& other) const {
    return {std::clamp(low, other.low, other.high), std::clamp(high, other.low, other.high)};
  }
  bool limited() const { return std::isfinite(low) || std::isfinite(high); }
};

Interval range_of(int limited, const double* ends, bool autolimits) {
  const bool is = limited == mjLIMITED_TRUE || (limited == mjLIMITED_AUTO && autolimits && ends[0] < ends[1]);
  return is ? Interval{ends[0], ends[1]} : Interval{};
}

bool acts_on_joint(const mjsActuator* a) { return a->trntype == mjTRN_JOINT || a->trntype == mjTRN_JOINTINPARENT; }

/// Whether the actuator's force is proportional to its control, without any other term.
bool is_motor(const mjsActuator* a) {
  const bool no_bias = a->biastype == mjBIAS_NONE ||
                       (a->biastype == mjBIAS_AFFINE && a->biasprm[0] == 0 && a->biasprm[1] == 0 && a->biasprm[2] == 0);
  return acts_on_joint(a) && a->dyntype == mjDYN_NONE && a->gaintype == mjGAIN_FIXED && no_bias && a->gainprm[0] != 0 &&
         a->gear[0] != 0;
}

bool is_position_servo(const mjsActuator* a) {
  return a->biastype == mjBIAS_AFFINE && a->gainprm[0] > 0 && a->biasprm[1] < 0 && a->gear[0] != 0;
}

/// The torques that an actuator can give its joint.
Interval torques_of(const mjsActuator* a, bool autolimits) {
  Interval force;
  if (is_motor(a)) force = range_of(a->ctrllimited, a->ctrlrange, autolimits).scaled(a->gainprm[0]);
  return force.within(range_of(a->forcelimited, a->forcerange, autolimits)).scaled(a->gear[0]);
}

void set_torques(mjsActuator* a, const Interval& torques) {
  constexpr double kFar = 1e30;
  a->forcelimited = torques.limited() ? mjLIMITED_TRUE : mjLIMITED_FALSE;
  a->forcerange[0] = torques.limited() ? std::max(torques.low, -kFar) : 0;
  a->forcerange[1] = torques.limited() ? std::min(torques.high, kFar) : 0;
}

/// Whether a joint limits the force of its actuator (actuatorfrcrange).
bool limits_torque(const mjsJoint* joint, bool autolimits) {
  return range_of(joint->actfrclimited, joint->actfrcrange, autolimits).limited();
}

/// Whether an endless hinge carries a wheel: nothing below, and shapes that are round about its axis.
bool is_wheel(const mjModel* m, int joint) {
  if (m->jnt_type[joint] != mjJNT_HINGE || m->jnt_limited[joint]) return false;
  const int body = m->jnt_bodyid[joint];
  for (int other = 1; other < m->nbody; ++other) {
    if (m->body_parentid[other] == body) return false;
  }
  if (m->body_jntadr[body] + m->body_jntnum[body] - 1 != joint) return false;
  const Vec3<double> axis = vector_at(m->jnt_axis + 3 * joint), anchor = vector_at(m->jnt_pos + 3 * joint);
  bool round = false;
  for (int i = 0; i < m->body_geomnum[body]; ++i) {
    const int g = m->body_geomadr[body] + i;
    if (m->geom_contype[g] == 0 && m->geom_conaffinity[g] == 0) continue;
    const Pose pose = pose_at(m->geom_pos + 3 * g, m->geom_quat + 4 * g);
    const double off_axis = length(cross(axis, pose.origin - anchor));
    const bool along = m->geom_type[g] == mjGEOM_SPHERE || length(cross(axis, pose.axes.z)) < 0.02;
    const bool turns =
        m->geom_type[g] == mjGEOM_SPHERE || m->geom_type[g] == mjGEOM_CYLINDER || m->geom_type[g] == mjGEOM_CAPSULE;
    if (!turns || !along || off_axis > 0.05 * m->geom_size[3 * g]) return false;
    round = true;
  }
  return round;
}

/// The effort of a joint or motor for which the file gives none: for a hinge, what holds the robot's weight at a lever
/// of 0.1 m [N m]; for a slide, the weight [N].
double effort_from_weight(const mjModel* m, bool hinge) {
  return std::max(m->body_subtreemass[0], 1e-3) * 9.81 * (hinge ? 0.1 : 1.0);
}

}  // namespace

void add_servos(mjSpec* spec, const mjModel* model, std::vector<std::string>& changes) {
  int servos = 0, wheels = 0;
  for (mjsElement* e : elements_of(spec, mjOBJ_JOINT)) {
    mjsJoint* joint = mjs_asJoint(e);
    if (joint->type != mjJNT_HINGE && joint->type != mjJNT_SLIDE) continue;
    const int id = mjs_getId(e);
    double effort = std::min(std::abs(joint->actfrcrange[0]), std::abs(joint->actfrcrange[1]));
    if (!(effort > 0)) {
      effort = effort_from_weight(model, joint->type == mjJNT_HINGE);
      changes.push_back(fmt::format("{} has no effort: {:.3g} is taken, from the robot's weight", label_of(e), effort));
    }
    mjsActuator* servo = mjs_addActuator(spec, nullptr);
    double damping = effort / 40;
    if (is_wheel(model, id)) {
      mjs_setToVelocity(servo, damping);
      changes.push_back(fmt::format("{} is a wheel: a velocity servo drives it, kv = {:.3g}", label_of(e), damping));
      ++wheels;
    } else {
      mjs_setToPosition(servo, effort, &damping, nullptr, nullptr, 0);
      if (joint->type == mjJNT_HINGE && !model->jnt_limited[id]) {
        changes.push_back(
            fmt::format("{} turns without end and is held by a position servo; a wheel would have <velocity>, and a "
                        "sphere or cylinder about its axis",
                        label_of(e)));
      }
      ++servos;
    }
    servo->trntype = mjTRN_JOINT;
    std::string name = mjs_getString(mjs_getName(e));
    if (name.empty()) {
      name = fmt::format("joint_{}", servos + wheels - 1);
      mjs_setName(e, name.c_str());
    }
    mjs_setString(servo->target, name.c_str());
    mjs_setName(servo->element, name.c_str());
    set_torques(servo, {-effort, effort});
  }
  if (servos > 0) {
    changes.push_back(fmt::format("position servos drive the joints: {} (kp = effort per rad, kd = kp / 40)", servos));
  }
}

void turn_motors_into_servos(mjSpec* spec, const mjModel* model, std::vector<std::string>& changes) {
  int motors = 0;
  std::vector<std::pair<int, int>> held;  // index of the control, and index into qpos
  for (mjsElement* e : elements_of(spec, mjOBJ_ACTUATOR)) {
    mjsActuator* actuator = mjs_asActuator(e);
    if (!is_motor(actuator)) continue;
    const int a = mjs_getId(e), joint = model->actuator_trnid[2 * a];
    Interval torques = torques_of(actuator, spec->compiler.autolimits != 0);
    if (model->jnt_actfrclimited[joint]) {
      torques = torques.within({model->jnt_actfrcrange[2 * joint], model->jnt_actfrcrange[2 * joint + 1]});
    }
    double effort = std::min(std::abs(torques.low), std::abs(torques.high));
    if (!(effort > 0) || !std::isfinite(effort)) {
      effort = effort_from_weight(model, model->jnt_type[joint] == mjJNT_HINGE);
      torques = {-effort, effort};
      changes.push_back(fmt::format("{} has no range: {:.3g} is taken, from the robot's weight", label_of(e), effort));
    }
    double damping = effort / 40;
    mjs_setToPosition(actuator, effort, &damping, nullptr, nullptr, 0);
    actuator->gear[0] = 1;
    actuator->ctrllimited = mjLIMITED_FALSE;
    actuator->ctrlrange[0] = actuator->ctrlrange[1] = 0;
    set_torques(actuator, torques);
    held.emplace_back(model->actuator_ctrladr[a], model->jnt_qposadr[joint]);
    ++motors;
  }
  if (motors == 0) return;
  changes.push_back(fmt::format(
      "torque motors are position servos: {} (kp = range per rad, kd = kp / 40, clipped at the range)", motors));
  int k = 0;
  for (mjsElement* e : elements_of(spec, mjOBJ_KEY)) {
    std::vector<double> ctrl(model->key_ctrl + model->nu * k, model->key_ctrl + model->nu * (k + 1));
    for (const auto& [u, q] : held) {
      ctrl[static_cast<std::size_t>(u)] = model->key_qpos[model->nq * k + q];
    }
    mjs_setDouble(mjs_asKey(e)->ctrl, ctrl.data(), static_cast<int>(ctrl.size()));
    ++k;
  }
}

void set_servos(mjSpec* spec, const ServoGains& gains, const std::filesystem::path& file,
                std::vector<std::string>& notes) {
  const auto fail = [&](const std::string& what) { throw Error(fmt::format("{}: {}", file.string(), what)); };
  std::vector<mjsElement*> actuators;
  std::vector<std::string> joints;
  for (mjsElement* e : elements_of(spec, mjOBJ_ACTUATOR)) {
    if (!acts_on_joint(mjs_asActuator(e))) continue;  // refused when it is read
    actuators.push_back(e);
    joints.emplace_back(mjs_getString(mjs_asActuator(e)->target));
  }
  std::vector<float> stiffness, damping, limit;
  try {
    stiffness = gains.stiffness.of(joints, "control.stiffness");
    damping = gains.damping.of(joints, "control.damping");
    limit = gains.torque_limit.of(joints, "control.torque_limit");
  } catch (const Error& error) {
    fail(error.what());
  }
  const bool autolimits = spec->compiler.autolimits != 0;
  int motors = 0;
  for (std::size_t i = 0; i < actuators.size(); ++i) {
    mjsActuator* actuator = mjs_asActuator(actuators[i]);
    if (!(stiffness[i] > 0)) continue;
    const bool motor = is_motor(actuator);
    if (!motor && !is_position_servo(actuator)) {
      fail(label_of(actuators[i]) +
           " is neither a position servo nor a torque motor; <position joint=\"...\"/> or <motor joint=\"...\"/> would "
           "be right");
    }
    Interval torques = torques_of(actuator, autolimits);
    if (limit[i] > 0) torques = {-static_cast<double>(limit[i]), static_cast<double>(limit[i])};
    // A motor's ctrlrange limits torques and is dropped, as its control is a position now. A servo's is divided by the
    // gear, which becomes 1.
    const Interval targets = motor ? Interval{} : range_of(actuator->ctrllimited, actuator->ctrlrange, autolimits);
    if (motor || actuator->gear[0] != 1) {
      const Interval joint_targets = targets.scaled(1 / actuator->gear[0]);
      actuator->ctrllimited = targets.limited() ? mjLIMITED_TRUE : mjLIMITED_FALSE;
      actuator->ctrlrange[0] = targets.limited() ? joint_targets.low : 0;
      actuator->ctrlrange[1] = targets.limited() ? joint_targets.high : 0;
    }
    actuator->gear[0] = 1;
    actuator->gaintype = mjGAIN_FIXED;
    actuator->biastype = mjBIAS_AFFINE;
    actuator->gainprm[0] = static_cast<double>(stiffness[i]);
    actuator->biasprm[0] = 0;
    actuator->biasprm[1] = -static_cast<double>(stiffness[i]);
    actuator->biasprm[2] = -static_cast<double>(damping[i]);
    set_torques(actuator, torques);
    motors += motor ? 1 : 0;
    mjsElement* joint = mjs_findElement(spec, mjOBJ_JOINT, joints[i].c_str());
    if (motor && !torques.limited() && (joint == nullptr || !limits_torque(mjs_asJoint(joint), autolimits))) {
      notes.push_back(
          fmt::format("{} has no ctrlrange or forcerange: its servo's torque has no limit", label_of(actuators[i])));
    }
  }
  if (motors > 0) notes.push_back(fmt::format("torque motors are driven as position servos: {}", motors));
}

}  // namespace stampede
