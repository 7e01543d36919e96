#pragma once
/// \file Robots whose steps another engine takes. Their numbers stay in the same rows as our engine's, so that tasks
/// need not know of it. On a CPU only.

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/base/error.hpp"
#include "host/engine/robot_model.hpp"
#include "host/simulate/robots.hpp"

namespace stampede {

template <class Backend, class Shape>
class ExternalRobots final : public Robots<Backend, float> {
 public:
  using Context = typename Backend::Context;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  using State = PhysicsState<float, J>;

  /// `robots` holds the rows; `external` outlives both.
  ExternalRobots(std::unique_ptr<Robots<Backend, float>> robots, const RobotModel& robot, ExternalPhysics& external,
                 int threads)
      : robots_(std::move(robots)), robot_(robot), external_(external) {
    const auto joints = robot_.joint_info.size();
    for (int i = 0; i < threads; ++i) {
      Place place;
      place.step.ctrl = place.step.last_ctrl = robot_.home_ctrl;
      Variation& v = place.step.variation;
      for (std::vector<double>* factors :
           {&v.mass, &v.strength, &v.servo, &v.velocity_gain, &v.armature, &v.friction_loss}) {
        factors->assign(joints, 1.0);
      }
      place.state.qpos.resize(static_cast<std::size_t>(robot_.nq));
      place.state.qvel.resize(static_cast<std::size_t>(robot_.nv));
      place.state.qacc.resize(static_cast<std::size_t>(robot_.nv));
      place.record.torque.resize(joints);
      place.record.force.resize(static_cast<std::size_t>(robot_.limbs * ExternalRecord::kSlots));
      place.record.touches.resize(static_cast<std::size_t>(robot_.limbs));
      place.record.work.resize(static_cast<std::size_t>(robot_.limbs));
      places_.push_back(std::move(place));
    }
  }

  void prepare() override { robots_->prepare(); }
  const RobotRows<float>& rows() const override { return robots_->rows(); }
  TerrainView map() const override { return robots_->map(); }
  std::vector<float> save() override { return robots_->save(); }
  void restore(const std::vector<float>& numbers) override { robots_->restore(numbers); }

  void step(const Context& context, Range lanes, int steps) override {
    const RobotRows<float>& all = rows();
    Place& place = places_.at(static_cast<std::size_t>(context.thread));
    for (Index lane = lanes.begin; lane < lanes.end; lane += K) step_one(context.thread, all, lane, steps, place);
  }

 private:
  struct Place {
    ExternalStep step;
    ExternalState state;
    ExternalRecord record;
  };

  static bool all_finite(const ExternalState& state) {
    const auto finite = [](double x) { return std::isfinite(x); };
    return std::all_of(state.qpos.begin(), state.qpos.end(), finite) &&
           std::all_of(state.qvel.begin(), state.qvel.end(), finite);
  }

