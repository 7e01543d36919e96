#include "host/model/robot/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/model/robot/find_robot.hpp"
#include "host/model/robot/fit.hpp"
#include "host/model/robot/import_world.hpp"
#include "host/model/robot/mjcf.hpp"
#include "host/model/robot/servos.hpp"
#include "host/model/robot/shapes.hpp"
#include "host/model/robot/urdf.hpp"

namespace stampede {
namespace {

class Import {
 public:
  Import(Description& description, const LoadOptions& options)
      : description_(description), spec_(description.spec.get()), options_(options) {}

  std::vector<std::string> run() {
    changes_ = std::move(description_.changes);
    if (description_.urdf) prepare_urdf();
    settle_assets(description_, true, changes_);
    choose_base();
    plain_options();
    ModelHandle model = compile_description(spec_, description_.file);
    fit_shapes(spec_, model.get(), changes_);
    model = compile_description(spec_, description_.file);
    settle_world(spec_, model.get(), changes_);
    model = compile_description(spec_, description_.file);  // geoms of the world may have been removed
    touch_only_the_ground(model.get());
    fuse();
    model = compile_description(spec_, description_.file);
    if (model->nactuator == 0) add_servos(spec_, model.get(), changes_);
    if (options_.servos_for_motors) turn_motors_into_servos(spec_, model.get(), changes_);
    if (added_ground_ || model->nkey == 0) add_home();
    refuse_what_stands_on_nothing();
    return std::move(changes_);
  }

 private:
  void prepare_urdf() {
    spec_->compiler.fusestatic = 0;  // done later, by fuse()
    settle_inertias(description_, changes_);
    name_shapes(spec_);
    if (description_.visuals) changes_.push_back("visual shapes are left out");
    if (!options_.timestep) {
      spec_->option.timestep = 0.002;
      changes_.push_back("timestep 0.002");
    }
  }

  void choose_base() {
    if (options_.base == BaseChoice::kAuto && !description_.urdf) return;
    const bool free =
        options_.base == BaseChoice::kFree || (options_.base == BaseChoice::kAuto && moving_limbs(description_) >= 2);
    if (set_base(spec_, free)) changes_.push_back(free ? "the base moves freely" : "the base is fixed in the world");
  }

  /// Options that are not simulated, and the passive forces of a free joint.
  void plain_options() {
    mjOption& option = spec_->option;
    if (option.integrator != mjINT_EULER && option.integrator != mjINT_IMPLICITFAST) {
      option.integrator = option.integrator == mjINT_RK4 ? mjINT_EULER : mjINT_IMPLICITFAST;
      changes_.push_back(option.integrator == mjINT_EULER ? "integrator Euler" : "integrator implicitfast");
    }
    if (option.density != 0 || option.viscosity != 0) changes_.push_back("the fluid around the robot is left out");
    option.density = option.viscosity = 0;
    if (option.noslip_iterations > 0) changes_.push_back("noslip iterations are left out");
    option.noslip_iterations = 0;
    for (mjsElement* e : elements_of(spec_, mjOBJ_JOINT)) {
      mjsJoint* joint = mjs_asJoint(e);
      if (joint->type != mjJNT_FREE) continue;
      if (joint->damping[0] != 0 || joint->frictionloss != 0 || joint->armature != 0 || joint->stiffness[0] != 0) {
        changes_.push_back(label_of(e) + " is without damping, friction loss, armature and spring");
      }
      joint->damping[0] = joint->frictionloss = joint->armature = joint->stiffness[0] = 0;
    }
  }

  /// Lets the robot touch what it touched of the ground, and nothing else touch anything; limits condim to 3; where
  /// there is no ground for a free robot, adds a plane. `model` is compiled from the description.
  void touch_only_the_ground(const mjModel* model) {
    std::vector<mjsElement*> ground, robot;
    for (mjsElement* e : elements_of(spec_, mjOBJ_GEOM)) {
      const mjsGeom* geom = mjs_asGeom(e);
      const mjsBody* body = mjs_getParent(e);
      if (!collides(geom)) continue;
      if (is_of_world(model, mjs_getId(body->element))) ground.push_back(e);
      if (model->body_weldid[mjs_getId(body->element)] != 0) robot.push_back(e);
    }
    const auto meets = [](mjsElement* a, mjsElement* b) {
      const mjsGeom *x = mjs_asGeom(a), *y = mjs_asGeom(b);
      return (x->contype & y->conaffinity) != 0 || (y->contype & x->conaffinity) != 0;
    };
    // Where there is no ground, all of the robot's shapes are to touch the plane that is added.
    std::vector<mjsElement*> touching;
    for (mjsElement* g : robot) {
      const bool touches =
          ground.empty() || std::any_of(ground.begin(), ground.end(), [&](mjsElement* w) { return meets(g, w); });
      if (touches) touching.push_back(g);
    }
    bool plain = true;
    for (mjsElement* a : robot) {
      plain &= std::none_of(robot.begin(), robot.end(), [&](mjsElement* b) { return meets(a, b); });
    }
    for (mjsElement* e : elements_of(spec_, mjOBJ_PAIR)) {
      changes_.push_back(label_of(e) + " is left out");
      mjs_delete(spec_, e);
    }
    for (mjsElement* g : touching) {
      mjsGeom* geom = mjs_asGeom(g);
      if (geom->condim > 3) {
        changes_.push_back(fmt::format("{} has condim 3 instead of {}", label_of(g), geom->condim));
        geom->condim = 3;
      }
    }
    for (mjsElement* g : ground) mjs_asGeom(g)->condim = std::min(mjs_asGeom(g)->condim, 3);
    if (!plain) changes_.push_back("parts of the robot do not meet each other, only the ground");
    if (!plain || ground.empty()) {
      for (mjsElement* e : elements_of(spec_, mjOBJ_GEOM)) mjs_asGeom(e)->contype = mjs_asGeom(e)->conaffinity = 0;
      for (mjsElement* g : ground) mjs_asGeom(g)->contype = 1;
      for (mjsElement* g : touching) mjs_asGeom(g)->conaffinity = 1;
    }
    const bool floating = moves_freely(model);
    if (!ground.empty() || (!floating && touching.empty())) return;
    // A robot that is fixed in the world gets no plane, which might cut through it.
    if (!floating) return;
    mjsGeom* floor = mjs_addGeom(mjs_findBody(spec_, "world"), nullptr);
    mjs_setName(floor->element, "floor");
    floor->type = mjGEOM_PLANE;
    floor->size[2] = 0.05;
    floor->contype = 1;
    floor->conaffinity = 0;
    added_ground_ = true;
    changes_.push_back("a plane 'floor' is the ground");
  }

