#include "host/app/export/policy_fit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/base/error.hpp"

namespace stampede {
namespace {

using Facts = std::map<std::string, std::string>;

/// A fact that is a list; nothing where it is missing or something else.
template <class Value>
std::optional<std::vector<Value>> list_in(const Facts& facts, const std::string& key) {
  const auto found = facts.find(key);
  if (found == facts.end()) return std::nullopt;
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  if (!json.is_array()) return std::nullopt;
  std::vector<Value> values;
  for (const auto& entry : json) {
    if constexpr (std::is_same_v<Value, std::string>) {
      if (!entry.is_string()) return std::nullopt;
    } else if (!entry.is_number()) {
      return std::nullopt;
    }
    values.push_back(entry.get<Value>());
  }
  return values;
}

std::optional<double> number_in(const Facts& facts, const std::string& key) {
  const auto found = facts.find(key);
  if (found == facts.end()) return std::nullopt;
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  return json.is_number() ? std::optional<double>(json.get<double>()) : std::nullopt;
}

bool differs(double a, double b) { return !(std::fabs(a - b) <= 1e-4 * std::max({1.0, std::fabs(a), std::fabs(b)})); }

/// The position in `from` of each name in `to`. Throws Error where only one of the two has a name.
std::vector<std::size_t> places_of(const std::vector<std::string>& to, const std::vector<std::string>& from,
                                   const std::string& name, const TaskSpec& task, const char* what) {
  std::vector<std::size_t> places;
  for (const std::string& wanted : to) {
    const auto found = std::find(from.begin(), from.end(), wanted);
    if (found == from.end()) {
      throw Error(fmt::format("{}: the task '{}' has the {} '{}', which the policy was not trained with", name,
                              task.name, what, wanted));
    }
    places.push_back(static_cast<std::size_t>(found - from.begin()));
  }
  for (const std::string& there : from) {
    if (std::find(to.begin(), to.end(), there) == to.end()) {
      throw Error(fmt::format("{}: the policy was trained with the {} '{}', which the task '{}' does not have", name,
                              what, there, task.name));
    }
  }
  if (places.size() != from.size()) throw Error(fmt::format("{}: names one {} twice", name, what));
  return places;
}

void permute(std::vector<float>& values, const std::vector<std::size_t>& places) {
  if (values.size() != places.size()) return;  // missing in some files
  std::vector<float> moved;
  for (const std::size_t place : places) moved.push_back(values[place]);
  values = std::move(moved);
}

bool ends_in_number(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot != std::string::npos && dot + 1 < name.size() &&
         name.find_first_not_of("0123456789", dot + 1) == std::string::npos;
}

/// Earlier versions numbered the limbs in observations' names, in the order of the joints. Where that order is the
/// task's, the numbers are replaced by its names.
void name_limbs(std::vector<std::string>& names, const std::vector<std::string>& now, bool same_joints) {
  if (!same_joints || names.size() != now.size()) return;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool same_term = names[i].substr(0, names[i].rfind('.')) == now[i].substr(0, now[i].rfind('.'));
    if (same_term && ends_in_number(names[i]) && !ends_in_number(now[i])) names[i] = now[i];
  }
}

void match_names(Policy& policy, const TaskSpec& task, const std::string& name) {
  const auto actions = list_in<std::string>(policy.facts, "action_names");
  auto observations = list_in<std::string>(policy.facts, "observation_names");
  if (actions && actions->size() == policy.action_centre.size()) {
    const std::vector<std::size_t> places =
        places_of(task.action.names, *actions, name, task, task.legged != nullptr ? "joint" : "action");
    if (observations) name_limbs(*observations, task.policy().names, *actions == task.action.names);
    if (std::vector<DenseLayer> layers = policy.layers(); !layers.empty()) {
      DenseLayer& last = layers.back();
      const auto inputs = static_cast<std::size_t>(last.inputs);
      std::vector<float> weight;
      for (const std::size_t place : places) {
        const auto row = last.weight.begin() + static_cast<std::ptrdiff_t>(place * inputs);
        weight.insert(weight.end(), row, row + last.inputs);
      }
      last.weight = std::move(weight);
      permute(last.bias, places);
      policy.set_layers(layers);
    }
    for (std::vector<float>* values :
         {&policy.log_std, &policy.action_centre, &policy.action_scale, &policy.action_low, &policy.action_high}) {
      permute(*values, places);
    }
  }
  if (observations && observations->size() == policy.observation_mean.size()) {
    const std::vector<std::size_t> places = places_of(task.policy().names, *observations, name, task, "observation");
    permute(policy.observation_mean, places);
    permute(policy.observation_variance, places);
    if (policy.actor.size() > 1 && !std::is_sorted(places.begin(), places.end())) {
      throw Error(fmt::format(
          "{}: the policy's observations are in another order than the task's, and its module '{}' cannot be put in "
          "the task's; give them in the order of the training",
          name, policy.actor.front().name));
    }
    if (std::vector<DenseLayer> layers = policy.layers(); policy.actor.size() == 1 && !layers.empty()) {
      DenseLayer& first = layers.front();
      const auto inputs = static_cast<std::size_t>(first.inputs);
      std::vector<float> weight;
      for (std::size_t row = 0; row < static_cast<std::size_t>(first.outputs); ++row) {
        for (const std::size_t place : places) weight.push_back(first.weight[row * inputs + place]);
      }
      first.weight = std::move(weight);
      policy.set_layers(layers);
    }
  }
}

/// A fact with a number for each joint, in the task's order.
std::optional<std::vector<double>> by_joint(const Policy& policy, const TaskSpec& task, const std::string& key) {
  const auto names = list_in<std::string>(policy.facts, "action_names");
  const auto values = list_in<double>(policy.facts, key);
  if (!names || !values || names->size() != values->size()) return std::nullopt;
  std::vector<double> ordered;
  for (const std::string& joint : task.action.names) {
    const auto found = std::find(names->begin(), names->end(), joint);
    if (found == names->end()) return std::nullopt;
    ordered.push_back((*values)[static_cast<std::size_t>(found - names->begin())]);
  }
  return ordered;
}

/// Describes the first joint for which the fact `key` differs; empty where none does, or where policy or task lacks it.
std::string difference(const Policy& policy, const TaskSpec& task, const std::string& key, const char* what) {
  const auto trained = by_joint(policy, task, key);
  const auto now = list_in<double>(task.facts, key);
  if (!trained || !now || now->size() != trained->size()) return "";
  for (std::size_t i = 0; i < now->size(); ++i) {
    if (!differs((*trained)[i], (*now)[i])) continue;
    return fmt::format("was trained with the {} {:.6g} at the joint '{}', which is {:.6g} here", what, (*trained)[i],
                       task.action.names[i], (*now)[i]);
  }
  return "";
}

/// Throws Error where the policy's observations were read at another rate or delay. Another history shows in their
/// names, and has been refused already.
void compare_reading(const Policy& policy, const TaskSpec& task, const std::string& name) {
  const auto found = policy.facts.find("observation_groups");
  if (found == policy.facts.end()) return;  // of an earlier version
  const auto groups = nlohmann::json::parse(found->second, nullptr, false);
  if (!groups.is_object() || !groups.contains("policy")) return;
  const auto& trained = groups["policy"];
  for (const auto& [key, now] : {std::pair{"every", task.policy().every}, std::pair{"delay", task.policy().delay}}) {
    if (!trained.contains(key) || trained[key] == now) continue;
    throw Error(
        fmt::format("{}: was trained with policy_observation.{} = {}, which is {} here: its observations would be "
                    "of other times; give that of the training",
                    name, key, trained[key].dump(), now));
  }
}

void compare_control(const Policy& policy, const TaskSpec& task, const std::string& name,
                     std::vector<std::string>& notes) {
  for (const auto& [key, what] : {std::pair{"default_pose", "default position (control.pose, or the robot's home)"},
                                  std::pair{"action_scale", "action scale (control.action_scale)"}}) {
    const std::string found = difference(policy, task, key, what);
    if (!found.empty()) {
      throw Error(name + ": " + found +
                  ": its observations and actions would mean something else; give that of the training");
    }
  }
  const auto scan = list_in<double>(policy.facts, "scan"), scan_now = list_in<double>(task.facts, "scan");
  if (scan && scan_now && scan->size() == scan_now->size() &&
      !std::equal(scan->begin(), scan->end(), scan_now->begin(), [](double a, double b) { return !differs(a, b); })) {
    throw Error(
        fmt::format("{}: was trained with the height scan (x, y, spacing) {}, which is {} here; give the [scan] of "
                    "the training",
                    name, policy.facts.at("scan"), task.facts.at("scan")));
  }
  for (const auto& [key, what] : {std::pair{"stiffness", "stiffness"}, std::pair{"damping", "damping"},
                                  std::pair{"torque_low", "least torque"}, std::pair{"torque_high", "torque limit"}}) {
    const std::string found = difference(policy, task, key, what);
    if (!found.empty()) notes.push_back("the policy " + found);
  }
  const auto compare = [&](const char* key, const char* what, std::optional<double> now) {
    const std::optional<double> trained = number_in(policy.facts, key);
    if (!trained || !now || std::fabs(*trained - *now) <= 1e-6) return;
    notes.push_back(
        fmt::format("the policy was trained with {} of {:.6g} s, which is {:.6g} s here", what, *trained, *now));
  };
  if (const auto camera = policy.facts.find("camera"), now = task.facts.find("camera");
      camera != policy.facts.end() && now != task.facts.end() && camera->second != now->second) {
    notes.push_back("the policy was trained with the camera " + camera->second + ", which is " + now->second + " here");
  }
  compare("control_dt", "a control step", task.control_dt);
  compare("physics_dt", "a physics step", number_in(task.facts, "physics_dt"));
}

/// Puts the lists in a policy's facts into the task's order, in which its numbers are already.
void put_facts_in_order(Policy& policy, const TaskSpec& task) {
  if (!list_in<std::string>(policy.facts, "action_names")) return;
  for (const char* key : {"default_pose", "stiffness", "damping", "torque_low", "torque_high", "action_centre",
                          "action_scale", "action_low", "action_high"}) {
    if (const auto ordered = by_joint(policy, task, key)) policy.facts[key] = nlohmann::json(*ordered).dump();
  }
  for (const char* key : {"action_names", "joint_order"}) {
    if (policy.facts.count(key) > 0) policy.facts[key] = nlohmann::json(task.action.names).dump();
  }
  if (policy.facts.count("observation_names") > 0) {
    policy.facts["observation_names"] = nlohmann::json(task.policy().names).dump();
  }
}

}  // namespace

