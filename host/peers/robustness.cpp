#include "host/peers/robustness.hpp"

#include <algorithm>
#include <cmath>

#include "host/base/clock.hpp"
#include "host/base/uniform.hpp"
#include "host/peers/scenes.hpp"
#include "kernels/physics/contact.hpp"

namespace stampede {
namespace {

/// Range that a joint's control is drawn from.
void control_range(const JointModel<double>& joint, double& low, double& high) {
  if (joint.servo > 0) {
    low = std::max({joint.low, joint.control_low, -kPi});
    high = std::min({joint.high, joint.control_high, kPi});
  } else {
    low = std::max(joint.control_low, -10.0);
    high = std::min(joint.control_high, 10.0);
  }
}

/// All of the robot's ground, to find how deep shapes are in it.
RoughGround<double> ground_of(const RobotModel& robot) {
  const bool mapped = robot.map != nullptr;
  return {robot.plane.present, mapped && robot.map->rows > 0, robot.plane.point, robot.plane.normal,
          mapped ? robot.map->view() : TerrainView{}};
}

/// How deep the deepest point of any shape is under the ground [m]; negative where all are above it.
double depth(const RobotModel& robot, const RoughGround<double>& ground, const double* qpos) {
  const Quat<double> turn =
      robot.options.floating ? Quat<double>{qpos[3], qpos[4], qpos[5], qpos[6]} : robot.options.fixed_orientation;
  const Vec3<double> at =
      robot.options.floating ? Vec3<double>{qpos[0], qpos[1], qpos[2]} : robot.options.fixed_position;
  double deepest = -HUGE_VAL;
  const auto limbs = static_cast<std::size_t>(robot.size.limbs), joints = static_cast<std::size_t>(robot.size.joints);
  for (std::size_t l = 0; l < limbs; ++l) {
    Mat3<double> axes[kMaxJoints + 1];
    Vec3<double> origin[kMaxJoints + 1];
    axes[0] = turn.matrix();
    origin[0] = at;
    for (std::size_t i = 0; i < joints; ++i) {
      const JointModel<double>& joint = robot.joint[l * joints + i];
      double q = joint.reference;
      for (const RobotJoint& info : robot.joint_info) {
        if (info.limb == static_cast<int>(l) && info.place == static_cast<int>(i)) q = qpos[info.position];
      }
      const double moved = q - joint.reference, angle = joint.slide > 0.5 ? 0 : moved;
      const Mat3<double> rest = axes[i] * joint.frame;
      origin[i + 1] = origin[i] + axes[i] * joint.offset + rest.z * (joint.slide > 0.5 ? moved : 0.0);
      axes[i + 1] = {rest.x * std::cos(angle) + rest.y * std::sin(angle),
                     rest.y * std::cos(angle) - rest.x * std::sin(angle), rest.z};
    }
    for (std::size_t k = 0; k < robot.kind.size(); ++k) {
      const ContactModel<double>& shape = robot.contact[k * limbs + l];
      if (shape.radius < 0) continue;
      const auto link = static_cast<std::size_t>(robot.kind[k].link);
      const Vec3<double> centre = origin[link] + axes[link] * shape.point;
      for (int surface = 0; surface < ground.surfaces(); ++surface) {
        TouchPoints<double> points{};
        points.count = 1, points.point[0] = centre, points.radius[0] = shape.radius;
        if (robot.kind[k].shape == ContactShape::kCylinder) {
          points = cylinder_points(centre, axes[link] * shape.axis, axes[link].x, ground.facing(surface, centre),
                                   shape.radius, shape.half_length, 0.0);
        }
        for (int p = 0; p < points.count; ++p) {
          Touch<double> near{};
          if (ground.touch(surface, points.point[p], points.radius[p], 0.0, near)) {
            deepest = std::max(deepest, -near.distance);
          }
        }
      }
    }
  }
  return deepest;
}

}  // namespace

Robustness test_robustness(Engine& engine, const RobotModel& robot, const RobustnessRequest& request) {
  const double dt = robot.options.timestep;
  const int decimation = std::max(1, static_cast<int>(std::lround(0.02 / dt)));
  const std::int64_t intervals = std::max<std::int64_t>(1, request.steps / decimation);
  const std::int64_t looking = std::max<std::int64_t>(1, intervals / 1000);
  SimulationRequest simulated;
  simulated.robot = &robot;
  simulated.num_envs = request.num_envs;
  const std::unique_ptr<Simulation> simulation = engine.make_simulation(simulated);
  Uniform uniform(request.seed);

  const auto nu = static_cast<std::size_t>(robot.nu);
  std::vector<double> qpos(static_cast<std::size_t>(robot.nq)), qvel(static_cast<std::size_t>(robot.nv));
  const std::vector<double> still(qvel.size(), 0.0);
  std::vector<double> ctrl(static_cast<std::size_t>(request.num_envs) * nu);
  std::vector<Variation> variation(static_cast<std::size_t>(request.num_envs));
  for (std::size_t env = 0; env < variation.size(); ++env) {
    std::copy(robot.home_ctrl.begin(), robot.home_ctrl.end(), &ctrl[env * nu]);
    Variation& v = variation[env];
    v.gravity = robot.gravity;
    v.friction = uniform(0.3, 1.5);
    v.base_mass = uniform(0.8, 1.3);
    v.base_centre = {uniform(-0.02, 0.02), uniform(-0.02, 0.02), uniform(-0.02, 0.02)};
    simulation->set_variation(static_cast<std::int64_t>(env), v);
    if (robot.map != nullptr && robot.options.floating) {
      std::vector<double> start = robot.home_qpos;
      place_on_map(robot, uniform, start.data());
      simulation->set_state(static_cast<std::int64_t>(env), start.data(), still.data());
    }
  }
  Robustness result;
  const RoughGround<double> ground = ground_of(robot);
  const double started = seconds_now();
  for (std::int64_t t = 0; t < intervals; ++t) {
    for (std::int64_t env = t % 10; env < request.num_envs; env += 10) {
      double* u = &ctrl[static_cast<std::size_t>(env) * nu];
      for (const RobotJoint& info : robot.joint_info) {
        if (info.actuator < 0) continue;
        double low = 0, high = 0;
        control_range(robot.joint[static_cast<std::size_t>(info.limb * robot.size.joints + info.place)], low, high);
        u[info.actuator] = uniform(low, high);
      }
      simulation->set_control(0, env, u);
    }
    // At any time one environment in twenty is pushed, for five intervals.
    if (t % 5 == 0) {
      for (std::int64_t env = 0; env < request.num_envs; ++env) {
        Variation& v = variation[static_cast<std::size_t>(env)];
        const bool was = v.push_force.x != 0;
        const bool pushed = (env + t / 5) % 20 == 0;
        const double weight = robot.total_mass * 9.81;
        v.push_force = pushed
                           ? Vec3<double>{uniform(-1, 1) * weight, uniform(-1, 1) * weight, uniform(-0.5, 0.5) * weight}
                           : Vec3<double>{0, 0, 0};
        if (was || pushed) simulation->set_variation(env, v);
      }
    }
    simulation->step(0, decimation);
    if (t % looking != 0) continue;
    for (std::int64_t env = 0; env < request.num_envs; ++env) {
      simulation->get_state(env, qpos.data(), qvel.data());
      for (const double v : qvel) result.fastest = std::max(result.fastest, std::isfinite(v) ? std::fabs(v) : HUGE_VAL);
      if (robot.has_ground() && !robot.kind.empty()) {
        result.deepest = std::max(result.deepest, depth(robot, ground, qpos.data()));
      }
      result.looks += 1;
    }
  }
  simulation->wait();
  result.seconds = seconds_now() - started;
  const SimulationCounts counts = simulation->counts();
  result.steps = counts.steps;
  result.nonfinite = counts.held;
  result.over_slots = counts.over_slots;
  result.contacts = counts.contacts;
  result.iteration_cap_share = counts.capped / std::max(1.0, counts.steps);
  return result;
}

}  // namespace stampede
