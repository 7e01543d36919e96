/// \file Facts of walking tasks for policy files.
#include "host/task/legged_facts.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "envs/legged/signals.hpp"
#include "host/task/formula_text.hpp"

namespace stampede {
namespace {

void add_names(const FormulaTerm& term, std::vector<std::string>& names) {
  if (term.kind == FormulaTerm::Kind::kName) names.push_back(term.word);
  for (const FormulaTerm& below : term.of) add_names(below, names);
}

/// What a formula, which was compiled before, names.
std::vector<std::string> names_in(const FormulaText& formula) {
  std::vector<std::string> names;
  add_names(parse_formula(formula.text, formula.origin), names);
  return names;
}

/// Adds the numbers of the environment's own that the names from number `begin` on are of, and the names in those.
void follow_states(const LeggedSettings& settings, std::size_t begin, std::vector<std::string>& names,
                   nlohmann::json& states) {
  for (std::size_t i = begin; i < names.size(); ++i) {
    for (const StateSettings& state : settings.states) {
      if (state.name != names[i] || states.contains(state.name)) continue;
      states[state.name] = {{"start", state.start.text}, {"next", state.next.text}};
      for (const FormulaText* of : {&state.start, &state.next}) {
        for (const std::string& name : names_in(*of)) names.push_back(name);
      }
    }
  }
}

bool is_of_scan(const std::string& name) {
  return std::any_of(std::begin(kSignals), std::end(kSignals),
                     [&](const SignalInfo& info) { return info.per == Per::kScan && name == info.name; });
}

/// The formulas of observations, the numbers of the environment's own that they use, with those that these use, and
/// whether one of the policy's sees the scan, itself or by such a number.
bool add_formulas(const LeggedSettings& settings, std::map<std::string, std::string>& facts) {
  const std::vector<std::string>& seen = settings.observations.policy;
  nlohmann::json formulas, states;
  std::vector<std::string> names;
  const auto add_terms = [&](bool of_policy) {
    const std::size_t begin = names.size();
    for (const ObservationFormula& term : settings.observation_formulas) {
      if ((std::find(seen.begin(), seen.end(), term.name) != seen.end()) != of_policy) continue;
      for (const FormulaText& formula : term.formula) {
        formulas[term.name].push_back(formula.text);
        for (const std::string& name : names_in(formula)) names.push_back(name);
      }
    }
    follow_states(settings, begin, names, states);
  };
  add_terms(true);
  const bool scans = std::any_of(names.begin(), names.end(), is_of_scan);
  add_terms(false);
  if (!formulas.empty()) facts["observation_formulas"] = formulas.dump();
  if (!states.empty()) facts["observation_states"] = states.dump();
  return scans;
}

}  // namespace

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
  bool scans = add_formulas(settings, facts);
  for (const std::string& term : settings.observations.policy) {
    if (index_of(kObservationTerms, term) < 0) continue;  // a formula
    if (kObservationTerms[index_of(kObservationTerms, term)].per != Per::kScan) continue;
    scans = true;
  }
  if (scans) facts["scan"] = dump(std::vector<float>{scan.x.low, scan.x.high, scan.y.low, scan.y.high, scan.spacing});
  if (spec.legged->camera.pixels() > 0) {
    const CameraSettings& camera = settings.camera;
    nlohmann::json all = {
        {"width", camera.width},       {"height", camera.height}, {"field_of_view", camera.field_of_view},
        {"position", camera.position}, {"pitch", camera.pitch},   {"yaw", camera.yaw},
        {"near", camera.near},         {"far", camera.far},       {"every", spec.legged->camera.every},
        {"latency", camera.latency}};
    // Policies from before there was such a thing were trained without it.
    if (camera.latency_error > 0) all["latency_error"] = camera.latency_error;
    facts["camera"] = all.dump();
  }
  return facts;
}

}  // namespace stampede
