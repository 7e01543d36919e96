#include "host/task/legged_checks.hpp"

#include <fmt/format.h>

#include "host/base/error.hpp"

namespace stampede {
namespace {

/// Throws unless every joint is driven by a position servo, or by nothing.
void check_servos(const RobotModel& robot, const std::string& begin) {
  for (const RobotJoint& info : robot.joint_info) {
    const JointModel<double>& joint = robot.joint_of(info);
    if (info.actuator < 0 || joint.servo > 0) continue;
    if (joint.velocity_gain < 0) {
      throw Error(begin + "joint '" + info.name + "' is driven by a velocity servo, as wheels are; <position joint=\"" +
                  info.name + "\" .../> would be right");
    }
    throw Error(begin + "joint '" + info.name +
                "' is driven by a torque motor; control.stiffness and control.damping make a position servo of it, and "
                "so does `stampede import --servos`");
  }
}

/// Throws unless the default positions lie in the joints' ranges: episodes start at them, moved into the ranges, and
/// the actions' targets are counted from them.
void check_pose(const RobotModel& robot, const ControlSettings& control, const std::string& begin) {
  constexpr double kRounding = 1e-5;  // of ranges given in degrees, and of poses in floats
  const bool given = !control.pose.empty();
  if (given && control.pose.size() != robot.joint_info.size()) {
    throw Error(fmt::format("{}control.pose has {} numbers, but the robot '{}' has {} joints", begin,
                            control.pose.size(), robot.name, robot.joint_info.size()));
  }
  const std::vector<double> positions = default_pose(robot, control);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const RobotJoint& info = robot.joint_info[i];
    const JointModel<double>& joint = robot.joint_of(info);
    if (positions[i] >= joint.low - kRounding && positions[i] <= joint.high + kRounding) continue;
    throw Error(
        fmt::format("{}{} has joint '{}' at {:.6g}, outside its range of {:.6g} to {:.6g} {}; {}", begin,
                    given ? "control.pose" : "the home of the robot '" + robot.name + "'", info.name, positions[i],
                    joint.low, joint.high, joint.slide > 0.5 ? "m" : "rad",
                    given ? "a value in it would be right" : "control.pose with values in the ranges would be right"));
  }
}

}  // namespace

std::vector<double> default_pose(const RobotModel& robot, const ControlSettings& control) {
  std::vector<double> positions;
  for (std::size_t i = 0; i < robot.joint_info.size(); ++i) {
    const auto position = static_cast<std::size_t>(robot.joint_info[i].position);
    positions.push_back(control.pose.empty() ? robot.home_qpos[position] : static_cast<double>(control.pose[i]));
  }
  return positions;
}

void check_walker(const std::string& task, const RobotModel& robot, const LeggedSettings& settings) {
  const std::string begin = "task '" + task + "': ", of_robot = begin + "the robot '" + robot.name + "' has ";
  if (!robot.options.floating) throw Error(of_robot + "a fixed base; one that walks moves freely");
  if (robot.limbs < 2) throw Error(of_robot + "one limb; two or more would be right");
  if (robot.nu < 1) throw Error(of_robot + "no actuators; position servos would be right");
  check_servos(robot, begin);
  check_pose(robot, settings.control, begin);
  const double step = settings.control.timestep * static_cast<float>(settings.control.decimation);
  const auto check_delay = [&](const char* key, const Span& delay) {
    if (static_cast<double>(delay.high) <= step + 1e-7) return;
    throw Error(fmt::format("{}randomise.{} = [{}, {}] is longer than a control step of {} s", begin, key, delay.low,
                            delay.high, step));
  };
  check_delay("delay", settings.randomise.delay);
  check_delay("observation_delay", settings.randomise.observation_delay);
}

}  // namespace stampede
