/// \file A policy as safetensors.
#include "host/app/export/policy_tensors.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "host/base/build_info.hpp"
#include "host/base/error.hpp"

namespace stampede {
namespace {

std::vector<std::int64_t> shape_of(const std::vector<float>& values) {
  return {static_cast<std::int64_t>(values.size())};
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// Calls `visit(name, vector)` for each of the policy's arrays that is one-dimensional.
template <class PolicyType, class Visit>
void for_each_vector(PolicyType& policy, Visit&& visit) {
  visit("log_std", policy.log_std);
  visit("observation_mean", policy.observation_mean);
  visit("observation_variance", policy.observation_variance);
  visit("action_centre", policy.action_centre);
  visit("action_scale", policy.action_scale);
  visit("action_low", policy.action_low);
  visit("action_high", policy.action_high);
}

}  // namespace

std::vector<Tensor> policy_tensors(const Policy& policy, const std::string& prefix) {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < policy.actor.layers.size(); ++i) {
    const DenseLayer& layer = policy.actor.layers[i];
    const std::string name = prefix + "actor." + std::to_string(i);
    tensors.push_back(make_tensor(name + ".weight", {layer.outputs, layer.inputs}, layer.weight));
    tensors.push_back(make_tensor(name + ".bias", {layer.outputs}, layer.bias));
  }
  for_each_vector(policy, [&](const char* name, const std::vector<float>& values) {
    tensors.push_back(make_tensor(prefix + name, shape_of(values), values));
  });
  return tensors;
}

std::map<std::string, std::string> policy_metadata(const Policy& policy, const std::string& prefix) {
  return {{prefix + "task", policy.task},
          {prefix + "activation", policy.actor.activation},
          {prefix + "observation_clip", nlohmann::json(policy.observation_clip).dump()}};
}

Policy policy_from_tensors(const SafetensorsFile& file, const std::string& name, const std::string& prefix) {
  const auto need = [&](const std::string& key) -> const Tensor& {
    const Tensor* tensor = file.find(prefix + key);
    if (tensor == nullptr) throw Error(name + ": holds no tensor '" + prefix + key + "', which a policy needs");
    if (tensor->type != Tensor::Type::kF32) throw Error(name + ": the tensor '" + prefix + key + "' must be F32");
    return *tensor;
  };
  const auto word = [&](const std::string& key) {
    const auto found = file.metadata.find(prefix + key);
    if (found == file.metadata.end()) throw Error(name + ": its metadata lack '" + prefix + key + "'");
    return found->second;
  };
  const auto wrong_shape = [&](const Tensor& tensor, const std::vector<std::int64_t>& right) {
    return Error(name + ": the tensor '" + tensor.name + "' has the shape " + shape_text(tensor.shape) +
                 "; it must be " + shape_text(right));
  };
  Policy policy;
  for (const auto& [key, value] : file.metadata) {
    if (key.rfind(prefix, 0) == 0) policy.facts.emplace(key.substr(prefix.size()), value);
  }
  policy.task = word("task");
  if (const auto robot = policy.facts.find("robot"); robot != policy.facts.end()) policy.robot = robot->second;
  policy.actor.activation = word("activation");
  policy.observation_clip = std::strtof(word("observation_clip").c_str(), nullptr);
  for_each_vector(policy, [&](const char* key, std::vector<float>& values) { values = floats_of(need(key)); });

  std::int64_t inputs = policy.observations();
  for (int i = 0; file.find(prefix + "actor." + std::to_string(i) + ".weight") != nullptr; ++i) {
    const Tensor& weight = need("actor." + std::to_string(i) + ".weight");
    const Tensor& bias = need("actor." + std::to_string(i) + ".bias");
    if (weight.shape.size() != 2) throw wrong_shape(weight, {-1, inputs});
    const std::int64_t outputs = weight.shape[0];
    if (weight.shape[1] != inputs) throw wrong_shape(weight, {outputs, inputs});
    if (bias.shape != std::vector<std::int64_t>{outputs}) throw wrong_shape(bias, {outputs});
    policy.actor.layers.push_back(
        {static_cast<int>(inputs), static_cast<int>(outputs), floats_of(weight), floats_of(bias)});
    inputs = outputs;
  }
  if (policy.actor.layers.empty()) throw Error(name + ": holds no tensor '" + prefix + "actor.0.weight'");
  const std::int64_t actions = policy.actions();
  if (inputs != actions) {
    throw Error(name + ": the last layer has " + std::to_string(inputs) + " outputs, but there are " +
                std::to_string(actions) + " actions");
  }
  for (const char* key : {"log_std", "action_scale", "action_low", "action_high"}) {
    if (need(key).shape != std::vector<std::int64_t>{actions}) throw wrong_shape(need(key), {actions});
  }
  if (need("observation_variance").shape != std::vector<std::int64_t>{policy.observations()}) {
    throw wrong_shape(need("observation_variance"), {policy.observations()});
  }
  return policy;
}

std::map<std::string, std::string> policy_facts(const Policy& policy, const TaskSpec& task) {
  using nlohmann::json;
  std::map<std::string, std::string> facts = {{"task", task.name},
                                              {"version", STAMPEDE_VERSION},
                                              {"control_dt", json(static_cast<float>(task.control_dt)).dump()},
                                              {"observation_names", json(task.policy().names).dump()},
                                              {"action_names", json(task.action.names).dump()},
                                              {"action_centre", json(policy.action_centre).dump()},
                                              {"action_scale", json(policy.action_scale).dump()},
                                              {"action_low", json(policy.action_low).dump()},
                                              {"action_high", json(policy.action_high).dump()}};
  json groups = json::object();
  for (const ObservationGroup& group : task.observations) {
    groups[group.name] = {{"shape", group.shape()},
                          {"type", group.type},
                          {"every", group.every},
                          {"delay", group.delay},
                          {"history", group.history}};
  }
  facts["observation_groups"] = groups.dump();
  facts.insert(task.facts.begin(), task.facts.end());
  return facts;
}

std::string to_policy_safetensors(const Policy& policy, const TaskSpec& task) {
  std::map<std::string, std::string> metadata = policy_facts(policy, task);
  metadata.merge(policy_metadata(policy));
  return to_safetensors(policy_tensors(policy), metadata);
}

}  // namespace stampede
