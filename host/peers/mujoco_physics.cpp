#include "host/peers/mujoco_physics.hpp"

#include <mujoco/mujoco.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "host/model/robot/limbs.hpp"
#include "host/peers/mujoco_peer.hpp"

namespace stampede {
namespace {

constexpr double kTolerance = 1e-10;  ///< of the solver; MuJoCo's default is 1e-8

std::size_t at(int i) { return static_cast<std::size_t>(i); }

class MujocoPhysics final : public ExternalPhysics {
 public:
  MujocoPhysics(const PlannedTask& task, int threads)
      : robot_(task.robot),
        model_(comparable_model(robot_->model.get())),
        limbs_(find_limbs(model_.get(), task.settings.legged->control.robot)) {
    // Whatever the file says of the solver, it is run to a tight tolerance, as ours is.
    solve_tightly(model_.get(), kTolerance);
    const mjModel* m = model_.get();
    for (int g = 0; g < m->ngeom; ++g) {
      const char* name = mj_id2name(m, mjOBJ_GEOM, g);
      const Part& part = limbs_.part[at(m->geom_bodyid[g])];
      const std::vector<std::string>& feet = task.settings.legged->control.feet;
      const bool last = part.limb >= 0 && part.link == static_cast<int>(limbs_.chain[at(part.limb)].size());
      foot_.push_back(feet.empty() ? last : name != nullptr && std::find(feet.begin(), feet.end(), name) != feet.end());
    }
    for (int i = 0; i < threads; ++i) {
      workers_.push_back({ModelHandle(mj_copyModel(nullptr, m)), DataHandle(mj_makeData(m)),
                          std::vector<double>(at(static_cast<int>(m->nv)), 0.0)});
    }
  }

  void step(int thread, const ExternalStep& in, ExternalState& state, ExternalRecord& record) override {
    Worker& worker = workers_.at(at(thread));
    mjModel* m = worker.model.get();
    mjData* d = worker.data.get();
    vary(in.variation, m);
    mj_resetData(m, d);
    std::copy(state.qpos.begin(), state.qpos.end(), d->qpos);
    std::copy(state.qvel.begin(), state.qvel.end(), d->qvel);
    std::copy(state.qacc.begin(), state.qacc.end(), d->qacc_warmstart);
    std::fill(record.torque.begin(), record.torque.end(), 0.0);
    std::fill(record.force.begin(), record.force.end(), 0.0);
    std::fill(record.work.begin(), record.work.end(), 0.0);
    for (int i = 0; i < in.steps; ++i) {
      const std::vector<double>& ctrl = i + 0.5 < in.delay_steps ? in.last_ctrl : in.ctrl;
      std::copy(ctrl.begin(), ctrl.end(), d->ctrl);
      std::copy(d->qvel, d->qvel + m->nv,
                worker.velocity.begin());  // torques act at the velocities of the step's start
      mj_step(m, d);
      if (is_bad(m, d)) {
        std::fill(state.qpos.begin(), state.qpos.end(), std::numeric_limits<double>::quiet_NaN());
        return;
      }
      take(m, d, worker.velocity, record);
    }
    std::copy(d->qpos, d->qpos + m->nq, state.qpos.begin());
    std::copy(d->qvel, d->qvel + m->nv, state.qvel.begin());
    std::copy(d->qacc_warmstart, d->qacc_warmstart + m->nv, state.qacc.begin());
  }

 private:
  struct Worker {
    ModelHandle model;
    DataHandle data;
    std::vector<double> velocity;  ///< before a step
  };

  /// Whether a step found or left a number that is NaN, or larger than MuJoCo accepts.
  static bool is_bad(const mjModel* m, const mjData* d) {
    for (const mjtWarning warning : {mjWARN_BADQPOS, mjWARN_BADQVEL, mjWARN_BADQACC, mjWARN_BADCTRL}) {
      if (d->warning[warning].number > 0) return true;
    }
    const auto bad = [](const mjtNum* numbers, mjtSize count) {
      return std::any_of(numbers, numbers + count, [](mjtNum x) { return mju_isBad(x) != 0; });
    };
    return bad(d->qpos, m->nq) || bad(d->qvel, m->nv);
  }

