#pragma once
/// \file Simulation on a backend: owns the arrays, converts between MuJoCo's coordinates and lanes, launches the
/// kernel.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "host/base/error.hpp"
#include "host/engine/simulation.hpp"
#include "host/simulate/lane_model.hpp"
#include "host/simulate/mirrored_rows.hpp"
#include "host/simulate/robots.hpp"
#include "kernels/physics/batch.hpp"

namespace stampede {

template <class Backend, class Shape, class Ground, class Real>
class BatchSimulation final : public Simulation, public Robots<Backend, ScalarOf<Real>> {
 public:
  using Scalar = ScalarOf<Real>;
  static constexpr int J = Shape::kJoints;
  static constexpr int kGroup = Shape::kGroup;
  using Model = PhysicsModel<Shape, Real>;
  using Candidate = ContactModel<typename Model::Constant>;
  // A lane's structs, as they are on the host.
  using LaneState = PhysicsState<Scalar, J>;
  using LaneVariation = PhysicsVariation<Scalar, J>;
  using LaneControl = Array<Scalar, J>;
  using LaneCounts = PhysicsCounts<Scalar>;
  using LaneReport = PhysicsReport<Scalar, J>;
  using Record = PhysicsRecord<Scalar, J>;

  /// The backend is the simulation's own, or one that outlives it.
  BatchSimulation(std::unique_ptr<Backend> own, Backend* backend, const SimulationRequest& request,
                  const Ground& ground)
      : owned_(std::move(own)),
        backend_(owned_ ? owned_.get() : backend),
        robot_(*request.robot),
        envs_(request.num_envs),
        lanes_((envs_ * kGroup + kAlignment - 1) / kAlignment * kAlignment) {
    if (envs_ < 1) throw Error("num_envs " + std::to_string(envs_) + " is out of range; it must be at least 1");
    const LaneModel<Shape, Real> model(robot_);
    limb_ = backend_->template make_buffer<typename Model::Limb>(static_cast<Index>(model.limb.size()));
    contact_ = backend_->template make_buffer<Candidate>(std::max<Index>(1, static_cast<Index>(model.contact.size())));
    kind_ = backend_->template make_buffer<ContactKind>(std::max<Index>(1, static_cast<Index>(robot_.kind.size())));
    backend_->upload(limb_, model.limb.data(), static_cast<Index>(model.limb.size()));
    if (!robot_.kind.empty()) {
      backend_->upload(contact_, model.contact.data(), static_cast<Index>(model.contact.size()));
      backend_->upload(kind_, robot_.kind.data(), static_cast<Index>(robot_.kind.size()));
    }
    kernel_.model = {convert<Scalar>(robot_.options), limb_.data(), kind_.data(), contact_.data()};
    if (request.exact) {
      kernel_.model.options.tolerance = sizeof(Scalar) == 8 ? Scalar(1e-20) : Scalar(1e-12);
      kernel_.model.options.line_search_tolerance = sizeof(Scalar) == 8 ? Scalar(1e-9) : Scalar(1e-4);
      kernel_.model.options.max_iterations = 100;
      kernel_.model.options.max_line_search = 60;
    }
    kernel_.ground = ground;
    if constexpr (!Ground::kFlat) {
      if (robot_.map != nullptr) {
        const std::vector<float>& map = robot_.map->buffer;
        map_ = backend_->template make_buffer<float>(static_cast<Index>(map.size()));
        backend_->upload(map_, map.data(), static_cast<Index>(map.size()));
        kernel_.ground.map = robot_.map->view(map_.data());
      }
    }
    state_ = make_rows<LaneState>();
    variation_ = make_rows<LaneVariation>();
    counts_ = make_rows<LaneCounts>();
    if (request.contact_forces) record_ = make_rows<Record>();
    keeps_forces_ = request.contact_forces;
    reserve_controls(1);
    const Variation none = [&] {
      Variation v;
      v.gravity = robot_.gravity;
      return v;
    }();
    const std::vector<double> still(static_cast<std::size_t>(robot_.nv), 0.0);
    // Also in the lanes that fill up the last warp: they are simulated as well, and the home pose keeps that cheap.
    for (Index lane = 0; lane < lanes_; lane += kGroup) {
      put_state(lane, robot_.home_qpos.data(), still.data(), nullptr);
      put_variation(lane, none);
      for (int l = 0; l < kGroup; ++l) counts_.write(*backend_, lane + l, LaneCounts{});
    }
  }

