/// \file Reading, layering and checking of settings.
#include "host/task/settings_io.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <type_traits>
#include <utility>

#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/base/suggest.hpp"
#include "host/task/assign.hpp"
#include "host/task/layer.hpp"
#include "host/task/legged_tables.hpp"
#include "host/task/presets.hpp"
#include "host/task/settings_tables.hpp"
#include "host/task/task_files.hpp"

namespace stampede {
namespace {

using reading::assign;
using reading::Assigner;
using reading::fail_unknown;
using reading::place;
using reading::show;
using reading::Value;
using reading::wrong_type;

void apply_environment(Settings& settings, const toml::table& table, const Layer& layer, const TaskInfo& task) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    std::size_t index = 0;
    while (index < task.parameters.size() && task.parameters[index].name != name) ++index;
    if (index == task.parameters.size()) fail_unknown(layer, node, "environment." + name, &task);
    const TaskParameter& parameter = task.parameters[index];
    assign(Value{layer, node, "environment." + name}, settings.environment[index],
           Bounds{parameter.low, parameter.high});
  }
}

/// Puts one layer on top. `built_in` layers may tune algorithms and presets under `for`.
void apply(Settings& settings, const toml::table& table, const Layer& layer, const TaskInfo& task, bool built_in) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    // These choose the layers and were read before.
    if (name == "task" || name == "algo" || name == "preset") continue;
    if (name == "extends" || name == "summary" || (task.legged() && name == "objective")) continue;
    if (built_in && name == "for") continue;
    if (name == "seed") {
      const auto* seed = node.as_integer();
      if (seed == nullptr) throw Error(place(layer, node) + wrong_type(node, "seed", "a whole number, 0 or more"));
      if (seed->get() < 0) {
        throw Error(place(layer, node) + "seed = " + show(node) + " is out of range; it must be from 0 to " +
                    std::to_string(std::numeric_limits<std::int64_t>::max()));
      }
      settings.seed = static_cast<std::uint64_t>(seed->get());
      continue;
    }
    const toml::table* inner = node.as_table();
    bool known =
        name == "environment" || (task.legged() && (name == "rewards" || name == "constraints" || name == "state"));
    for_each_table(settings, [&](const std::string& table_name, auto&) { known = known || table_name == name; });
    if (!known) fail_unknown(layer, node, name, &task);
    if (inner == nullptr) {
      throw Error(place(layer, node) + wrong_type(node, name, ("a table, as in " + name + ".key = value").c_str()));
    }
    if (name == "environment") {
      apply_environment(settings, *inner, layer, task);
      continue;
    }
    if (task.legged() && reading::apply_legged_table(*settings.legged, name, *inner, layer, task)) continue;
    for_each_table(settings, [&](const std::string& table_name, auto& target) {
      if (table_name != name) return;
      using Struct = std::decay_t<decltype(target)>;
      for (const auto& [inner_key, inner_node] : *inner) {
        const std::string field(inner_key.str());
        const Value value{layer, inner_node, name + "." + field};
        Assigner<Struct> assigner{target, field, value};
        Struct::describe(assigner);
        if (!assigner.found) fail_unknown(layer, inner_node, value.key, &task);
      }
    });
  }
}