  void fuse() {
    const int fused = mjs_fuseStatic(spec_, nullptr);
    if (fused < 0) {
      throw Error(
          fmt::format("{}: bodies cannot be fused: {}", description_.file.string(), one_line(mjs_getError(spec_))));
    }
    if (fused > 0) changes_.push_back(fmt::format("bodies without joints are fused with their parents: {}", fused));
  }

  /// Adds or changes a keyframe: joints at the reference pose (or the first keyframe's), moved into their ranges, and,
  /// on a plane that was added, the lowest point on the ground.
  void add_home() {
    std::vector<std::string> unused;
    const CompiledRobot compiled = compile_robot(spec_, description_.file, options_, unused);
    const RobotModel& robot = compiled.robot;
    const mjModel* m = compiled.model.get();
    std::vector<double> qpos(m->qpos0, m->qpos0 + m->nq);
    if (m->nkey > 0) qpos.assign(m->key_qpos, m->key_qpos + m->nq);
    for (const RobotJoint& info : robot.joint_info) {
      const JointModel<double>& joint =
          robot.joint[static_cast<std::size_t>(info.limb * robot.size.joints + info.place)];
      double& q = qpos[static_cast<std::size_t>(info.position)];
      q = std::clamp(q, joint.low, joint.high);
    }
    if (robot.options.floating && added_ground_) {
      const double lowest = lowest_point(robot, qpos.data());
      if (lowest < 1e29) qpos[2] = -lowest;
    }
    mjsElement* first = m->nkey > 0 ? mjs_firstElement(spec_, mjOBJ_KEY) : nullptr;
    mjsKey* key = first != nullptr ? mjs_asKey(first) : mjs_addKey(spec_);
    if (first == nullptr) mjs_setName(key->element, "home");
    mjs_setDouble(key->qpos, qpos.data(), static_cast<int>(qpos.size()));
    if (first != nullptr) return;
    std::vector<double> ctrl(static_cast<std::size_t>(robot.nu), 0.0);
    for (const RobotJoint& info : robot.joint_info) {
      const JointModel<double>& joint =
          robot.joint[static_cast<std::size_t>(info.limb * robot.size.joints + info.place)];
      if (info.actuator < 0 || !(joint.servo > 0)) continue;
      const double q = qpos[static_cast<std::size_t>(info.position)];
      const double u = ((joint.servo - joint.stiffness) * q - joint.bias) / (joint.servo + joint.gain);
      ctrl[static_cast<std::size_t>(info.actuator)] = std::clamp(u, joint.control_low, joint.control_high);
    }
    mjs_setDouble(key->ctrl, ctrl.data(), static_cast<int>(ctrl.size()));
    changes_.push_back(robot.options.floating && added_ground_
                           ? "a keyframe 'home' is the start, with the lowest point on the ground"
                           : "a keyframe 'home' is the start");
  }

  void refuse_what_stands_on_nothing() {
    const CompiledRobot compiled = compile_robot(spec_, description_.file, options_, {});
    if (compiled.robot.options.floating && compiled.robot.kind.empty()) {
      throw Error(
          fmt::format("{}: no shape of the robot is left that could touch the ground; a collision shape that is a "
                      "sphere, capsule, box or cylinder, or a mesh whose file is there, would be right",
                      description_.file.string()));
    }
  }

  Description& description_;
  mjSpec* spec_;
  const LoadOptions& options_;
  std::vector<std::string> changes_;
  bool added_ground_ = false;
};

}  // namespace

Imported import_description(Description description, const LoadOptions& options) {
  std::vector<std::string> changes = Import(description, options).run();
  return {std::move(description.spec), std::move(changes)};
}

std::vector<std::string> import_robot(const std::filesystem::path& file, const std::filesystem::path& out,
                                      const LoadOptions& options) {
  Imported imported = import_description(parse_description(find_robot(file.string())), options);
  mjSpec* spec = imported.spec.get();
  if (options.timestep) spec->option.timestep = *options.timestep;
  write_file(out, to_mjcf(spec, file, out));
  return imported.changes;
}

}  // namespace stampede