  std::int64_t num_envs() const override { return envs_; }

  void set_state(std::int64_t env, const double* qpos, const double* qvel, const double* qacc) override {
    put_state(lane_of(env), qpos, qvel, qacc);
  }

  void get_state(std::int64_t env, double* qpos, double* qvel, double* qacc) override {
    const Index first = lane_of(env);
    const auto base = state_.template read<LaneState>(*backend_, first);
    if (robot_.options.floating) {
      const auto& q = base.orientation;
      if (qpos != nullptr) {
        const double values[7] = {base.position.x, base.position.y, base.position.z, q.w, q.x, q.y, q.z};
        std::copy(values, values + 7, qpos);
      }
      if (qvel != nullptr) {
        const double values[6] = {base.velocity.x, base.velocity.y, base.velocity.z,
                                  base.spin.x,     base.spin.y,     base.spin.z};
        std::copy(values, values + 6, qvel);
      }
      if (qacc != nullptr) base_to_mujoco(base, base.base_acceleration, qacc);
    }
    for (const RobotJoint& joint : robot_.joint_info) {
      const auto s = state_.template read<LaneState>(*backend_, first + joint.limb);
      if (qpos != nullptr) qpos[joint.position] = static_cast<double>(s.q[joint.place]);
      if (qvel != nullptr) qvel[joint.velocity] = static_cast<double>(s.v[joint.place]);
      if (qacc != nullptr) qacc[joint.velocity] = static_cast<double>(s.acceleration[joint.place]);
    }
  }

  void get_states(float* qpos, float* qvel) override {
    // A lane's first members are MuJoCo's seven positions of the base, then its six velocities.
    static_assert(offsetof(LaneState, position) == 0 && offsetof(LaneState, velocity) == 7 * sizeof(Scalar) &&
                  offsetof(LaneState, q) == 13 * sizeof(Scalar));
    constexpr int kQ = row_of(offsetof(LaneState, q)), kV = row_of(offsetof(LaneState, v));
    const Scalar* rows = state_.readable(*backend_);
    const Index stride = state_.stride();
    for_environments([&](Index env) {
      const Scalar* lane = rows + env * kGroup;
      float *position = qpos + env * robot_.nq, *velocity = qvel + env * robot_.nv;
      for (int i = 0; robot_.options.floating && i < 13; ++i) {
        (i < 7 ? position[i] : velocity[i - 7]) = static_cast<float>(lane[i * stride]);
      }
      for (const RobotJoint& joint : robot_.joint_info) {
        position[joint.position] = static_cast<float>(lane[(kQ + joint.place) * stride + joint.limb]);
        velocity[joint.velocity] = static_cast<float>(lane[(kV + joint.place) * stride + joint.limb]);
      }
    });
  }

  void set_variation(std::int64_t env, const Variation& variation) override { put_variation(lane_of(env), variation); }

  void reserve_controls(int sets) override {
    const std::size_t had = controls_.size();
    controls_.resize(static_cast<std::size_t>(sets));
    for (std::size_t set = had; set < controls_.size(); ++set) {
      controls_[set] = make_rows<LaneControl>();
      for (Index lane = 0; lane < lanes_; lane += kGroup) put_control(set, lane, robot_.home_ctrl.data());
    }
  }
  void set_control(int set, std::int64_t env, const double* ctrl) override {
    put_control(checked(set), lane_of(env), ctrl);
  }

  void set_controls(int set, const float* ctrl) override {
    auto& controls = controls_[checked(set)];
    Scalar* rows = controls.writable(*backend_);
    const Index stride = controls.stride();
    for_environments([&](Index env) {
      for (const RobotJoint& joint : robot_.joint_info) {
        if (joint.actuator < 0) continue;
        rows[joint.place * stride + env * kGroup + joint.limb] =
            static_cast<Scalar>(ctrl[env * robot_.nu + joint.actuator]);
      }
    });
  }

  void step(int set, int steps) override {
    launch(set, steps, {nullptr, lanes_});
    taken_ += static_cast<double>(envs_) * steps;
  }
  void wait() override { backend_->synchronise(); }