/// Checks all that a task says of algorithms, presets and objectives under `for`, also of those that are not chosen
/// now: a misspelt name would never be chosen, and never be noticed.
void check_variants(const Settings& settings, const Layer& layer, const TaskInfo& task) {
  const toml::node* node = layer.table.get("for");
  if (node == nullptr) return;
  const toml::table* variants = node->as_table();
  if (variants == nullptr) {
    throw Error(place(layer, *node) + wrong_type(*node, "for", "a table, as in [for.ppo.algorithm]"));
  }
  std::vector<std::string> names;
  for (const auto* fragments : {&algorithms(), &presets(), &objectives()}) {
    if (fragments == &objectives() && !task.legged()) continue;
    for (const std::string& name : names_of(*fragments)) names.push_back(name);
  }
  for (const auto& [key, tuned] : *variants) {
    const std::string name(key.str()), table = "for." + name;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw Error(place(layer, tuned) + table + ": there is no algorithm, preset or objective '" + name + "'; " +
                  suggestion(name, names));
    }
    const toml::table* inner = tuned.as_table();
    if (inner == nullptr) {
      throw Error(place(layer, tuned) + wrong_type(tuned, table, ("a table, as in [" + table + ".algorithm]").c_str()));
    }
    for (const char* choice : {"task", "algo", "preset", "objective", "extends", "summary", "for"}) {
      if (const toml::node* found = inner->get(choice)) {
        throw Error(place(layer, *found) + table + "." + choice + ": cannot depend on what is chosen; [" + table +
                    ".algorithm] and the like would be right");
      }
    }
    Settings tried = settings;
    for (const Fragment& fragment : algorithms()) {
      if (fragment.name == name && fragment.teaches) tried.distill.emplace();
    }
    apply(tried, *inner, layer, task, false);
  }
}

// ---- Sources ----

/// What the last layer with a top-level key that chooses layers gives it, or `fallback`; `origin` becomes the place of
/// it, for messages.
std::string choose(const std::vector<Layer>& layers, const char* key, const std::string& fallback,
                   std::string& origin) {
  std::string chosen = fallback;
  for (const Layer& layer : layers) {
    const toml::node* node = layer.table.get(key);
    if (node == nullptr) continue;
    assign(Value{layer, *node, key}, chosen);
    origin = place(layer, *node);
    origin.resize(origin.size() - 2);
  }
  return chosen;
}

const Fragment& find_fragment(const std::vector<Fragment>& fragments, const std::string& name, const char* kind,
                              const std::string& origin) {
  for (const Fragment& fragment : fragments) {
    if (fragment.name == name) return fragment;
  }
  throw Error(origin + ": unknown " + kind + " '" + name + "'; " + suggestion(name, names_of(fragments)));
}

}  // namespace

TaskInfo find_task(const std::string& name, const std::string& origin) {
  std::vector<std::string> names;
  for (TaskInfo& task : tasks()) {
    if (task.name == name) return std::move(task);
    names.push_back(task.name);
  }
  const std::string where = origin.empty() ? "" : origin + ": ";
  if (std::filesystem::path(name).extension() == ".toml") {
    std::error_code code;
    if (!std::filesystem::is_regular_file(name, code)) throw Error(where + "there is no task file '" + name + "'");
    return read_task_file(name);
  }
  throw Error(where + "unknown task '" + name + "'; " + suggestion(name, names));
}

TaskInfo task_of(const Settings& settings) {
  TaskInfo task;
  if (const TaskInfo* compiled = find_compiled_task(settings.kernel)) task = *compiled;
  task.name = settings.task;
  task.kernel = settings.kernel;
  return task;
}

namespace {

/// A robot that is named by a file is looked for beside the file that names it.
void settle_robot(Settings& settings, const toml::table& table, const std::string& file) {
  if (!settings.legged || !table.at_path("control.robot").is_string()) return;
  std::string& robot = settings.legged->control.robot;
  if (robot.find('/') == std::string::npos && robot.find('.') == std::string::npos) return;
  std::error_code code;
  const std::filesystem::path beside = std::filesystem::path(file).parent_path() / robot;
  if (!file.empty() && robot.rfind(kTrainedRobot + std::string("/"), 0) == 0 &&
      !std::filesystem::exists(beside, code)) {
    throw Error(file + ": control.robot = \"" + robot +
                "\" is not there: it is the run's own copy of its robot, in a " +
                "folder beside config.toml; copy that folder along");
  }
  const std::filesystem::path found = std::filesystem::exists(beside, code) ? beside : std::filesystem::path(robot);
  robot = std::filesystem::absolute(found, code).lexically_normal().string();
}

/// The task that the layers name. One that is defined in a configuration says what it extends.
TaskInfo chosen_task(const std::vector<Layer>& given) {
  std::string origin;
  const std::string name = choose(given, "task", "", origin);
  if (name.empty()) {
    std::vector<std::string> names;
    for (const TaskInfo& task : tasks()) names.push_back(task.name);
    throw Error("--task is missing; known are " + join(names));
  }
  for (auto it = given.rbegin(); it != given.rend(); ++it) {
    const Layer& layer = *it;
    const toml::node* extends = layer.table.get("extends");
    if (extends == nullptr) continue;
    std::string from = place(layer, *extends);
    from.resize(from.size() - 2);
    if (const auto* word = extends->as_string()) return extended_task(name, word->get(), from);
    const toml::array* list = extends->as_array();
    if (list == nullptr || !list->empty()) {
      throw Error(from + ": " + wrong_type(*extends, "extends", "a task's name or file, or [] for none"));
    }
    // A configuration that describes one task completely cannot be that of another.
    if (const auto* own = layer.table.get_as<std::string>("task"); own == nullptr || own->get() != name) {
      throw Error(origin + ": the task is '" + name + "', but " + layer.origin + " is all of " +
                  (own == nullptr ? "another" : "'" + own->get() + "'") +
                  " by itself (extends = []); leave one of them out");
    }
    return extended_task(name, "", from);
  }
  return find_task(name, origin);
}

}  // namespace

