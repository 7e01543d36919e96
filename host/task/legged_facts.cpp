/// \file Facts of walking tasks for policy files.
#include "host/task/legged_facts.hpp"

#include <nlohmann/json.hpp>
#include <vector>

namespace stampede {

std::map<std::string, std::string> legged_facts(const TaskSpec& spec, const LeggedSettings& settings) {
  const RobotModel& robot = spec.legged->robot;
  const auto dump = [](const auto& value) { return nlohmann::json(value).dump(); };
  std::vector<double> stiffness, damping, torque_low, torque_high;
  for (const RobotJoint& joint : robot.joint_info) {
    if (joint.actuator < 0) continue;
    const JointModel<double>& servo = robot.joint_of(joint);
    stiffness.push_back(servo.servo);
    damping.push_back(-servo.velocity_gain);
    torque_low.push_back(servo.force_low);
    torque_high.push_back(servo.force_high);
  }
  std::map<std::string, std::string> facts = {
      {"robot", robot.name},
      {"joint_order", dump(spec.action.names)},
      {"default_pose", dump(spec.action.centre)},
      {"action_scale", dump(spec.action.scale)},
      {"stiffness", dump(stiffness)},
      {"damping", dump(damping)},
      {"torque_low", dump(torque_low)},
      {"torque_high", dump(torque_high)},
      {"command_low",
       dump(std::vector<float>{settings.commands.x.low, settings.commands.y.low, settings.commands.yaw.low})},
      {"command_high",
       dump(std::vector<float>{settings.commands.x.high, settings.commands.y.high, settings.commands.yaw.high})},
      {"home_height", dump(spec.legged->constants.home_height)},
      {"physics_dt", dump(settings.control.timestep)},
      {"decimation", dump(settings.control.decimation)},
      {"observation_terms", dump(settings.observations.policy)},
      {"observation_scales", dump(std::vector<double>(settings.observations.policy.size(), 1.0))}};
  const ScanSettings& scan = settings.scan;
  for (const std::string& term : settings.observations.policy) {
    if (index_of(kObservationTerms, term) < 0) continue;  // a formula
    if (kObservationTerms[index_of(kObservationTerms, term)].per != Per::kScan) continue;
    facts["scan"] = dump(std::vector<float>{scan.x.low, scan.x.high, scan.y.low, scan.y.high, scan.spacing});
  }
  nlohmann::json formulas;
  for (const ObservationFormula& term : settings.observation_formulas) {
    for (const FormulaText& formula : term.formula) formulas[term.name].push_back(formula.text);
  }
  if (!formulas.empty()) facts["observation_formulas"] = formulas.dump();
  if (spec.legged->camera.pixels() > 0) {
    const CameraSettings& camera = settings.camera;
    facts["camera"] =
        nlohmann::json{
            {"width", camera.width},       {"height", camera.height}, {"field_of_view", camera.field_of_view},
            {"position", camera.position}, {"pitch", camera.pitch},   {"yaw", camera.yaw},
            {"near", camera.near},         {"far", camera.far},       {"every", spec.legged->camera.every},
            {"latency", camera.latency}}
            .dump();
  }
  return facts;
}

}  // namespace stampede
