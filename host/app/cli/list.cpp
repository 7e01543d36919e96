/// \file `stampede list`: tasks, robots, kinds of terrain, algorithms, presets.
#include <fmt/format.h>

#include "envs/legged/terrain/kinds.hpp"
#include "host/app/cli/command.hpp"
#include "host/engine/robot_model.hpp"
#include "host/model/robot/find_robot.hpp"
#include "host/task/presets.hpp"

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

Outcome run_list(const CommonFlags& common) {
  Outcome outcome;
  name_device(common, outcome);

  Json names = Json::array(), details = Json::object();
  outcome.text = "Tasks\n";
  for (const TaskInfo& task : tasks()) {
    names.push_back(task.name);
    Json& detail = details[task.name] = {{"summary", task.summary}};
    if (!task.files.empty()) detail["file"] = task.files.back();
    if (task.specify != nullptr && task.files.empty()) {  // a task's file itself says what it sets
      const TaskSpec spec = task.specify({});
      detail["observations"] = spec.policy().names;
      detail["actions"] = spec.action.names;
      detail["max_steps"] = spec.max_steps;
      detail["control_dt"] = spec.control_dt;
      detail["parameters"] = parameters_of(task);
    }
    outcome.text += fmt::format("  {:<20} {}\n", task.name, task.summary);
  }
  const auto print = [&outcome](const char* title, const std::vector<Fragment>& fragments) {
    outcome.text += fmt::format("{}\n", title);
    for (const Fragment& fragment : fragments) {
      outcome.text += fmt::format("  {:<20} {}\n", fragment.name, fragment.summary);
    }
  };
  Json sizes = Json::array();
  std::string robot_line, size_line;
  for (const std::string& name : robot_names()) robot_line += (robot_line.empty() ? "" : ", ") + name;
  for (const RobotSize size : kRobotSizes) {
    sizes.push_back({{"limbs", size.limbs}, {"joints", size.joints}});
    size_line += fmt::format("{}{} x {}", size_line.empty() ? "" : ", ", size.limbs, size.joints);
  }
  outcome.text += fmt::format("Robots\n  {}; or any file, --robot FILE.xml|FILE.urdf\n", robot_line);
  outcome.text += fmt::format("  limbs x joints compiled in: {}; others run padded in the next larger\n", size_line);
  Json kinds = Json::array();
  outcome.text += "Terrain (--terrain)\n";
  for (const TerrainKindInfo& kind : kTerrainKinds) {
    kinds.push_back(kind.name);
    outcome.text += fmt::format("  {:<20} {}\n", kind.name, kind.what);
  }
  print("Objectives of walking tasks (--objective)", objectives());
  print("Algorithms", algorithms());
  print("Presets", presets());
  outcome.json = {{"tasks", names},
                  {"robots", robot_names()},
                  {"robot_sizes", sizes},
                  {"terrain", kinds},
                  {"objectives", names_of(objectives())},
                  {"algorithms", names_of(algorithms())},
                  {"presets", names_of(presets())},
                  {"task_details", details}};
  return outcome;
}

}  // namespace

void add_list(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  add_command(app, chosen, "list", "Name the tasks, robots, kinds of terrain, algorithms and presets", "stampede list",
              common, [common] { return run_list(*common); });
}

}  // namespace stampede::cli
