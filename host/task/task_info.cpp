/// \file Reads off the tasks what the program knows of them.

#include "host/task/task_info.hpp"

#include <utility>

#include "envs/tasks.hpp"
#include "host/task/task_files.hpp"

namespace stampede {
namespace {

template <class Task>
TaskInfo describe_task() {
  using Parameters = typename Task::Parameters;
  TaskInfo info;
  info.name = Task::kName;
  info.summary = Task::kSummary;
  info.observations = Task::kObservations;
  info.actions = Task::kActions;
  info.states = kStates<Task>;
  info.max_steps = Task::kMaxSteps;
  info.metric = Task::kMetric;
  info.defaults = Task::kDefaults;
  for (const char* name : Task::observation_names().values) info.observation_names.push_back(name);
  for (const char* name : Task::action_names().values) info.action_names.push_back(name);
  const Parameters defaults;
  info.control_dt = defaults.dt;
  Parameters::describe([&](const char* name, float Parameters::*member, double low, double high, const char* meaning) {
    info.parameters.push_back({name, meaning, defaults.*member, static_cast<float>(low), static_cast<float>(high)});
  });
  return info;
}

}  // namespace

const std::vector<TaskInfo>& tasks() {
  static const std::vector<TaskInfo> all = [] {
    std::vector<TaskInfo> list;
    Tasks::for_each([&]<class Task>(Task) { list.push_back(describe_task<Task>()); });
    for (TaskInfo& task : legged_tasks()) list.push_back(std::move(task));
    return list;
  }();
  return all;
}

}  // namespace stampede
