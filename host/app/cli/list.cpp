/// \file `stampede list`: tasks, robots, kinds of terrain, algorithms, presets; all that can be set in a task; what
/// formulas can name.
#include <fmt/format.h>

#include "envs/legged/signals.hpp"
#include "envs/legged/terrain/kinds.hpp"
#include "host/app/cli/command.hpp"
#include "host/engine/robot_model.hpp"
#include "host/model/robot/find_robot.hpp"
#include "host/task/presets.hpp"
#include "host/task/settings_io.hpp"

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

struct ListFlags {
  std::string settings, algo;
  bool signals = false;
};

/// Every setting of a task: in the table `key = value`, then what it may be and what it means.
Outcome list_settings_of(const ListFlags& flags, Outcome outcome) {
  SettingsSources sources;
  sources.flags.push_back({"task", flags.settings, "--settings"});
  if (!flags.algo.empty()) sources.flags.push_back({"algo", flags.algo, "--algo"});
  const Settings settings = resolve_settings(sources);
  Json list = Json::array();
  std::string table;
  for (const SettingInfo& setting : list_settings(settings)) {
    if (setting.table != table) outcome.text += fmt::format("{}[{}]\n", table.empty() ? "" : "\n", setting.table);
    table = setting.table;
    outcome.text += fmt::format("{} = {}\n    {} ({})\n", setting.key, setting.value, setting.meaning, setting.allowed);
    list.push_back({{"key", setting.table + "." + setting.key},
                    {"value", setting.value},
                    {"allowed", setting.allowed},
                    {"meaning", setting.meaning}});
  }
  outcome.json = {{"task", settings.task}, {"algo", settings.algo}, {"settings", list}};
  return outcome;
}

/// What formulas of walking tasks can name.
Outcome list_signals(Outcome outcome) {
  Json signals = Json::array();
  const auto print = [&](const char* title, const char* shape, Per per) {
    outcome.text += fmt::format("{}\n", title);
    for (const SignalInfo& info : kSignals) {
      if (info.per != per) continue;
      signals.push_back({{"name", info.name}, {"shape", shape}, {"unit", info.unit}, {"meaning", info.meaning}});
      outcome.text += fmt::format("  {:<22} {:<8} {}\n", info.name, info.unit, info.meaning);
    }
  };
  print("One number", "environment", Per::kBase);
  print("One for each foot; [\"FL_*\"] chooses by the name of the limb's first joint", "foot", Per::kLimb);
  print("One for each driven joint; [\"*_calf_joint\"] chooses by name", "joint", Per::kJoint);
  print("One for each point of the height scan, which [scan] of the task places", "scan", Per::kScan);
  outcome.json = {{"signals", signals}};
  return outcome;
}

Outcome run_list(const CommonFlags& common, const ListFlags& flags) {
  Outcome outcome;
  name_device(common, outcome);
  if (flags.signals && !(flags.settings.empty() && flags.algo.empty())) {
    throw Error("--signals names the same for all tasks; leave --settings and --algo out, or --signals");
  }
  if (flags.signals) return list_signals(std::move(outcome));
  if (!flags.settings.empty()) return list_settings_of(flags, std::move(outcome));
  if (!flags.algo.empty()) throw Error("--algo " + flags.algo + " belongs to --settings TASK; add that");

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
  auto flags = std::make_shared<ListFlags>();
  CLI::App* list = add_command(app, chosen, "list", "Name the tasks, robots, kinds of terrain, algorithms and presets",
                               "stampede list\n  stampede list --settings go2-flat", common,
                               [common, flags] { return run_list(*common, *flags); });
  list->add_option("--settings", flags->settings, "a task: names all that can be set in it instead, with its values");
  list->add_option("--algo", flags->algo, "with --settings: of which algorithm, if not ppo");
  list->add_flag("--signals", flags->signals, "name what formulas of walking tasks can use instead, with units");
}

}  // namespace stampede::cli
