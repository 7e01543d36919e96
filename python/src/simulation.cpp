/// \file Robots of a description, with live arrays: NumPy arrays that a step updates, and whose changes the next step
/// takes up. The engine keeps its numbers lane by lane, so the arrays are copies; a step finds out by itself which
/// environments were written to.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "host/model/robot/load.hpp"
#include "host/model/robot/mjb.hpp"
#include "python/src/bindings.hpp"

namespace stampede::python {
namespace {

/// An array [environments][columns] that a caller writes to, and what the simulation knows of it.
struct LiveArray {
  std::size_t columns = 0;
  std::vector<float> values, known;

  explicit LiveArray(std::size_t width = 0) : columns(width) {}
  bool present() const { return !values.empty(); }
  void fill(std::size_t envs, const std::vector<float>& row) {
    values.clear();
    for (std::size_t env = 0; env < envs; ++env) values.insert(values.end(), row.begin(), row.end());
    known = values;
  }
  const float* row(std::size_t env) const { return values.data() + env * columns; }
  bool changed(std::size_t env) const {
    return std::memcmp(row(env), known.data() + env * columns, columns * sizeof(float)) != 0;
  }
  void learn(std::size_t env) { std::memcpy(known.data() + env * columns, row(env), columns * sizeof(float)); }
};

/// The members of Variation as arrays, each made when it is first asked for. `width`: 0 stands for one number for each
/// joint.
struct VariedMember {
  const char* name;
  std::size_t width;
};
constexpr VariedMember kVaried[] = {{"gravity", 3},   {"push_force", 3},  {"push_torque", 3}, {"friction", 1},
                                    {"base_mass", 1}, {"base_centre", 3}, {"mass", 0},        {"strength", 0},
                                    {"stiffness", 0}, {"damping", 0},     {"armature", 0},    {"friction_loss", 0}};

class Robots {
 public:
  Robots(SharedEngine engine, const std::string& robot, std::int64_t num_envs, std::optional<double> timestep,
         const std::string& base, bool contact_forces)
      : engine_(std::move(engine)), compiled_(load_robot(robot, options_of(timestep, base))) {
    if (num_envs < 1) throw Error("num_envs " + std::to_string(num_envs) + " is out of range; it must be at least 1");
    SimulationRequest request;
    request.robot = &compiled_.robot;
    request.num_envs = num_envs;
    request.contact_forces = contact_forces;
    simulation_ = engine_->make_simulation(request);
    envs_ = static_cast<std::size_t>(num_envs);
    const RobotModel& model = compiled_.robot;
    home_qpos_.assign(model.home_qpos.begin(), model.home_qpos.end());
    home_ctrl_.assign(model.home_ctrl.begin(), model.home_ctrl.end());
    qpos = LiveArray(static_cast<std::size_t>(model.nq));
    qvel = LiveArray(static_cast<std::size_t>(model.nv));
    qpos.fill(envs_, home_qpos_);
    qvel.fill(envs_, std::vector<float>(qvel.columns, 0.0f));
    for (std::size_t env = 0; env < envs_; ++env) ctrl.insert(ctrl.end(), home_ctrl_.begin(), home_ctrl_.end());
    time.assign(envs_, 0.0);
    if (contact_forces) contact_force.assign(envs_ * limbs() * parts(), 0.0f);
    for (std::size_t i = 0; i < varied_.size(); ++i) {
      varied_[i] = LiveArray(kVaried[i].width == 0 ? model.joint_info.size() : kVaried[i].width);
    }
  }

  const RobotModel& model() const { return compiled_.robot; }
  std::string scene() const { return to_mjb(compiled_.model.get()); }
  const std::vector<std::string>& notes() const { return compiled_.notes; }
  const Engine& engine() const { return *engine_; }
  std::size_t envs() const { return envs_; }
  std::size_t limbs() const { return static_cast<std::size_t>(model().limbs); }
  std::size_t parts() const { return static_cast<std::size_t>(model().joints) + 2; }

  /// A new state of no motion at home, or that of the arrays, and home controls, in these environments.
  void reset(const std::int64_t* ids, std::size_t count) {
    const Claim claim(busy_, "simulation");
    for (std::size_t i = 0; i < count; ++i) {
      const auto env = static_cast<std::size_t>(ids[i]);
      std::copy(home_qpos_.begin(), home_qpos_.end(),
                qpos.values.begin() + static_cast<std::ptrdiff_t>(env * qpos.columns));
      std::fill_n(qvel.values.begin() + static_cast<std::ptrdiff_t>(env * qvel.columns), qvel.columns, 0.0f);
      std::copy(home_ctrl_.begin(), home_ctrl_.end(),
                ctrl.begin() + static_cast<std::ptrdiff_t>(env * home_ctrl_.size()));
      if (!contact_force.empty()) {
        std::fill_n(contact_force.begin() + static_cast<std::ptrdiff_t>(env * limbs() * parts()), limbs() * parts(),
                    0.0f);
      }
      time[env] = 0;
      put_state(env);
    }
  }

