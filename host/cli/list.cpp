/// \file `stampede list`: tasks, robots, algorithms, presets.
#include <fmt/format.h>

#include "host/cli/command.hpp"
#include "host/settings/presets.hpp"

namespace stampede::cli {
namespace {

Json parameters_of(const TaskInfo& task) {
  Json parameters = Json::object();
  for (const TaskParameter& parameter : task.parameters) {
    parameters[parameter.name] = {
        {"value", parameter.value}, {"low", parameter.low}, {"high", parameter.high}, {"meaning", parameter.meaning}};
  }
  return parameters;
}

Outcome run(const CommonFlags& common) {
  Outcome outcome;
  name_device(common, outcome);

  Json names = Json::array(), details = Json::object();
  outcome.text = "Tasks\n";
  for (const TaskInfo& task : tasks()) {
    names.push_back(task.name);
    details[task.name] = {{"summary", task.summary},       {"observations", task.observation_names},
                          {"actions", task.action_names},  {"max_steps", task.max_steps},
                          {"control_dt", task.control_dt}, {"parameters", parameters_of(task)}};
    outcome.text += fmt::format("  {:<20} {}\n", task.name, task.summary);
  }
  const auto print = [&outcome](const char* title, const std::vector<Fragment>& fragments) {
    outcome.text += fmt::format("{}\n", title);
    for (const Fragment& fragment : fragments) {
      outcome.text += fmt::format("  {:<20} {}\n", fragment.name, fragment.summary);
    }
  };
  print("Algorithms", algorithms());
  print("Presets", presets());
  outcome.json = {{"tasks", names},
                  {"robots", Json::array()},
                  {"algorithms", names_of(algorithms())},
                  {"presets", names_of(presets())},
                  {"task_details", details}};
  return outcome;
}

}  // namespace

void add_list(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  add_command(app, chosen, "list", "Name the tasks, algorithms and presets", "stampede list", common,
              [common] { return run(*common); });
}

}  // namespace stampede::cli