  void get_contact_forces(float* force) override {
    if (!keeps_forces_) throw Error("contact forces are not kept; SimulationRequest::contact_forces asks for them");
    const Scalar* rows = record_.readable(*backend_) + row_of(offsetof(Record, force)) * record_.stride();
    const Index stride = record_.stride();
    const int limbs = robot_.limbs, parts = robot_.joints + 2;
    for_environments([&](Index env) {
      for (int limb = 0; limb < limbs; ++limb) {
        float* to = force + (env * limbs + limb) * parts;
        for (int part = 0; part < parts; ++part) {
          const int from = part == parts - 1 ? J + 1 : part;  // the foot comes last
          to[part] = static_cast<float>(rows[from * stride + env * kGroup + limb]);
        }
      }
    });
  }

  std::vector<StageReport> inspect(int set) override {
    if (report_.size() == 0) report_ = make_rows<LaneReport>();
    launch(set, 1, report_.view(*backend_, true));
    std::vector<StageReport> reports;
    for (Index env = 0; env < envs_; ++env) reports.push_back(to_report(env * kGroup));
    return reports;
  }

  SimulationCounts counts() override {
    SimulationCounts sum;
    sum.steps = taken_;
    for (Index lane = 0; lane < envs_ * kGroup; ++lane) {
      const auto c = counts_.template read<LaneCounts>(*backend_, lane);
      sum.contacts += static_cast<double>(c.contacts);
      sum.over_slots += static_cast<double>(c.over_slots);
      if (lane % kGroup != 0) continue;
      sum.iterations += static_cast<double>(c.iterations);
      sum.capped += static_cast<double>(c.capped);
      sum.held += static_cast<double>(c.held);
    }
    return sum;
  }

  // ---- as Robots
  void prepare() override {
    if (delayed_.size() == 0) {
      record_ = make_rows<Record>();
      delayed_ = make_rows<DelayedControl<Scalar, J>>();
    }
    rows_ = {state_.view(*backend_, true),  variation_.view(*backend_, true), controls_[0].view(*backend_, true),
             counts_.view(*backend_, true), delayed_.view(*backend_, true),   record_.view(*backend_, true)};
  }
  const RobotRows<Scalar>& rows() const override { return rows_; }
  TerrainView map() const override {
    if constexpr (Ground::kFlat) {
      return {};
    } else {
      return kernel_.ground.map;
    }
  }
  void step(const typename Backend::Context& context, Range lanes, int steps) override {
    Kernel kernel = kernel_;
    kernel.state = rows_.state;
    kernel.variation = rows_.variation;
    kernel.control = rows_.control;
    kernel.counts = rows_.counts;
    kernel.delayed = rows_.delayed;
    kernel.record = rows_.record;
    kernel.report = {nullptr, 0};
    kernel.steps = steps;
    context.launch(lanes, kernel);
  }
  std::vector<Scalar> save() override {
    std::vector<Scalar> numbers;
    for (MirroredRows<Backend, Scalar>* part : saved_parts()) {
      const std::vector<Scalar>& more = part->read_all(*backend_);
      numbers.insert(numbers.end(), more.begin(), more.end());
    }
    return numbers;
  }
  void restore(const std::vector<Scalar>& numbers) override {
    Index size = 0;
    for (const MirroredRows<Backend, Scalar>* part : saved_parts()) size += part->size();
    if (size != static_cast<Index>(numbers.size())) {
      throw Error("the robots' state has " + std::to_string(numbers.size()) + " numbers where " + std::to_string(size) +
                  " are expected");
    }
    const Scalar* at = numbers.data();
    for (MirroredRows<Backend, Scalar>* part : saved_parts()) {
      part->write_all(at);
      at += part->size();
    }
    prepare();
  }

 private:
  std::vector<MirroredRows<Backend, Scalar>*> saved_parts() {
    return {&state_, &variation_, &counts_, &controls_[0], &delayed_};
  }

  /// Lanes are padded to whole warps: all threads of one take part in the exchanges between lanes.
  static constexpr Index kAlignment = 32;

  using Kernel = StepPhysics<Shape, Ground, Real>;

  template <class Struct>
  MirroredRows<Backend, Scalar> make_rows() {
    return {*backend_, static_cast<int>(sizeof(Struct) / sizeof(Scalar)), lanes_};
  }

  /// Which member of a lane's struct lies there.
  static constexpr int row_of(std::size_t offset) { return static_cast<int>(offset / sizeof(Scalar)); }

