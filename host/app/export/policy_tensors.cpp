/// \file A policy as safetensors.
#include "host/app/export/policy_tensors.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

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

constexpr std::array<std::string_view, 4> kActivations = {"elu", "tanh", "relu", "silu"};

/// What the options of convolutions list, by its key.
template <class Options>
auto lists_of(Options& options) {
  return std::array{std::pair{"image", &options.image}, std::pair{"channels", &options.channels},
                    std::pair{"kernels", &options.kernels}, std::pair{"strides", &options.strides}};
}

/// The network's modules as JSON, without the numbers of their parameters.
std::string modules_text(const std::vector<ModuleWeights>& modules) {
  nlohmann::json list = nlohmann::json::array();
  for (const ModuleWeights& module : modules) {
    std::vector<std::string> parameters;
    for (const Parameter& parameter : module.parameters) parameters.push_back(parameter.name);
    nlohmann::json entry = {{"kind", module.kind},
                            {"name", module.name},
                            {"activation", module.options.activation},
                            {"hidden", module.options.hidden},
                            {"inputs", module.inputs},
                            {"outputs", module.outputs},
                            {"states", module.states},
                            {"parameters", parameters}};
    for (const auto& [key, numbers] : lists_of(module.options)) {
      if (module.kind == kConvolutionModule && !numbers->empty()) entry[key] = *numbers;
    }
    if (module.kind == kGruModule) entry["gru"] = module.options.gru;
    list.push_back(std::move(entry));
  }
  return list.dump();
}

/// The reverse; the parameters have names, but no numbers yet. Throws Error, naming `name`, where the text is something
/// else.
std::vector<ModuleWeights> modules_of_text(const std::string& text, const std::string& name) {
  const Error wrong(name +
                    ": its metadata 'modules' is not what stampede writes there: a list of the network's modules, "
                    "of which the last one alone is dense");
  const auto count = [&](const nlohmann::json& value) {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 20;  // far beyond any network's width
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMost) throw wrong;
    return value.get<int>();
  };
  try {
    std::vector<ModuleWeights> modules;
    for (const nlohmann::json& entry : nlohmann::json::parse(text)) {
      ModuleWeights module;
      entry.at("kind").get_to(module.kind);
      entry.at("name").get_to(module.name);
      entry.at("activation").get_to(module.options.activation);
      for (const nlohmann::json& width : entry.at("hidden")) module.options.hidden.push_back(count(width));
      for (const auto& [key, numbers] : lists_of(module.options)) {
        if (!entry.contains(key)) continue;
        for (const nlohmann::json& number : entry.at(key)) numbers->push_back(count(number));
      }
      if (entry.contains("gru")) module.options.gru = count(entry.at("gru"));
      module.inputs = count(entry.at("inputs"));
      module.outputs = count(entry.at("outputs"));
      module.states = count(entry.at("states"));
      for (const nlohmann::json& parameter : entry.at("parameters")) {
        module.parameters.push_back({parameter.get<std::string>(), {}, {}});
      }
      modules.push_back(std::move(module));
    }
    for (std::size_t i = 0; i < modules.size(); ++i) {
      if ((modules[i].kind == kDenseModule) != (i + 1 == modules.size())) throw wrong;
    }
    return modules;
  } catch (const nlohmann::json::exception&) {
    throw wrong;
  }
}

/// The modules of a file of an earlier version, which has dense layers only and no list of modules.
std::vector<ModuleWeights> modules_of_layers(const SafetensorsFile& file, const std::string& prefix,
                                             const std::string& activation) {
  ModuleWeights module;
  module.options.activation = activation;
  for (int i = 0; file.find(prefix + "actor." + std::to_string(i) + ".weight") != nullptr; ++i) {
    module.parameters.push_back({std::to_string(i) + ".weight", {}, {}});
    module.parameters.push_back({std::to_string(i) + ".bias", {}, {}});
  }
  return {module};
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
  for (const ModuleWeights& module : policy.actor) {
    for (const Parameter& parameter : module.parameters) {
      tensors.push_back(make_tensor(prefix + module.name + "." + parameter.name, parameter.shape, parameter.values));
    }
  }
  for_each_vector(policy, [&](const char* name, const std::vector<float>& values) {
    tensors.push_back(make_tensor(prefix + name, shape_of(values), values));
  });
  return tensors;
}

std::map<std::string, std::string> policy_metadata(const Policy& policy, const std::string& prefix) {
  return {{prefix + "task", policy.task},
          {prefix + "activation", policy.actor.empty() ? "" : policy.actor.back().options.activation},
          {prefix + "modules", modules_text(policy.actor)},
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
  policy.observation_clip = std::strtof(word("observation_clip").c_str(), nullptr);
  for_each_vector(policy, [&](const char* key, std::vector<float>& values) { values = floats_of(need(key)); });

  const auto listed = file.metadata.find(prefix + "modules");
  policy.actor = listed == file.metadata.end() ? modules_of_layers(file, prefix, word("activation"))
                                               : modules_of_text(listed->second, name);
  std::int64_t inputs = policy.observations();
  for (ModuleWeights& module : policy.actor) {
    if (const std::string& said = module.options.activation;
        std::find(kActivations.begin(), kActivations.end(), said) == kActivations.end()) {
      throw Error(name + ": the activation '" + said + "' is unknown; elu, tanh, relu or silu would be right");
    }
    for (Parameter& parameter : module.parameters) {
      const Tensor& tensor = need(module.name + "." + parameter.name);
      parameter.shape = tensor.shape;
      parameter.values = floats_of(tensor);
    }
    if (module.kind == kDenseModule) {
      std::int64_t width = inputs;
      for (std::size_t i = 0; i < module.parameters.size() / 2; ++i) {
        const Tensor& weight = need(module.name + "." + std::to_string(i) + ".weight");
        const Tensor& bias = need(module.name + "." + std::to_string(i) + ".bias");
        if (weight.shape.size() != 2) throw wrong_shape(weight, {-1, width});
        const std::int64_t outputs = weight.shape[0];
        if (weight.shape[1] != width) throw wrong_shape(weight, {outputs, width});
        if (bias.shape != std::vector<std::int64_t>{outputs}) throw wrong_shape(bias, {outputs});
        width = outputs;
      }
      module = dense_module(module.name, module.options.activation, dense_layers(module));
    } else if (module.inputs != inputs) {
      throw Error(name + ": the module '" + module.name + "' takes " + std::to_string(module.inputs) +
                  " numbers where there are " + std::to_string(inputs));
    }
    inputs = module.outputs;
  }
  if (policy.actor.empty() || policy.actor.back().parameters.empty()) {
    throw Error(name + ": holds no tensor '" + prefix + "actor.0.weight'");
  }
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
