/// \file Formulas: MuJoCo's documentation, chapter Computation, and docs/physics.md.
#include "host/model/robot/constants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/base/error.hpp"
#include "host/model/robot/candidates.hpp"

namespace stampede {
namespace {

constexpr double kUnlimited = 1e30;

bool disabled(const mjModel* m, int flag) { return (m->opt.disableflags & flag) != 0; }

/// solref as MuJoCo uses it: its default where the two numbers differ in sign. `direct`: they are -stiffness and
/// -damping; else time constant [s] and damping ratio.
struct Reference {
  double first, second;
  bool direct;
};
Reference reference_of(const double* solref) {
  if ((solref[0] > 0) != (solref[1] > 0)) return {0.02, 1.0, false};
  return {solref[0], solref[1], solref[0] <= 0};
}

double clamped_impedance(double d) { return std::clamp(d, double(mjMINIMP), double(mjMAXIMP)); }

/// Stiffness and damping, without the clamp of the time constant to the time step (refsafe).
void stiffness_of(const Reference& reference, double width_impedance, double& stiffness, double& damping) {
  const double d = width_impedance;
  if (reference.direct) {
    stiffness = -reference.first / (d * d);
    damping = -reference.second / d;
  } else {
    stiffness = 1 / std::max(mjMINVAL, d * d * reference.first * reference.first * reference.second * reference.second);
    damping = 2 / std::max(mjMINVAL, d * reference.first);
  }
}

/// The joint of a chain, as model.hpp describes it. `before` is the frame of the link before it, `frame` that of its
/// own.
JointModel<double> read_joint(const ModelSource& source, Part part, int j, const Pose& before, const Pose& frame) {
  const mjModel* m = source.model;
  const int v = m->jnt_dofadr[j];
  JointModel<double> joint = absent_joint();
  const Pose relative = seen_from(before, frame);
  joint.offset = relative.origin;
  joint.frame = relative.axes;
  joint.reference = m->qpos0[m->jnt_qposadr[j]];
  joint.slide = m->jnt_type[j] == mjJNT_SLIDE ? 1 : 0;
  const BaseModel<double> link = fused_body(source, part, frame);
  joint.mass = link.mass;
  joint.centre = link.centre;
  joint.inertia = link.inertia;
  joint.armature = m->dof_armature[v];
  joint.damping = disabled(m, mjDSBL_DAMPER) ? 0 : m->dof_damping[v];
  joint.spring = disabled(m, mjDSBL_SPRING) ? 0 : m->jnt_stiffness[j];
  joint.spring_rest = m->qpos_spring[m->jnt_qposadr[j]];
  const bool unconstrained = disabled(m, mjDSBL_CONSTRAINT), refsafe = !disabled(m, mjDSBL_REFSAFE);
  if (m->dof_frictionloss[v] > 0 && !unconstrained && !disabled(m, mjDSBL_FRICTIONLOSS)) {
    const double* solimp = m->dof_solimp + mjNIMP * v;
    const double impedance = impedance_at_rest(solimp);
    joint.friction_loss = m->dof_frictionloss[v];
    joint.friction_stiffness = 1 / std::max(mjMINVAL, (1 - impedance) / impedance * m->dof_invweight0[v]);
    joint.friction_damping = softness_of(m->dof_solref + mjNREF * v, solimp, m->opt.timestep, refsafe).damping;
  }
  if (m->jnt_limited[j] && !unconstrained && !disabled(m, mjDSBL_LIMIT)) {
    joint.low = m->jnt_range[2 * j];
    joint.high = m->jnt_range[2 * j + 1];
    joint.limit_margin = m->jnt_margin[j];
  }
  joint.limit_weight = m->dof_invweight0[v];
  joint.limit = softness_of(m->jnt_solref + mjNREF * j, m->jnt_solimp + mjNIMP * j, m->opt.timestep, refsafe);
  return joint;
}

void read_options(const ModelSource& source, RobotModel& robot) {
  const mjModel* m = source.model;
  PhysicsOptions<double>& options = robot.options;
  options.timestep = m->opt.timestep;
  options.impratio = m->opt.impratio;
  // Newton stops where g' H^-1 g / 2 is below a tenth of MuJoCo's default of 1e-8, in units of its cost: at 1e-8 a warm
  // start would at times be accepted without an iteration, with errors of 1e-4; the tenth costs 0.3 to 3.3 % more
  // iterations. A file's own tolerance bounds another quantity (the gradient, and the cost's decrease), so it says
  // nothing about this one.
  options.tolerance = 2 * 1e-9 * m->stat.meaninertia * std::max(1, robot.nv);
  options.line_search_tolerance = 0.1;
  options.max_iterations = 20;
  options.max_line_search = 12;
  options.floating = source.limbs.floating;
  bool damped = false, velocity_gains = false;
  options.limits_square = true;
  for (const JointModel<double>& joint : robot.joint) {
    options.slides |= joint.slide > 0.5;
    options.springs |= joint.spring != 0;
    damped |= joint.damping != 0;
    velocity_gains |= joint.velocity_gain != 0;
    if (joint.low > -kUnlimited || joint.high < kUnlimited) {
      options.limits = true;
      options.limits_square &= joint.limit.power == 2;
    }
  }
  const bool fast = m->opt.integrator == mjINT_IMPLICITFAST;
  options.implicit_damping = damped && (fast || !disabled(m, mjDSBL_EULERDAMP));
  options.implicit_actuators = fast && velocity_gains;
  options.pyramidal = m->opt.cone == mjCONE_PYRAMIDAL;
  options.fixed_position = {0, 0, 0};
  options.fixed_orientation = {1, 0, 0, 0};
  if (!options.floating) {
    // From the base up to the world; bodies below the world may be nested.
    Vec3<double> position{0, 0, 0};
    Quat<double> orientation{1, 0, 0, 0};
    for (int body = source.limbs.base; body != 0; body = m->body_parentid[body]) {
      const Quat<double> turn = quaternion_at(m->body_quat + 4 * body);
      position = vector_at(m->body_pos + 3 * body) + turn.matrix() * position;
      orientation = turn * orientation;
    }
    options.fixed_position = position;
    options.fixed_orientation = orientation;
  }
  robot.gravity = disabled(m, mjDSBL_GRAVITY) ? Vec3<double>{0, 0, 0} : vector_at(m->opt.gravity);
}

/// The home pose and its controls: the keyframe's, unless all of these are 0; else controls without force: a servo's
/// target is where its joint is, a motor's control is 0.
void read_home(const ModelSource& source, RobotModel& robot) {
  const mjModel* m = source.model;
  const double* qpos = m->nkey > 0 ? m->key_qpos : m->qpos0;
  robot.home_qpos.assign(qpos, qpos + m->nq);
  if (robot.options.floating) mju_normalize4(&robot.home_qpos[3]);
  robot.home_ctrl.assign(static_cast<std::size_t>(m->nu), 0.0);
  bool given = false;
  for (int i = 0; m->nkey > 0 && i < m->nu; ++i) given |= m->key_ctrl[i] != 0;
  for (const RobotJoint& info : robot.joint_info) {
    if (info.actuator < 0) continue;
    const JointModel<double>& joint = robot.joint[static_cast<std::size_t>(info.limb * robot.size.joints + info.place)];
    double& ctrl = robot.home_ctrl[static_cast<std::size_t>(info.actuator)];
    const double q = robot.home_qpos[static_cast<std::size_t>(info.position)];
    const double slope = joint.servo + joint.gain;
    if (given) {
      ctrl = m->key_ctrl[info.actuator];
    } else if (joint.servo > 0 && slope != 0) {
      ctrl = ((joint.servo - joint.stiffness) * q - joint.bias) / slope;
    }
    ctrl = std::clamp(ctrl, joint.control_low, joint.control_high);
  }
}

}  // namespace

Pose link_frame(const ModelSource& source, int joint) {
  const mjModel* m = source.model;
  const Pose& body = source.limbs.pose[static_cast<std::size_t>(m->jnt_bodyid[joint])];
  Vec3<double> axis = vector_at(m->jnt_axis + 3 * joint);
  axis = axis * (1 / length(axis));
  return body * Pose{vector_at(m->jnt_pos + 3 * joint), axes_about(axis)};
}

Pose pose_on_link(const ModelSource& source, int geom) {
  const mjModel* m = source.model;
  const auto body = static_cast<std::size_t>(m->geom_bodyid[geom]);
  const Part& part = source.limbs.part[body];
  Pose link;
  if (part.link > 0) {
    const auto& chain = source.limbs.chain[static_cast<std::size_t>(part.limb)];
    link = link_frame(source, chain[static_cast<std::size_t>(part.link) - 1]);
  }
  return seen_from(link, source.limbs.pose[body] * pose_at(m->geom_pos + 3 * geom, m->geom_quat + 4 * geom));
}

BaseModel<double> fused_body(const ModelSource& source, Part part, const Pose& frame) {
  const mjModel* m = source.model;
  // Bodies, as poses of their principal axes in `frame`.
  std::vector<std::pair<int, Pose>> bodies;
  BaseModel<double> sum{};
  for (int body = 1; body < m->nbody; ++body) {
    const auto b = static_cast<std::size_t>(body);
    const Part& other = source.limbs.part[b];
    if (other.world || other.limb != part.limb || other.link != part.link || m->body_mass[body] == 0) continue;
    const Pose principal = source.limbs.pose[b] * pose_at(m->body_ipos + 3 * body, m->body_iquat + 4 * body);
    bodies.emplace_back(body, seen_from(frame, principal));
    sum.mass += m->body_mass[body];
    sum.centre = sum.centre + bodies.back().second.origin * m->body_mass[body];
  }
  if (sum.mass != 0) sum.centre = sum.centre * (1 / sum.mass);
  for (const auto& [body, pose] : bodies) {
    const double* moment = m->body_inertia + 3 * body;
    const Sym3<double> turned = rotate(pose.axes, Sym3<double>{moment[0], 0, 0, moment[1], 0, moment[2]});
    sum.inertia = sum.inertia + rigid_inertia(m->body_mass[body], pose.origin - sum.centre, turned).rotational;
  }
  return sum;
}

Softness<double> softness_of(const double* solref, const double* solimp, double timestep, bool refsafe) {
  const double d0 = clamped_impedance(solimp[0]), d1 = clamped_impedance(solimp[1]);
  const double width = std::max(0.0, solimp[2]);
  Reference reference = reference_of(solref);
  if (!reference.direct && refsafe) reference.first = std::max(reference.first, 2 * timestep);
  Softness<double> s;
  stiffness_of(reference, d1, s.stiffness, s.damping);
  if (d0 == d1 || width <= mjMINVAL) {
    s.slack = 1 - (d0 + d1) / 2;
    s.rise = 0;
    s.inverse_width = 0;
  } else {
    s.slack = 1 - d1;
    s.rise = d1 - d0;
    s.inverse_width = 1 / width;
  }
  s.midpoint = clamped_impedance(solimp[3]);
  s.power = std::max(1.0, solimp[4]);
  return s;
}

double impedance_at_rest(const double* solimp) {
  const double d0 = clamped_impedance(solimp[0]), d1 = clamped_impedance(solimp[1]);
  return solimp[2] <= mjMINVAL ? (d0 + d1) / 2 : d0;
}

double longest_stable_step(const double* solref, const double* solimp) {
  double stiffness, damping;
  stiffness_of(reference_of(solref), clamped_impedance(solimp[1]), stiffness, damping);
  const double rate = damping + std::sqrt(std::max(0.0, damping * damping + 4 * stiffness));
  return rate > 0 ? 4 / rate : std::numeric_limits<double>::infinity();
}

void read_constants(const ModelSource& source, RobotModel& robot) {
  const mjModel* m = source.model;
  const Limbs& limbs = source.limbs;
  robot.nq = static_cast<int>(m->nq);
  robot.nv = static_cast<int>(m->nv);
  robot.nu = static_cast<int>(m->nu);
  robot.limbs = static_cast<int>(limbs.chain.size());
  robot.joints = 0;
  for (const auto& chain : limbs.chain) robot.joints = std::max(robot.joints, static_cast<int>(chain.size()));
  try {
    robot.size = fitting_size(robot.limbs, robot.joints);
  } catch (const Error& error) {
    throw Error(source.file + ": " + error.what());
  }
  if (limbs.floating || limbs.base != 0) robot.base = fused_body(source, Part{-1, 0, false}, Pose{});
  robot.total_mass = robot.base.mass;
  robot.joint.assign(static_cast<std::size_t>(robot.size.limbs * robot.size.joints), absent_joint());
  robot.joint_info.clear();
  for (int l = 0; l < robot.limbs; ++l) {
    const std::vector<int>& chain = limbs.chain[static_cast<std::size_t>(l)];
    Pose before;
    for (std::size_t i = 0; i < chain.size(); ++i) {
      const Pose frame = link_frame(source, chain[i]);
      // Of several joints on one body the last one's link has its mass: part.link counts them all.
      const JointModel<double> joint =
          read_joint(source, Part{l, static_cast<int>(i) + 1, false}, chain[i], before, frame);
      robot.joint[static_cast<std::size_t>(l * robot.size.joints) + i] = joint;
      robot.total_mass += joint.mass;
      RobotJoint info;
      info.name = plain_name(m, mjOBJ_JOINT, chain[i]);
      info.limb = l;
      info.place = static_cast<int>(i);
      info.position = m->jnt_qposadr[chain[i]];
      info.velocity = m->jnt_dofadr[chain[i]];
      robot.joint_info.push_back(info);
      before = frame;
    }
  }
  std::sort(robot.joint_info.begin(), robot.joint_info.end(),
            [](const RobotJoint& a, const RobotJoint& b) { return a.velocity < b.velocity; });
  read_actuators(source, robot);
  read_options(source, robot);
  read_home(source, robot);
}

}  // namespace stampede