  void step(int steps) {
    const Claim claim(busy_, "simulation");
    if (steps < 0) throw Error("step: n = " + std::to_string(steps) + " is out of range; 0 or more would be right");
    take_up();
    simulation_->step(0, steps);
    simulation_->get_states(qpos.values.data(), qvel.values.data());
    qpos.known = qpos.values;
    qvel.known = qvel.values;
    if (!contact_force.empty()) simulation_->get_contact_forces(contact_force.data());
    const double passed = steps * model().options.timestep;
    for (double& now : time) now += passed;
  }

  /// The stages of the step that would come next.
  void forward() {
    const Claim claim(busy_, "simulation");
    take_up();
    const auto nv = qvel.columns;
    const std::vector<StageReport> reports = simulation_->inspect(0);
    qacc.resize(envs_ * nv);
    bias.resize(envs_ * nv);
    mass_matrix.resize(envs_ * nv * nv);
    contacts.resize(envs_);
    const auto put = [](const std::vector<double>& from, std::vector<float>& to, std::size_t env) {
      std::transform(from.begin(), from.end(), to.begin() + static_cast<std::ptrdiff_t>(env * from.size()),
                     [](double x) { return static_cast<float>(x); });
    };
    for (std::size_t env = 0; env < envs_; ++env) {
      put(reports[env].qacc, qacc, env);
      put(reports[env].bias, bias, env);
      put(reports[env].mass_matrix, mass_matrix, env);
      contacts[env] = reports[env].contacts;
    }
  }

  /// The array of a member of Variation, in the order of kVaried.
  LiveArray& varied(std::size_t member) {
    LiveArray& array = varied_[member];
    if (!array.present()) {
      std::vector<float> row(array.columns, 1.0f);
      if (member == 0) row = {gravity(0), gravity(1), gravity(2)};
      if (member == 1 || member == 2 || member == 5) row.assign(3, 0.0f);
      array.fill(envs_, row);
    }
    return array;
  }

  nb::dict counts() {
    const SimulationCounts all = simulation_->counts();
    nb::dict told;
    told["steps"] = all.steps;
    told["iterations"] = all.iterations;
    told["iterations_capped"] = all.capped;
    told["contacts"] = all.contacts;
    told["contacts_over_slots"] = all.over_slots;
    told["nonfinite"] = all.held;
    return told;
  }

  /// Throws Error before the first forward().
  void check_forward() const {
    if (contacts.empty())
      throw Error("qacc, qfrc_bias, mass_matrix and ncon are those of the last forward(); call it first");
  }

  LiveArray qpos, qvel;
  std::vector<float> ctrl;  ///< [environments][nu]
  std::vector<double> time;
  std::vector<float> contact_force;            ///< [environments][limbs][parts]; empty where not asked for
  std::vector<float> qacc, bias, mass_matrix;  ///< of the last forward()
  std::vector<std::int32_t> contacts;

 private:
  static LoadOptions options_of(std::optional<double> timestep, const std::string& base) {
    LoadOptions options;
    options.timestep = timestep;
    if (base == "free") {
      options.base = BaseChoice::kFree;
    } else if (base == "fixed") {
      options.base = BaseChoice::kFixed;
    } else if (base != "auto") {
      throw Error("base '" + base + "': " + suggestion(base, {"auto", "free", "fixed"}));
    }
    return options;
  }

  float gravity(int axis) const {
    const Vec3<double>& g = model().gravity;
    return static_cast<float>(axis == 0 ? g.x : axis == 1 ? g.y : g.z);
  }

  [[noreturn]] void refuse(const char* array, std::size_t env, std::size_t column, float value) const {
    throw Error(std::string(array) + "[" + std::to_string(env) + ", " + std::to_string(column) + "] is " +
                (std::isnan(value) ? "NaN"
                 : value > 0       ? "inf"
                                   : "-inf") +
                "; a finite number would be right");
  }
  void check_finite(const char* array, const float* row, std::size_t env, std::size_t columns) const {
    for (std::size_t i = 0; i < columns; ++i) {
      if (!std::isfinite(row[i])) refuse(array, env, i, row[i]);
    }
  }

