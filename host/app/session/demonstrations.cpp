/// \file From a data set to what a student learns from.
#include "host/app/session/demonstrations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "host/app/export/policy_fit.hpp"
#include "host/app/export/safetensors.hpp"
#include "host/base/error.hpp"

namespace stampede {
namespace {

constexpr const char* kRecorded = "the recorded policy";

/// What a data set says of the policy that was recorded, as a policy without a network. Its normaliser's means are the
/// numbers of the observations' columns, its standard deviations those of the actions': fit_policy puts them into the
/// task's order by their names, as it does with every policy's.
Policy recorded_policy(const DataSet& set, const std::string& name) {
  Policy policy;
  policy.facts = set.metadata;
  const auto list = [&]<class Value>(const char* key, const char* tensor, Value) {
    const auto json = nlohmann::json::parse(policy.facts[key], nullptr, false);
    const auto count = static_cast<std::size_t>(set.tensor(tensor).shape[1]);
    try {
      auto values = json.get<std::vector<Value>>();
      if (values.size() == count) return values;
    } catch (const nlohmann::json::exception&) {
    }
    throw Error(fmt::format("{}: its metadata '{}' must be a JSON list of {} entries, one for each column of '{}'",
                            name, key, count, tensor));
  };
  list("observation_names", "observation.policy", std::string());
  list("action_names", "action", std::string());
  policy.action_centre = list("action_centre", "action", 0.0f);
  policy.action_scale = list("action_scale", "action", 0.0f);
  const auto numbers = [&](const char* tensor) {
    std::vector<float> all(static_cast<std::size_t>(set.tensor(tensor).shape[1]));
    std::iota(all.begin(), all.end(), 0.0f);
    return all;
  };
  policy.observation_mean = numbers("observation.policy");
  policy.log_std = numbers("action");
  return policy;
}

/// The tensor's rows with the columns in another order: `columns` are their numbers.
std::vector<float> in_order(const Tensor& tensor, const std::vector<float>& columns) {
  std::vector<float> values = floats_of(tensor), row(columns.size());
  for (auto at = values.begin(); at != values.end(); at += static_cast<std::ptrdiff_t>(row.size())) {
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = at[static_cast<std::ptrdiff_t>(columns[i])];
    std::copy(row.begin(), row.end(), at);
  }
  return values;
}

/// Fills in mean and variance of each column. One that never changes keeps its distance from its mean: it gets the
/// variance 1. The first `pixels` columns, of pictures, stay as they are.
void measure(Demonstrations& all, int pixels) {
  constexpr double kNone = 1e-12;
  const std::size_t width = all.observation.size() / static_cast<std::size_t>(all.steps);
  std::vector<double> mean(width), square(width);
  const auto for_each = [&](const auto& body) {
    for (std::size_t i = 0; i < all.observation.size(); ++i) body(i % width, static_cast<double>(all.observation[i]));
  };
  for_each([&](std::size_t i, double x) { mean[i] += x / static_cast<double>(all.steps); });
  for_each(
      [&](std::size_t i, double x) { square[i] += (x - mean[i]) * (x - mean[i]) / static_cast<double>(all.steps); });
  for (std::size_t i = 0; i < width; ++i) {
    if (i < static_cast<std::size_t>(pixels)) {
      all.mean.push_back(0.0f);
      all.variance.push_back(1.0f);
      continue;
    }
    all.mean.push_back(static_cast<float>(mean[i]));
    all.variance.push_back(square[i] < kNone ? 1.0f : static_cast<float>(square[i]));
  }
}

std::uint32_t checksum_of_floats(const std::vector<float>& values) {
  return checksum_of({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

}  // namespace

DataSet find_data_set(const PlannedTask& student) {
  const DistillSettings& distill = student.settings.distill.value();
  if (distill.loss == "kl") {
    throw Error(
        "distill.loss = \"kl\" needs a teacher's standard deviations, which a data set does not hold; mse or "
        "huber would be right");
  }
  if (distill.action_noise > 0) {
    throw Error(fmt::format("distill.action_noise = {}: a data set's actions are recorded; 0 would be right",
                            distill.action_noise));
  }
  return read_data_set(distill.dataset, "--dataset " + distill.dataset);
}

Demonstrations demonstrations_in(const DataSet& set, const PlannedTask& student, std::vector<std::string>& notes) {
  const TaskSpec& task = *student.spec;
  const std::string name = "--dataset " + student.settings.distill->dataset;
  Policy recorded = recorded_policy(set, name);
  const auto robot = std::as_const(recorded.facts).find("robot"), own = task.facts.find("robot");
  if (robot != recorded.facts.end() && own != task.facts.end() && robot->second != own->second) {
    throw Error(name + ": was recorded with the robot " + robot->second + ", but the task '" + task.name +
                "' has the robot " + own->second);
  }
  recorded.task = task.name;  // its numbers are compared by their names, as a teacher's
  std::vector<std::string> differences;
  recorded = fit_policy(std::move(recorded), task, name, differences);
  for (const std::string& difference : differences) notes.push_back("the data set: " + difference);
  check_control_step(recorded, task, name, kRecorded);
  check_action_scale(recorded, task, name, kRecorded);

  Demonstrations all;
  all.name = name;
  all.steps = set.steps;
  all.observation = in_order(set.tensor("observation.policy"), recorded.observation_mean);
  all.label = in_order(set.tensor("action"), recorded.log_std);
  for (std::size_t i = 0; i < all.label.size(); ++i) {
    const std::size_t action = i % task.action.names.size();
    all.label[i] = (all.label[i] - task.action.centre[action]) / task.action.scale[action];
  }
  measure(all, task.policy().pixels());
  all.checksum = {checksum_of_floats(all.observation), checksum_of_floats(all.label)};
  return all;
}

}  // namespace stampede