Settings resolve_settings(const SettingsSources& sources) {
  std::vector<Layer> given;
  if (!sources.config_file.empty()) {
    Layer file = parse_layer(read_file(sources.config_file, kLargestText), sources.config_file, true);
    if (!sources.config_table.empty()) file = table_of(std::move(file), sources.config_table);
    given.push_back(std::move(file));
  }
  for (const std::string& text : sources.set) given.push_back(parse_override(split_set(text)));
  for (const Override& flag : sources.flags) given.push_back(parse_override(flag));

  Settings settings;
  std::string origin;
  const TaskInfo task = chosen_task(given);
  settings.task = task.name;
  settings.kernel = task.kernel;
  if (task.legged()) settings.legged.emplace();
  for (const TaskParameter& parameter : task.parameters) settings.environment.push_back(parameter.value);

  std::vector<Layer> of_task;
  if (!task.defaults.empty()) {
    of_task.push_back(parse_layer(task.defaults, "defaults of the task " + task.kernel, true));
  }
  for (const std::string& file : task.files) of_task.push_back(parse_layer(read_file(file, kLargestText), file, true));
  std::vector<Layer> chosen_by = of_task;
  for (const Layer& layer : given) chosen_by.push_back(layer);
  settings.algo = choose(chosen_by, "algo", sources.default_algo, origin = "--algo");
  const Fragment& algorithm = find_fragment(algorithms(), settings.algo, "algorithm", origin);
  if (algorithm.teaches) settings.distill.emplace();
  settings.preset = choose(chosen_by, "preset", settings.preset, origin = "--preset");
  const Fragment& preset = find_fragment(presets(), settings.preset, "preset", origin);
  std::vector<const Fragment*> fragments = {&algorithm, &preset};
  if (task.legged()) {
    const std::string word = choose(chosen_by, "objective", settings.legged->objective, origin = "--objective");
    fragments.push_back(&find_fragment(objectives(), word, "objective", origin));
    settings.legged->objective = word;
  }

  for (const Layer& layer : of_task) {
    apply(settings, layer.table, layer, task, true);
    settle_robot(settings, layer.table, layer.origin);
  }
  for (const Layer& layer : of_task) check_variants(settings, layer, task);
  for (const Fragment* fragment : fragments) {
    const Layer layer = parse_layer(fragment->toml, std::string("built-in ") + fragment->name, true);
    apply(settings, layer.table, layer, task, false);
    for (const Layer& from : of_task) {
      if (const toml::table* tuned = from.table["for"][fragment->name].as_table()) {
        apply(settings, *tuned, from, task, false);
      }
    }
  }
  for (const Layer& layer : given) {
    apply(settings, layer.table, layer, task, false);
    settle_robot(settings, layer.table, layer.has_lines ? layer.origin : "");
  }
  return settings;
}

}  // namespace stampede