  /// body(environment) for all of them, on a CPU by its threads, a tile each.
  template <class Body>
  void for_environments(const Body& body) {
    const auto tile = [&](const typename Backend::Context&, Range lanes) {
      const Index end = std::min(lanes.end / kGroup, envs_);
      for (Index env = lanes.begin / kGroup; env < end; ++env) body(env);
    };
    backend_->for_tiles(lanes_, tile, kGroup);
  }

  Index lane_of(std::int64_t env) const {
    if (env < 0 || env >= envs_) {
      throw Error("environment " + std::to_string(env) + " of " + std::to_string(envs_) + " does not exist");
    }
    return env * kGroup;
  }
  std::size_t checked(int set) const {
    if (set < 0 || static_cast<std::size_t>(set) >= controls_.size()) {
      throw Error("set of controls " + std::to_string(set) + " of " + std::to_string(controls_.size()) +
                  " does not exist");
    }
    return static_cast<std::size_t>(set);
  }

  void launch(int set, int steps, RowsView<Scalar> report) {
    Kernel kernel = kernel_;
    kernel.state = state_.view(*backend_, report.data == nullptr);
    kernel.variation = variation_.view(*backend_, false);
    kernel.control = controls_[checked(set)].view(*backend_, false);
    kernel.counts = counts_.view(*backend_, report.data == nullptr);
    kernel.report = report;
    if (keeps_forces_ && report.data == nullptr) kernel.record = record_.view(*backend_, true);
    kernel.steps = steps;
    backend_->for_tiles(
        lanes_, [&](const typename Backend::Context& context, Range range) { context.launch(range, kernel); }, kGroup);
  }

  void put_state(Index first, const double* qpos, const double* qvel, const double* qacc) {
    LaneState s{};
    const auto vec = [](const double* x) {
      return Vec3<Scalar>{static_cast<Scalar>(x[0]), static_cast<Scalar>(x[1]), static_cast<Scalar>(x[2])};
    };
    if (robot_.options.floating) {
      s.position = vec(qpos);
      const double* q = qpos + 3;
      const double norm = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
      s.orientation = {static_cast<Scalar>(q[0] / norm), static_cast<Scalar>(q[1] / norm),
                       static_cast<Scalar>(q[2] / norm), static_cast<Scalar>(q[3] / norm)};
      s.velocity = vec(qvel);
      s.spin = vec(qvel + 3);
      if (qacc != nullptr) {
        s.base_acceleration = {s.orientation.matrix() * vec(qacc + 3), vec(qacc)};
        s.earlier_base_acceleration = s.base_acceleration;
      }
    } else {
      s.position = kernel_.model.options.fixed_position;
      s.orientation = kernel_.model.options.fixed_orientation;
    }
    LaneState lane[kGroup];
    std::fill(lane, lane + kGroup, s);
    for (const RobotJoint& joint : robot_.joint_info) {
      LaneState& l = lane[joint.limb];
      l.q[joint.place] = static_cast<Scalar>(qpos[joint.position]);
      l.v[joint.place] = static_cast<Scalar>(qvel[joint.velocity]);
      if (qacc != nullptr) l.acceleration[joint.place] = static_cast<Scalar>(qacc[joint.velocity]);
      l.earlier_acceleration[joint.place] = l.acceleration[joint.place];
    }
    for (int l = 0; l < kGroup; ++l) state_.write(*backend_, first + l, lane[l]);
  }

  void put_variation(Index first, const Variation& v) {
    const auto vec = [](const Vec3<double>& x) {
      return Vec3<Scalar>{static_cast<Scalar>(x.x), static_cast<Scalar>(x.y), static_cast<Scalar>(x.z)};
    };
    LaneVariation same = no_variation<Scalar, J>(vec(v.gravity));
    same.push_force = vec(v.push_force);
    same.push_torque = vec(v.push_torque);
    same.base_centre = vec(v.base_centre);
    same.friction = static_cast<Scalar>(v.friction);
    same.base_mass = static_cast<Scalar>(v.base_mass);
    LaneVariation lane[kGroup];
    std::fill(lane, lane + kGroup, same);
    const auto spread = [&](const char* name, const std::vector<double>& factors,
                            Array<Scalar, J> LaneVariation::*member) {
      if (factors.empty()) return;
      if (factors.size() != robot_.joint_info.size()) {
        throw Error("variation." + std::string(name) + " has " + std::to_string(factors.size()) +
                    " factors; the robot has " + std::to_string(robot_.joint_info.size()) + " joints");
      }
      for (std::size_t i = 0; i < factors.size(); ++i) {
        const RobotJoint& joint = robot_.joint_info[i];
        (lane[joint.limb].*member)[joint.place] = static_cast<Scalar>(factors[i]);
      }
    };
    spread("mass", v.mass, &LaneVariation::mass);
    spread("strength", v.strength, &LaneVariation::strength);
    spread("servo", v.servo, &LaneVariation::servo);
    spread("velocity_gain", v.velocity_gain, &LaneVariation::velocity_gain);
    spread("armature", v.armature, &LaneVariation::armature);
    spread("friction_loss", v.friction_loss, &LaneVariation::friction_loss);
    for (int l = 0; l < kGroup; ++l) variation_.write(*backend_, first + l, lane[l]);
  }

