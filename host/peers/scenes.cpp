#include "host/peers/scenes.hpp"

#include <algorithm>
#include <cmath>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "kernels/math.hpp"

namespace stampede {
namespace {

/// Where a limb begins, seen from above: its first joint in the base's frame.
Vec3<double> root_of(const RobotModel& robot, int limb) {
  return robot.joint[static_cast<std::size_t>(limb * robot.size.joints)].offset;
}

/// Phase of a limb's swing: half a turn for those of the other diagonal than the first limb's, or of the other side of
/// a biped.
double phase_of(const RobotModel& robot, int limb) {
  const Vec3<double> first = root_of(robot, 0), root = root_of(robot, limb);
  const auto side = [](double x) { return x > 1e-6 ? 1 : x < -1e-6 ? -1 : 0; };
  const int across = side(first.y) * side(root.y), along = side(first.x) * side(root.x);
  return (across == 0 ? 1 : across) * (along == 0 ? 1 : along) < 0 ? kPi : 0.0;
}

/// How far a control may swing: a servo's by an angle, a motor's by a share of its force.
double swing_of(const JointModel<double>& joint, double angle) {
  if (joint.servo > 0) return angle;
  const double force = std::min(joint.force_high, joint.gain > 0 ? joint.gain * joint.control_high : joint.force_high);
  return force < 1e29 && joint.gain > 0 ? 0.2 * angle * force / joint.gain : 0.1 * angle;
}

}  // namespace

const std::vector<std::string>& scene_names() {
  static const std::vector<std::string> names = {"standing", "trot", "random", "falling", "terrain"};
  return names;
}

void place_on_map(const RobotModel& robot, Uniform& uniform, double* qpos) {
  const GroundMap& map = *robot.map;
  double wide = 0;  // the robot's half width, about [m]
  for (int l = 0; l < robot.limbs; ++l) wide = std::max(wide, std::hypot(root_of(robot, l).x, root_of(robot, l).y));
  wide += 0.15;
  const auto somewhere = [&](double low, double high) {
    return 2 * wide < high - low ? uniform(low + wide, high - wide) : 0.5 * (low + high);
  };
  qpos[0] = somewhere(map.low_x(), map.high_x());
  qpos[1] = somewhere(map.low_y(), map.high_y());
  double top = map.top_at(qpos[0], qpos[1]);
  for (int i = -3; i <= 3; ++i) {
    for (int j = -3; j <= 3; ++j) {
      top = std::max(top, map.top_at(qpos[0] + i * wide / 3, qpos[1] + j * wide / 3));
    }
  }
  if (top > -1e5) qpos[2] += top;
  const double half = uniform(0, kPi);
  const Quat<double> turned =
      Quat<double>{std::cos(half), 0, 0, std::sin(half)} * Quat<double>{qpos[3], qpos[4], qpos[5], qpos[6]};
  qpos[3] = turned.w, qpos[4] = turned.x, qpos[5] = turned.y, qpos[6] = turned.z;
}

Scene make_scene(const std::string& name, const RobotModel& robot, int num_envs, int control_steps, double control_dt,
                 std::uint64_t seed) {
  if (std::find(scene_names().begin(), scene_names().end(), name) == scene_names().end()) {
    throw Error("scene '" + name + "' does not exist; " + suggestion(name, scene_names()));
  }
  const bool on_map = name == "terrain";
  if (on_map && (robot.map == nullptr || !robot.options.floating)) {
    throw Error("scene 'terrain' wants a robot whose base moves freely, on ground with heights or boxes");
  }
  const auto nq = static_cast<std::size_t>(robot.nq), nv = static_cast<std::size_t>(robot.nv),
             nu = static_cast<std::size_t>(robot.nu), envs = static_cast<std::size_t>(num_envs);
  const bool tumbles = name == "random" || name == "falling";
  Scene scene;
  scene.name = name;
  scene.control_steps = control_steps;
  scene.settling = name == "falling" ? 0.0 : 1.0;
  scene.qpos.resize(envs * nq);
  scene.qvel.assign(envs * nv, 0.0);
  scene.ctrl.resize(static_cast<std::size_t>(control_steps) * envs * nu);
  Uniform uniform(seed);
  for (std::size_t env = 0; env < envs; ++env) {
    double* qpos = &scene.qpos[env * nq];
    double* qvel = &scene.qvel[env * nv];
    std::copy(robot.home_qpos.begin(), robot.home_qpos.end(), qpos);
    if (tumbles && robot.options.floating) {
      turn_anywhere(uniform, qpos + 3);
      qpos[2] += name == "random" ? 0.15 : uniform(0.2, 0.7);
      for (int i = 0; i < 3; ++i) qvel[i] = uniform(-0.5, 0.5), qvel[3 + i] = uniform(-2, 2);
    }
    if (on_map) place_on_map(robot, uniform, qpos);
    const double phase = uniform(0, 2 * kPi), frequency = uniform(1.5, 3);
    for (const RobotJoint& info : robot.joint_info) {
      const JointModel<double>& joint =
          robot.joint[static_cast<std::size_t>(info.limb * robot.size.joints + info.place)];
      const double spread = tumbles ? 0.5 : 0.05;
      double& q = qpos[info.position];
      q = std::clamp(q + uniform(-spread, spread), std::min(joint.low, q), std::max(joint.high, q));
      if (info.actuator < 0) continue;
      const auto actuator = static_cast<std::size_t>(info.actuator);
      const double home = robot.home_ctrl[actuator];
      double held = home;
      for (int t = 0; t < control_steps; ++t) {
        double& u = scene.ctrl[(static_cast<std::size_t>(t) * envs + env) * nu + actuator];
        u = home;
        const bool anew = t % 10 == 0;
        if (name == "standing") {
          if (anew) held = home + uniform(-1, 1) * swing_of(joint, 0.1);
          u = held;
        } else if ((name == "trot" || on_map) && info.place > 0) {
          const double angle = 2 * kPi * frequency * t * control_dt + phase + phase_of(robot, info.limb);
          u = home +
              (info.place == 1 ? swing_of(joint, 0.3) * std::sin(angle) : swing_of(joint, 0.4) * std::cos(angle));
        } else if (name == "random") {
          if (anew && joint.servo > 0)
            held = uniform(std::max(joint.low, home - 1.5), std::min(joint.high, home + 1.5));
          if (anew && !(joint.servo > 0)) held = home + uniform(-1, 1) * swing_of(joint, 5);
          u = held;
        }
      }
    }
  }
  return scene;
}

}  // namespace stampede