  /// Writes an environment's variation into a thread's model.
  void vary(const Variation& v, mjModel* m) const {
    const mjModel* whole = model_.get();
    m->opt.gravity[0] = v.gravity.x, m->opt.gravity[1] = v.gravity.y, m->opt.gravity[2] = v.gravity.z;
    for (int g = 0; g < m->ngeom; ++g) m->geom_friction[3 * g] = whole->geom_friction[3 * g] * v.friction;
    const auto factor = [](const std::vector<double>& factors, std::size_t i) {
      return factors.empty() ? 1.0 : factors[i];
    };
    for (int body = 1; body < m->nbody; ++body) {
      const Part& part = limbs_.part[at(body)];
      if (part.world) continue;
      const double mass = part.limb < 0 ? v.base_mass : factor(v.mass, ordinal(part));
      m->body_mass[body] = whole->body_mass[body] * mass;
      for (int k = 0; k < 3; ++k) m->body_inertia[3 * body + k] = whole->body_inertia[3 * body + k] * mass;
      if (body != limbs_.base) continue;
      const double moved[3] = {v.base_centre.x, v.base_centre.y, v.base_centre.z};
      for (int k = 0; k < 3; ++k) m->body_ipos[3 * body + k] = whole->body_ipos[3 * body + k] + moved[k];
    }
    for (std::size_t i = 0; i < robot_->robot.joint_info.size(); ++i) {
      const RobotJoint& joint = robot_->robot.joint_info[i];
      m->dof_armature[joint.velocity] = whole->dof_armature[joint.velocity] * factor(v.armature, i);
      m->dof_frictionloss[joint.velocity] = whole->dof_frictionloss[joint.velocity] * factor(v.friction_loss, i);
      const int a = joint.actuator;
      if (a < 0) continue;
      const double strength = factor(v.strength, i), servo = strength * factor(v.servo, i);
      m->actuator_gainprm[mjNGAIN * a] = whole->actuator_gainprm[mjNGAIN * a] * servo;
      m->actuator_biasprm[mjNBIAS * a + 1] = whole->actuator_biasprm[mjNBIAS * a + 1] * servo;
      m->actuator_biasprm[mjNBIAS * a + 2] =
          whole->actuator_biasprm[mjNBIAS * a + 2] * strength * factor(v.velocity_gain, i);
      const int driven = whole->actuator_trnid[2 * a];
      for (int k = 0; k < 2; ++k) {
        m->actuator_forcerange[2 * a + k] = whole->actuator_forcerange[2 * a + k] * strength;
        m->jnt_actfrcrange[2 * driven + k] = whole->jnt_actfrcrange[2 * driven + k] * strength;
      }
    }
  }

  /// Index in joint_info of the joint that moves a link.
  std::size_t ordinal(const Part& part) const {
    const std::vector<RobotJoint>& joints = robot_->robot.joint_info;
    const auto found = std::find_if(joints.begin(), joints.end(), [&](const RobotJoint& joint) {
      return joint.limb == part.limb && joint.place == part.link - 1;
    });
    return static_cast<std::size_t>(found - joints.begin());
  }

  /// Takes a step's torques, the work that they do and contact forces into the record.
  void take(const mjModel* m, const mjData* d, const std::vector<double>& velocity, ExternalRecord& record) const {
    for (std::size_t i = 0; i < robot_->robot.joint_info.size(); ++i) {
      const RobotJoint& joint = robot_->robot.joint_info[i];
      const int a = joint.actuator;
      if (a < 0) continue;
      const double torque =
          d->qfrc_actuator[joint.velocity];  // of the joint: with the gear, clipped at the joint's range
      record.torque[i] = std::max(record.torque[i], std::fabs(torque));
      record.work[at(joint.limb)] += std::fabs(torque * velocity[at(joint.velocity)]) * m->opt.timestep;
    }
    const int slots = ExternalRecord::kSlots;
    std::vector<Vec3<double>> sum(record.force.size(), Vec3<double>{0, 0, 0});
    std::fill(record.touches.begin(), record.touches.end(), 0.0);
    for (int c = 0; c < d->ncon; ++c) {
      const mjContact& contact = d->contact[c];
      if (contact.efc_address < 0) continue;
      mjtNum f[6];
      mj_contactForce(m, d, c, f);
      const double* frame = contact.frame;
      Vec3<double> force{0, 0, 0};
      force.x = frame[0] * f[0] + frame[3] * f[1] + frame[6] * f[2];
      force.y = frame[1] * f[0] + frame[4] * f[1] + frame[7] * f[2];
      force.z = frame[2] * f[0] + frame[5] * f[1] + frame[8] * f[2];
      for (const int g : {contact.geom[0], contact.geom[1]}) {
        const Part& part = limbs_.part[at(m->geom_bodyid[g])];
        if (part.world) continue;
        const int limb = std::max(0, part.limb);
        const bool foot = foot_[at(g)];
        const std::size_t slot = at(limb * slots + (foot ? slots - 1 : part.link));
        sum[slot] = sum[slot] + force;
        if (foot) record.touches[at(limb)] = 1;
      }
    }
    for (std::size_t i = 0; i < sum.size(); ++i)
      record.force[i] = std::max(record.force[i], std::sqrt(dot(sum[i], sum[i])));
  }

  std::shared_ptr<const CompiledRobot> robot_;
  ModelHandle model_;
  Limbs limbs_;
  std::vector<bool> foot_;
  std::vector<Worker> workers_;
};

}  // namespace

std::unique_ptr<ExternalPhysics> make_mujoco_physics(const PlannedTask& task, int threads) {
  return std::make_unique<MujocoPhysics>(task, threads);
}

}  // namespace stampede