void check_policy_fits(const Policy& policy, const TaskSpec& task, const std::string& name) {
  if (task.legged != nullptr && !policy.robot.empty() && task.facts.at("robot") != policy.robot) {
    throw Error(name + ": is a policy of the robot " + policy.robot + ", but the task '" + task.name +
                "' has the robot " + task.facts.at("robot"));
  }
  if (!policy.task.empty() && policy.task != task.name && task.legged == nullptr) {
    throw Error(name + ": is a policy of the task '" + policy.task + "', not of '" + task.name + "'; give --task " +
                policy.task);
  }
  if (policy.observations() != task.policy().size()) {
    throw Error(name + ": takes " + std::to_string(policy.observations()) + " observations, but the task '" +
                task.name + "' has " + std::to_string(task.policy().size()));
  }
  if (policy.actions() != task.action.size()) {
    throw Error(name + ": gives " + std::to_string(policy.actions()) + " actions, but the task '" + task.name +
                "' has " + std::to_string(task.action.size()));
  }
}

Policy fit_policy(Policy policy, const TaskSpec& task, const std::string& name, std::vector<std::string>& notes) {
  if (task.legged != nullptr && !policy.robot.empty() && task.facts.at("robot") != policy.robot) {
    check_policy_fits(policy, task, name);
  }
  if (task.legged != nullptr || policy.task.empty() || policy.task == task.name) match_names(policy, task, name);
  check_policy_fits(policy, task, name);
  compare_reading(policy, task, name);
  compare_control(policy, task, name, notes);
  put_facts_in_order(policy, task);
  return policy;
}

