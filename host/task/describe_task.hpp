#pragma once
/// \file Makes the catalogue's entry of a task that is compiled in (envs/task.hpp).

#include <cstring>
#include <string>
#include <vector>

#include "envs/task.hpp"
#include "host/task/task_info.hpp"

namespace stampede {

/// A task with these values of its parameters; those that are not given have their defaults.
template <class Task>
TaskSpec specify_task(const std::vector<float>& values) {
  typename Task::Parameters parameters;
  set_parameters(parameters, values);
  TaskSpec spec;
  spec.name = spec.kernel = Task::kName;
  ObservationGroup& policy = spec.observations.emplace_back();
  policy.name = "policy";
  for (const char* name : Task::observation_names().values) policy.names.emplace_back(name);
  for (const char* name : Task::action_names().values) spec.action.names.emplace_back(name);
  Array<float, Task::kActions> low, high;
  Task::action_bounds(parameters, low, high);
  spec.action.low.assign(low.values, low.values + Task::kActions);
  spec.action.high.assign(high.values, high.values + Task::kActions);
  for (int a = 0; a < Task::kActions; ++a) {
    spec.action.centre.push_back(0.5f * (low[a] + high[a]));
    spec.action.scale.push_back(0.5f * (high[a] - low[a]));
  }
  spec.states = kStates<Task>;
  spec.max_steps = Task::kMaxSteps;
  spec.control_dt = static_cast<double>(parameters.dt);
  spec.metric = Task::kMetric;
  spec.parameters = values;
  if constexpr (kHasMeasures<Task>) {
    for (const Measure& measure : Task::kMeasures) {
      const std::string name = std::string("measures/") + measure.name;
      spec.metrics.push_back(
          {{.name = name, .tag = name, .unit = measure.unit, .panel = "the task's measures"}, spec.metric_rows++});
    }
  }
  return spec;
}

/// Draws a state [kStates<Task>] of such a task.
template <class Task>
Sketch sketch_task(const std::vector<float>& values, const float* numbers) {
  typename Task::Parameters parameters;
  set_parameters(parameters, values);
  typename Task::template State<float> state;
  std::memcpy(&state, numbers, sizeof state);
  return Task::sketch(parameters, state);
}

template <class Task>
TaskInfo describe_task() {
  using Parameters = typename Task::Parameters;
  TaskInfo info;
  info.name = info.kernel = Task::kName;
  info.summary = Task::kSummary;
  info.specify = specify_task<Task>;
  if constexpr (requires { &Task::sketch; }) info.sketch = sketch_task<Task>;
  info.defaults = Task::kDefaults;
  const Parameters defaults;
  Parameters::describe([&](const char* name, float Parameters::*member, double low, double high, const char* meaning) {
    info.parameters.push_back({name, meaning, defaults.*member, static_cast<float>(low), static_cast<float>(high)});
  });
  return info;
}

/// Puts tasks into the catalogue, for the whole program: to be called before it is read.
template <class... Task>
void register_tasks(TaskList<Task...>) {
  (register_task(describe_task<Task>()), ...);
}

}  // namespace stampede