  void put_control(std::size_t set, Index first, const double* ctrl) {
    LaneControl lane[kGroup] = {};
    for (const RobotJoint& joint : robot_.joint_info) {
      if (joint.actuator >= 0) lane[joint.limb][joint.place] = static_cast<Scalar>(ctrl[joint.actuator]);
    }
    for (int l = 0; l < kGroup; ++l) controls_[set].write(*backend_, first + l, lane[l]);
  }

  /// World-axes [angular; linear] to MuJoCo's [linear; angular in body axes].
  static void base_to_mujoco(const LaneState& s, const Spatial<Scalar>& a, double* out) {
    const Vec3<Scalar> angular = multiply_transposed(s.orientation.matrix(), a.angular);
    const double values[6] = {a.linear.x, a.linear.y, a.linear.z, angular.x, angular.y, angular.z};
    std::copy(values, values + 6, out);
  }

  StageReport to_report(Index first) {
    const auto nv = static_cast<std::size_t>(robot_.nv);
    StageReport report;
    report.mass_matrix.assign(nv * nv, 0.0);
    report.bias.assign(nv, 0.0);
    report.qacc.assign(nv, 0.0);
    const auto entry = [&](int row, int column) -> double& {
      return report.mass_matrix[static_cast<std::size_t>(row) * nv + static_cast<std::size_t>(column)];
    };
    const auto s = state_.template read<LaneState>(*backend_, first);
    const auto shared = report_.template read<LaneReport>(*backend_, first);
    // `turn` maps MuJoCo's base velocities to ours: angular = R spin, linear = velocity.
    double turn[6][6] = {};
    const Mat3<Scalar> axes = s.orientation.matrix();
    const double r[3][3] = {
        {axes.x.x, axes.y.x, axes.z.x}, {axes.x.y, axes.y.y, axes.z.y}, {axes.x.z, axes.y.z, axes.z.z}};
    for (int i = 0; i < 3; ++i) {
      turn[3 + i][i] = 1;
      for (int j = 0; j < 3; ++j) turn[i][3 + j] = r[i][j];
    }
    const bool floating = robot_.options.floating;
    if (floating) {
      Spatial<Scalar> a = {{shared.acceleration_base[0], shared.acceleration_base[1], shared.acceleration_base[2]},
                           {shared.acceleration_base[3], shared.acceleration_base[4], shared.acceleration_base[5]}};
      base_to_mujoco(s, a, report.qacc.data());
      for (int i = 0; i < 6; ++i) {
        for (int p = 0; p < 6; ++p) {
          report.bias[static_cast<std::size_t>(i)] += turn[p][i] * static_cast<double>(shared.bias_base[p]);
          for (int j = 0; j < 6; ++j) {
            for (int q = 0; q < 6; ++q) {
              entry(i, j) += turn[p][i] * static_cast<double>(shared.base_mass[lower(p, q)]) * turn[q][j];
            }
          }
        }
      }
    }
    for (int l = 0; l < kGroup; ++l) {
      report.contacts +=
          static_cast<int>(report_.template read<LaneReport>(*backend_, first + l).contacts + Scalar(0.5));
    }
    for (const RobotJoint& joint : robot_.joint_info) {
      const auto lane = report_.template read<LaneReport>(*backend_, first + joint.limb);
      const int i = joint.place;
      report.qacc[static_cast<std::size_t>(joint.velocity)] = static_cast<double>(lane.acceleration_joint[i]);
      report.bias[static_cast<std::size_t>(joint.velocity)] = static_cast<double>(lane.bias_joint[i]);
      for (const RobotJoint& other : robot_.joint_info) {
        if (other.limb != joint.limb) continue;
        entry(joint.velocity, other.velocity) = static_cast<double>(lane.limb_mass[lower(i, other.place)]);
      }
      for (int c = 0; floating && c < 6; ++c) {
        double coupled = 0;
        for (int p = 0; p < 6; ++p) coupled += turn[p][c] * static_cast<double>(lane.coupling[6 * i + p]);
        entry(joint.velocity, c) = entry(c, joint.velocity) = coupled;
      }
    }
    return report;
  }