  void step_one(int thread, const RobotRows<float>& all, Index lane, int steps, Place& place) {
    State state[K];
    PhysicsVariation<float, J> variation[K];
    Array<float, J> control[K];
    DelayedControl<float, J> delayed[K];
    for (int l = 0; l < K; ++l) {
      state[l] = read_rows<State, float>(all.state, lane + l);
      variation[l] = read_rows<PhysicsVariation<float, J>, float>(all.variation, lane + l);
      control[l] = read_rows<Array<float, J>, float>(all.control, lane + l);
      delayed[l] = read_rows<DelayedControl<float, J>, float>(all.delayed, lane + l);
    }
    const auto numbers = [](const Vec3<float>& v) {
      return Vec3<double>{static_cast<double>(v.x), static_cast<double>(v.y), static_cast<double>(v.z)};
    };
    const State& base = state[0];
    ExternalState& s = place.state;
    const float before[13] = {base.position.x,    base.position.y,    base.position.z,    base.orientation.w,
                              base.orientation.x, base.orientation.y, base.orientation.z, base.velocity.x,
                              base.velocity.y,    base.velocity.z,    base.spin.x,        base.spin.y,
                              base.spin.z};
    for (int i = 0; i < 7; ++i) s.qpos[static_cast<std::size_t>(i)] = static_cast<double>(before[i]);
    for (int i = 0; i < 6; ++i) s.qvel[static_cast<std::size_t>(i)] = static_cast<double>(before[7 + i]);
    const Vec3<float> turning = multiply_transposed(base.orientation.matrix(), base.base_acceleration.angular);
    const float acceleration[6] = {base.base_acceleration.linear.x,
                                   base.base_acceleration.linear.y,
                                   base.base_acceleration.linear.z,
                                   turning.x,
                                   turning.y,
                                   turning.z};
    for (int i = 0; i < 6; ++i) s.qacc[static_cast<std::size_t>(i)] = static_cast<double>(acceleration[i]);
    ExternalStep& step = place.step;
    Variation& v = step.variation;
    v.gravity = numbers(variation[0].gravity);
    v.friction = static_cast<double>(variation[0].friction);
    v.base_mass = static_cast<double>(variation[0].base_mass);
    v.base_centre = numbers(variation[0].base_centre);
    step.delay_steps = static_cast<double>(delayed[0].steps);
    step.steps = steps;
    for (std::size_t j = 0; j < robot_.joint_info.size(); ++j) {
      const RobotJoint& joint = robot_.joint_info[j];
      const auto l = static_cast<std::size_t>(joint.limb);
      const int i = joint.place;
      s.qpos[static_cast<std::size_t>(joint.position)] = static_cast<double>(state[l].q[i]);
      s.qvel[static_cast<std::size_t>(joint.velocity)] = static_cast<double>(state[l].v[i]);
      s.qacc[static_cast<std::size_t>(joint.velocity)] = static_cast<double>(state[l].acceleration[i]);
      v.mass[j] = static_cast<double>(variation[l].mass[i]);
      v.strength[j] = static_cast<double>(variation[l].strength[i]);
      v.servo[j] = static_cast<double>(variation[l].servo[i]);
      v.velocity_gain[j] = static_cast<double>(variation[l].velocity_gain[i]);
      v.armature[j] = static_cast<double>(variation[l].armature[i]);
      v.friction_loss[j] = static_cast<double>(variation[l].friction_loss[i]);
      if (joint.actuator < 0) continue;
      step.ctrl[static_cast<std::size_t>(joint.actuator)] = static_cast<double>(control[l][i]);
      step.last_ctrl[static_cast<std::size_t>(joint.actuator)] = static_cast<double>(delayed[l].last[i]);
    }

    external_.step(thread, step, s, place.record);
    PhysicsRecord<float, J> record[K] = {};
    if (!all_finite(s)) {  // as our engine does: the state stays, and the task ends the episode and counts it
      for (int l = 0; l < K; ++l) {
        record[l].held = static_cast<float>(steps);
        write_rows<float>(all.record, lane + l, record[l]);
      }
      return;
    }

    const auto q = [&](int i) { return static_cast<float>(s.qpos[static_cast<std::size_t>(i)]); };
    const auto u = [&](int i) { return static_cast<float>(s.qvel[static_cast<std::size_t>(i)]); };
    const auto a = [&](int i) { return static_cast<float>(s.qacc[static_cast<std::size_t>(i)]); };
    const Quat<float> orientation{q(3), q(4), q(5), q(6)};
    const Vec3<float> spun = orientation.matrix() * Vec3<float>{a(3), a(4), a(5)};
    for (int l = 0; l < K; ++l) {
      State& to = state[l];
      to.position = {q(0), q(1), q(2)};
      to.orientation = orientation;
      to.velocity = {u(0), u(1), u(2)};
      to.spin = {u(3), u(4), u(5)};
      to.base_acceleration = {spun, {a(0), a(1), a(2)}};
    }
    for (std::size_t j = 0; j < robot_.joint_info.size(); ++j) {
      const RobotJoint& joint = robot_.joint_info[j];
      State& to = state[joint.limb];
      to.q[joint.place] = q(joint.position);
      to.v[joint.place] = u(joint.velocity);
      to.acceleration[joint.place] = a(joint.velocity);
      record[joint.limb].torque[joint.place] = static_cast<float>(place.record.torque[j]);
    }
    for (int l = 0; l < robot_.limbs; ++l) {
      const double* force = place.record.force.data() + static_cast<std::ptrdiff_t>(l * ExternalRecord::kSlots);
      for (int i = 0; i <= J; ++i) record[l].force[i] = static_cast<float>(force[i]);
      record[l].force[J + 1] = static_cast<float>(force[ExternalRecord::kSlots - 1]);
      record[l].touches = static_cast<float>(place.record.touches[static_cast<std::size_t>(l)]);
      record[l].work = static_cast<float>(place.record.work[static_cast<std::size_t>(l)]);
    }
    for (int l = 0; l < K; ++l) {
      write_rows<float>(all.state, lane + l, state[l]);
      write_rows<float>(all.record, lane + l, record[l]);
    }
  }

  std::unique_ptr<Robots<Backend, float>> robots_;
  const RobotModel& robot_;
  ExternalPhysics& external_;
  std::vector<Place> places_;  ///< of each thread
};

}  // namespace stampede