void check_action_scale(const Policy& policy, const TaskSpec& task, const std::string& name, const std::string& who) {
  const ActionSpec& action = task.action;
  for (std::size_t i = 0; i < action.names.size(); ++i) {
    const float centre = policy.action_centre[i], scale = policy.action_scale[i];
    const auto near = [&](float a, float b) { return std::fabs(a - b) <= 1e-4f * std::max(1.0f, std::fabs(b)); };
    if (near(centre, action.centre[i]) && near(scale, action.scale[i])) continue;
    throw Error(
        fmt::format("{}: to {} the action '{}' is {:.5g} + {:.5g} x the network's output, to the student "
                    "{:.5g} + {:.5g} x it; both must be the same",
                    name, who, action.names[i], centre, scale, action.centre[i], action.scale[i]));
  }
}

void check_control_step(const Policy& policy, const TaskSpec& task, const std::string& name, const std::string& who) {
  const std::optional<double> step = number_in(policy.facts, "control_dt");
  if (!step || std::fabs(*step - task.control_dt) <= 1e-5 * task.control_dt) return;
  throw Error(fmt::format("{}: {}'s control step is {} s, that of the task '{}' is {} s; they must be equal", name, who,
                          static_cast<float>(*step), task.name, static_cast<float>(task.control_dt)));
}

void check_same_networks(const Policy& then, const Policy& now, const std::string& name) {
  const auto made_of = [](const Policy& policy) {
    std::string kinds;
    for (const ModuleWeights& part : policy.actor) kinds += (kinds.empty() ? "\"" : ", \"") + part.kind + "\"";
    return "[" + kinds + "]";
  };
  if (made_of(then) == made_of(now)) return;
  throw Error(fmt::format(
      "{}: its networks are made of {}, but config.toml has network.modules = {}; put it back, or train anew", name,
      made_of(then), made_of(now)));
}

void check_same_places(const Facts& then, const Facts& now, const std::string& name) {
  for (const auto& [key, what] :
       {std::pair{"observation_names", "observation"},
        std::pair{"critic_observation_names", "observation of the critic"}, std::pair{"action_names", "action"}}) {
    const auto before = list_in<std::string>(then, key), after = list_in<std::string>(now, key);
    if (!before || !after || *before == *after) continue;
    std::size_t i = 0;
    while (i < before->size() && i < after->size() && (*before)[i] == (*after)[i]) ++i;
    const auto shown = [&](const std::vector<std::string>& names) {
      return i < names.size() ? "'" + names[i] + "'" : std::string("missing");
    };
    throw Error(
        fmt::format("{}: {} {} is {}, but config.toml makes it {}; put config.toml and the robot back as they were, "
                    "or train anew",
                    name, what, i + 1, shown(*before), shown(*after)));
  }
}

}  // namespace stampede
