#include "host/app/session/initial_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "host/app/export/policy_file.hpp"
#include "host/app/export/policy_fit.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/base/error.hpp"

namespace stampede {
namespace {

constexpr const char* kInitialPolicy = "initial_policy.safetensors";

/// Adds observations behind the policy's own, with weights of 0.
void add_observations(Policy& policy, const std::vector<std::string>& names, const std::string& source) {
  if (policy.actor.size() != 1) {
    throw Error(source + ": the task has the observation '" + names.front() +
                "', which the policy was not trained with; " +
                "observations can be added where the network has dense layers only, and it begins with '" +
                policy.actor.front().kind + "'");
  }
  std::vector<DenseLayer> layers = policy.layers();
  DenseLayer& first = layers.front();
  const auto had = static_cast<std::size_t>(first.inputs), has = had + names.size();
  std::vector<float> weight(static_cast<std::size_t>(first.outputs) * has, 0.0f);
  for (std::size_t row = 0; row < static_cast<std::size_t>(first.outputs); ++row) {
    const auto from = first.weight.begin() + static_cast<std::ptrdiff_t>(row * had);
    std::copy(from, from + first.inputs, weight.begin() + static_cast<std::ptrdiff_t>(row * has));
  }
  first.weight = std::move(weight);
  first.inputs = static_cast<int>(has);
  policy.set_layers(layers);
  policy.observation_mean.resize(has, 0.0f);
  policy.observation_variance.resize(has, 1.0f);
}

/// Adds what the task's policy sees besides what this one was trained with, by the names in its facts.
void add_missing_observations(Policy& policy, const TaskSpec& task, const std::string& source,
                              std::vector<std::string>& notes) {
  const auto found = policy.facts.find("observation_names");
  auto names = found == policy.facts.end() ? nlohmann::json() : nlohmann::json::parse(found->second, nullptr, false);
  if (!names.is_array() || names.size() != policy.observation_mean.size()) return;
  std::vector<std::string> added;
  for (const std::string& name : task.policy().names) {
    if (std::find(names.begin(), names.end(), name) == names.end()) added.push_back(name);
  }
  if (added.empty()) return;
  add_observations(policy, added, source);
  for (const std::string& name : added) names.push_back(name);
  policy.facts["observation_names"] = names.dump();
  notes.push_back(fmt::format("{}: {} observations are added that the policy was not trained with, from '{}' on",
                              source, added.size(), added.front()));
}

}  // namespace

Policy initial_policy(const std::string& source, const PlannedTask& task, const std::string& flag,
                      std::vector<std::string>& notes) {
  std::error_code code;
  const bool folder = std::filesystem::is_directory(source, code);
  Policy policy = folder ? load_run(source, {}, flag).policy : read_policy_file(source);
  const NetworkSettings& network = task.settings.network;
  if (policy.actor.size() == 1 && network.modules == std::vector<std::string>{kDenseModule}) {
    const ModuleOptions& own = policy.actor.front().options;
    if (own.hidden != network.actor || own.activation != network.activation) {
      throw Error(
          fmt::format("{} {}: its network has layers of {} units and {}, the training's {} and {}; give "
                      "network.actor and network.activation as the policy has them",
                      flag, source, nlohmann::json(own.hidden).dump(), own.activation,
                      nlohmann::json(network.actor).dump(), network.activation));
    }
  }
  if (!folder && std::filesystem::path(source).extension() != ".safetensors") {
    std::fill(policy.log_std.begin(), policy.log_std.end(), std::log(network.initial_std));
    notes.push_back(source + " holds no standard deviations; the training begins with network.initial_std");
  }
  add_missing_observations(policy, *task.spec, source, notes);
  policy.task = task.spec->name;  // another task's policy may begin this one's, if all has the same names
  return fit_policy(std::move(policy), *task.spec, source, notes);
}

TrainOptions beginning_with(const std::string& source, const PlannedTask& task, const std::string& flag,
                            TrainOptions options) {
  options.before = initial_policy(source, task, flag, options.notes);
  options.more_files = [bytes = to_policy_safetensors(*options.before, *task.spec)](Engine&) {
    return std::map<std::string, std::string>{{kInitialPolicy, bytes}};
  };
  return options;
}

std::optional<Policy> kept_initial_policy(const std::filesystem::path& run) {
  const std::filesystem::path file = run / kInitialPolicy;
  std::error_code code;
  if (!std::filesystem::exists(file, code)) return std::nullopt;
  return read_policy_file(file.string());
}

}  // namespace stampede