  void put_state(std::size_t env) {
    const std::vector<double> position(qpos.row(env), qpos.row(env) + qpos.columns);
    const std::vector<double> velocity(qvel.row(env), qvel.row(env) + qvel.columns);
    simulation_->set_state(static_cast<std::int64_t>(env), position.data(), velocity.data());
    qpos.learn(env);
    qvel.learn(env);
  }

  void check_state(std::size_t env) const {
    check_finite("qpos", qpos.row(env), env, qpos.columns);
    check_finite("qvel", qvel.row(env), env, qvel.columns);
    if (!model().options.floating) return;
    const float* q = qpos.row(env) + 3;
    if (!(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3] > 1e-12f)) {
      throw Error("qpos[" + std::to_string(env) +
                  ", 3:7] is a quaternion of length 0; w, x, y, z of length 1 would be right");
    }
  }

  /// Gives the simulation what was written to the arrays. Everything is checked first: on an error nothing has changed.
  void take_up() {
    const std::size_t nu = home_ctrl_.size();
    // NaN and infinities have all bits of the exponent; which number it is, is looked for only where there is one.
    std::uint32_t unfit = 0;
    for (const float x : ctrl) unfit |= (std::bit_cast<std::uint32_t>(x) & 0x7f800000u) == 0x7f800000u;
    if (unfit != 0) {
      for (std::size_t env = 0; env < envs_; ++env) check_finite("ctrl", ctrl.data() + env * nu, env, nu);
    }
    std::vector<std::size_t> moved, varied, present;
    for (std::size_t i = 0; i < varied_.size(); ++i) {
      if (varied_[i].present()) present.push_back(i);
    }
    for (std::size_t env = 0; env < envs_; ++env) {
      if (qpos.changed(env) || qvel.changed(env)) {
        check_state(env);
        moved.push_back(env);
      }
      bool differs = false;
      for (const std::size_t i : present) {
        const LiveArray& array = varied_[i];
        if (!array.changed(env)) continue;
        check_finite(kVaried[i].name, array.row(env), env, array.columns);
        differs = true;
      }
      if (differs) varied.push_back(env);
    }
    for (const std::size_t env : moved) put_state(env);
    for (const std::size_t env : varied) put_variation(env);
    if (nu > 0) simulation_->set_controls(0, ctrl.data());
  }

  void put_variation(std::size_t env) {
    Variation v;
    v.gravity = model().gravity;
    const auto vector = [&](std::size_t member, Vec3<double>& to) {
      if (!varied_[member].present()) return;
      const float* row = varied_[member].row(env);
      to = {row[0], row[1], row[2]};
    };
    const auto number = [&](std::size_t member, double& to) {
      if (varied_[member].present()) to = varied_[member].row(env)[0];
    };
    const auto joints = [&](std::size_t member, std::vector<double>& to) {
      const LiveArray& array = varied_[member];
      if (array.present()) to.assign(array.row(env), array.row(env) + array.columns);
    };
    vector(0, v.gravity), vector(1, v.push_force), vector(2, v.push_torque);
    number(3, v.friction), number(4, v.base_mass), vector(5, v.base_centre);
    joints(6, v.mass), joints(7, v.strength), joints(8, v.servo), joints(9, v.velocity_gain), joints(10, v.armature);
    joints(11, v.friction_loss);
    simulation_->set_variation(static_cast<std::int64_t>(env), v);
    for (LiveArray& array : varied_) {
      if (array.present()) array.learn(env);
    }
  }

  SharedEngine engine_;
  CompiledRobot compiled_;
  std::unique_ptr<Simulation> simulation_;
  std::atomic<bool> busy_{false};
  std::size_t envs_ = 0;
  std::vector<float> home_qpos_, home_ctrl_;
  std::array<LiveArray, std::size(kVaried)> varied_;
};

std::vector<std::string> joint_names(const Robots& robots) {
  std::vector<std::string> names;
  for (const RobotJoint& joint : robots.model().joint_info) names.push_back(joint.name);
  return names;
}

/// Names of the joints that are driven, in the order of ctrl.
std::vector<std::string> actuated_names(const Robots& robots) {
  std::vector<std::string> names(static_cast<std::size_t>(robots.model().nu));
  for (const RobotJoint& joint : robots.model().joint_info) {
    if (joint.actuator >= 0) names[static_cast<std::size_t>(joint.actuator)] = joint.name;
  }
  return names;
}

/// For each limb its joints' names, from the base on: the order of contact_force.
std::vector<std::vector<std::string>> limb_joints(const Robots& robots) {
  std::vector<std::vector<std::string>> limbs(robots.limbs());
  for (const RobotJoint& joint : robots.model().joint_info) {
    auto& limb = limbs[static_cast<std::size_t>(joint.limb)];
    limb.resize(std::max(limb.size(), static_cast<std::size_t>(joint.place) + 1));
    limb[static_cast<std::size_t>(joint.place)] = joint.name;
  }
  return limbs;
}

Array<float> live(Robots& self, LiveArray& array) {
  return view<float>(array.values.data(), {self.envs(), array.columns}, nb::find(self));
}

}  // namespace