  std::unique_ptr<Backend> owned_;
  Backend* backend_;
  const RobotModel robot_;
  const Index envs_, lanes_;
  Kernel kernel_{};
  typename Backend::template Buffer<typename Model::Limb> limb_;
  typename Backend::template Buffer<Candidate> contact_;
  typename Backend::template Buffer<ContactKind> kind_;
  typename Backend::template Buffer<float> map_;
  MirroredRows<Backend, Scalar> state_, variation_, counts_, report_, delayed_, record_;
  std::vector<MirroredRows<Backend, Scalar>> controls_;
  RobotRows<Scalar> rows_{};
  double taken_ = 0;
  bool keeps_forces_ = false;
};

/// Calls body.operator()<Shape>() with the compiled shape of that size. Throws Error where it was left out of the
/// build.
template <class Body>
auto with_shape(RobotSize size, const Body& body) {
#if defined(STAMPEDE_ONLY_QUADRUPEDS)
  if (size.limbs != 4 || size.joints != 3) {
    throw Error("robots of size " + std::to_string(size.limbs) + "x" + std::to_string(size.joints) +
                " are not in this build, which was configured with STAMPEDE_ONLY_QUADRUPEDS; size 4x3 is");
  }
  return body.template operator()<RobotShape<4, 3>>();
#else
  if (size.limbs == 1 && size.joints == 1) return body.template operator()<RobotShape<1, 1>>();
  if (size.limbs == 1) return body.template operator()<RobotShape<1, 2>>();
  if (size.limbs == 2 && size.joints == 3) return body.template operator()<RobotShape<2, 3>>();
  if (size.limbs == 2) return body.template operator()<RobotShape<2, 6>>();
  if (size.limbs == 4) return body.template operator()<RobotShape<4, 3>>();
  return body.template operator()<RobotShape<6, 3>>();
#endif
}

/// A simulation in numbers of type `Real`, on a backend of its own or another's. Level ground and elliptic cones have a
/// kernel of their own, for speed; with `kAlwaysRough` it is not used. `Interface` is Simulation or Robots.
template <class Interface, class Real, bool kAlwaysRough, class Backend>
std::unique_ptr<Interface> make_batch(std::unique_ptr<Backend> own, std::type_identity_t<Backend>* other,
                                      const SimulationRequest& request) {
  using Scalar = ScalarOf<Real>;
  const RobotModel& robot = *request.robot;
  return with_shape(robot.size, [&]<class Shape>() -> std::unique_ptr<Interface> {
    using Lanes = typename GroupPack<Shape, Real>::type;
    const PlaneGround& plane = robot.plane;
    // A robot without ground gets ground far below it.
    const double height = plane.present ? plane.point.z : -1e6;
    const bool level = robot.map == nullptr && (!plane.present || plane.normal.z > 1 - 1e-12);
    if constexpr (!kAlwaysRough) {
      if (level && !robot.options.pyramidal) {
        using Ground = FlatGround<Scalar>;
        return std::make_unique<BatchSimulation<Backend, Shape, Ground, Lanes>>(std::move(own), other, request,
                                                                                Ground{static_cast<Scalar>(height)});
      }
    }
    const auto vec = [](const Vec3<double>& v) {
      return Vec3<Scalar>{static_cast<Scalar>(v.x), static_cast<Scalar>(v.y), static_cast<Scalar>(v.z)};
    };
    using Ground = RoughGround<Scalar>;
    const bool heights = robot.map != nullptr && robot.map->rows > 0;
    const Ground ground{plane.present, heights, vec(plane.point), vec(plane.normal), {}};
    return std::make_unique<BatchSimulation<Backend, Shape, Ground, Lanes>>(std::move(own), other, request, ground);
  });
}

}  // namespace stampede
