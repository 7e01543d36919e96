/// \file Tasks: which there are, and what one consists of.
#include "python/src/tasks.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "envs/legged/terrain/kinds.hpp"
#include "host/model/robot/find_robot.hpp"
#include "host/model/robot/mjb.hpp"
#include "python/src/bindings.hpp"

namespace stampede::python {

SettingsSources sources_of(const std::vector<Keyword>& keywords, const std::vector<std::string>& set,
                           const std::string& config) {
  SettingsSources sources;
  sources.config_file = config;
  sources.set = set;
  for (const auto& [key, value, origin] : keywords) sources.flags.push_back({key, value, origin});
  return sources;
}

namespace {

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const TaskInfo& task : tasks()) names.push_back(task.name);
  return names;
}

/// (name, kind, limit, first column, columns) of each constraint.
std::vector<std::tuple<std::string, std::string, float, int, int>> constraints_of(const PlannedTask& task) {
  std::vector<std::tuple<std::string, std::string, float, int, int>> all;
  for (const ConstraintSpec& c : task.spec->constraints.list)
    all.emplace_back(c.name, c.kind, c.limit, c.begin, c.columns);
  return all;
}

}  // namespace

void add_tasks(nb::module_& module) {
  module.def("tasks", &task_names, "Names of the tasks that come with stampede.");
  module.def(
      "terrain_kinds",
      [] {
        std::vector<std::string> names;
        for (const TerrainKindInfo& kind : kTerrainKinds) names.emplace_back(kind.name);
        return names;
      },
      "Kinds of ground, as terrain.kinds takes them.");
  module.def("robots", &robot_names, "Names of the robots that come with stampede.");
  nb::class_<PlannedTask>(module, "Task", "A task with its settings, ready to be simulated.")
      .def_prop_ro("name", [](const PlannedTask& task) { return task.spec->name; })
      .def_prop_ro(
          "control_dt", [](const PlannedTask& task) { return task.spec->control_dt; }, "[s]")
      .def_prop_ro(
          "max_steps", [](const PlannedTask& task) { return task.spec->max_steps; }, "An episode's time limit.")
      .def_prop_ro("action_names", [](const PlannedTask& task) { return task.spec->action.names; })
      .def_prop_ro("action_low", [](const PlannedTask& task) { return task.spec->action.low; })
      .def_prop_ro("action_high", [](const PlannedTask& task) { return task.spec->action.high; })
      .def_prop_ro("action_centre", [](const PlannedTask& task) { return task.spec->action.centre; })
      .def_prop_ro("action_scale", [](const PlannedTask& task) { return task.spec->action.scale; })
      .def_prop_ro(
          "groups",
          [](const PlannedTask& task) {
            std::vector<std::string> names;
            for (const ObservationGroup& group : task.spec->observations) names.push_back(group.name);
            return names;
          },
          "Names of the groups of observations, the policy's first.")
      .def("observation_names",
           [](const PlannedTask& task, const std::string& group) {
             const ObservationGroup* found = task.spec->find_group(group);
             if (found == nullptr)
               throw Error("task '" + task.spec->name + "' has no group of observations '" + group + "'");
             return found->names;
           })
      .def_prop_ro("constraints", &constraints_of, "(name, kind, limit, first column, columns) of each.")
      .def_prop_ro(
          "notes", [](const PlannedTask& task) { return task.spec->notes; },
          "What is simulated otherwise than the robot's file says.")
      .def_prop_ro(
          "picture", [](const PlannedTask& task) { return task.spec->policy().picture; },
          "Height and width of what the policy sees; empty where it sees no picture.")
      .def_prop_ro(
          "commanded", [](const PlannedTask& task) { return task.settings.legged.has_value(); },
          "Whether a robot walks in it.")
      .def_prop_ro(
          "positions", [](const PlannedTask& task) { return task.robot == nullptr ? 0 : task.robot->robot.nq; },
          "Of its states, those that are positions.")
      .def_prop_ro(
          "scene",
          [](const PlannedTask& task) {
            if (task.robot == nullptr) throw Error("task '" + task.spec->name + "' has no robot and no ground");
            const std::string bytes = to_mjb(task.robot->model.get());
            return nb::bytes(bytes.data(), bytes.size());
          },
          "Robot and ground as an MJB file of MuJoCo's.")
      .def_prop_ro(
          "settings", [](const PlannedTask& task) { return to_toml(task.settings); }, "Every setting, as TOML.");
  module.def(
      "plan_task",
      [](const std::vector<Keyword>& keywords, const std::vector<std::string>& set, const std::string& config) {
        return plan_task(resolve_settings(sources_of(keywords, set, config)));
      },
      nb::arg("keywords"), nb::arg("set"), nb::arg("config"),
      "The task of the settings: keywords (key, value as TOML, origin), over set, over the file config.");
}

}  // namespace stampede::python