void add_simulation(nb::module_& module) {
  const auto release = nb::call_guard<nb::gil_scoped_release>();
  nb::class_<Robots> robots(module, "Robots", "Robots of a description, side by side.");
  robots
      .def(nb::init<SharedEngine, const std::string&, std::int64_t, std::optional<double>, const std::string&, bool>(),
           nb::arg("engine"), nb::arg("robot"), nb::arg("num_envs"), nb::arg("timestep").none(), nb::arg("base"),
           nb::arg("contact_forces"))
      .def_prop_ro("num_envs", &Robots::envs)
      .def_prop_ro("name", [](const Robots& self) { return self.model().name; })
      .def_prop_ro("scene",
                   [](const Robots& self) {
                     const std::string bytes = self.scene();
                     return nb::bytes(bytes.data(), bytes.size());
                   })
      .def_prop_ro("nq", [](const Robots& self) { return self.model().nq; })
      .def_prop_ro("nv", [](const Robots& self) { return self.model().nv; })
      .def_prop_ro("nu", [](const Robots& self) { return self.model().nu; })
      .def_prop_ro(
          "timestep", [](const Robots& self) { return self.model().options.timestep; }, "[s]")
      .def_prop_ro(
          "total_mass", [](const Robots& self) { return self.model().total_mass; }, "[kg]")
      .def_prop_ro("joint_names", &joint_names)
      .def_prop_ro("actuated_joint_names", &actuated_names)
      .def_prop_ro("limb_joints", &limb_joints)
      .def_prop_ro("home_qpos", [](const Robots& self) { return self.model().home_qpos; })
      .def_prop_ro("home_ctrl", [](const Robots& self) { return self.model().home_ctrl; })
      .def_prop_ro("notes", &Robots::notes)
      .def_prop_ro("counts", &Robots::counts)
      .def("step", &Robots::step, nb::arg("n"), release)
      .def("forward", &Robots::forward, release)
      .def("reset",
           [](Robots& self, const nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& ids) {
             self.reset(ids.data(), ids.size());
           })
      .def_prop_ro("qpos", [](Robots& self) { return live(self, self.qpos); })
      .def_prop_ro("qvel", [](Robots& self) { return live(self, self.qvel); })
      .def_prop_ro("ctrl",
                   [](Robots& self) {
                     return view<float>(self.ctrl.data(), {self.envs(), static_cast<std::size_t>(self.model().nu)},
                                        nb::find(self));
                   })
      .def_prop_ro("time", [](Robots& self) { return view<double>(self.time.data(), {self.envs()}, nb::find(self)); })
      .def_prop_ro(
          "contact_force",
          [](Robots& self) {
            if (self.contact_force.empty()) {
              throw Error("contact forces are not kept; Simulation(..., contact_forces=True) would be right");
            }
            return view<float>(self.contact_force.data(), {self.envs(), self.limbs(), self.parts()}, nb::find(self));
          })
      .def_prop_ro("qacc",
                   [](Robots& self) {
                     self.check_forward();
                     return view<float>(self.qacc.data(), {self.envs(), self.qvel.columns}, nb::find(self));
                   })
      .def_prop_ro("qfrc_bias",
                   [](Robots& self) {
                     self.check_forward();
                     return view<float>(self.bias.data(), {self.envs(), self.qvel.columns}, nb::find(self));
                   })
      .def_prop_ro("mass_matrix",
                   [](Robots& self) {
                     self.check_forward();
                     const std::size_t nv = self.qvel.columns;
                     return view<float>(self.mass_matrix.data(), {self.envs(), nv, nv}, nb::find(self));
                   })
      .def_prop_ro("ncon", [](Robots& self) {
        self.check_forward();
        return view<std::int32_t>(self.contacts.data(), {self.envs()}, nb::find(self));
      });
  for (std::size_t i = 0; i < std::size(kVaried); ++i) {
    robots.def_prop_ro(kVaried[i].name, [i](Robots& self) {
      LiveArray& array = self.varied(i);
      if (array.columns == 1) return view<float>(array.values.data(), {self.envs()}, nb::find(self));
      return live(self, array);
    });
  }
}

}  // namespace stampede::python
