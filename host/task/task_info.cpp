/// \file Reads off the tasks what the program knows of them.
#include "host/task/task_info.hpp"

#include <utility>

#include "envs/tasks.hpp"
#include "host/task/task_files.hpp"

namespace stampede {
namespace {

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
  return spec;
}

template <class Task>
TaskInfo describe_task() {
  using Parameters = typename Task::Parameters;
  TaskInfo info;
  info.name = info.kernel = Task::kName;
  info.summary = Task::kSummary;
  info.specify = specify_task<Task>;
  info.defaults = Task::kDefaults;
  const Parameters defaults;
  Parameters::describe([&](const char* name, float Parameters::*member, double low, double high, const char* meaning) {
    info.parameters.push_back({name, meaning, defaults.*member, static_cast<float>(low), static_cast<float>(high)});
  });
  return info;
}

}  // namespace

const std::vector<TaskInfo>& compiled_tasks() {
  static const std::vector<TaskInfo> all = [] {
    std::vector<TaskInfo> list;
    Tasks::for_each([&]<class Task>(Task) { list.push_back(describe_task<Task>()); });
    return list;
  }();
  return all;
}

const TaskInfo* find_compiled_task(const std::string& name) {
  for (const TaskInfo& task : compiled_tasks()) {
    if (task.name == name) return &task;
  }
  return nullptr;
}

const std::vector<TaskInfo>& tasks() {
  static const std::vector<TaskInfo> all = [] {
    std::vector<TaskInfo> list = compiled_tasks();
    for (TaskInfo& task : tasks_with_files()) list.push_back(std::move(task));
    return list;
  }();
  return all;
}

}  // namespace stampede
