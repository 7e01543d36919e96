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
#include "host/task/layer.hpp"
#include "host/task/presets.hpp"
#include "host/task/settings_tables.hpp"
#include "host/task/task_files.hpp"

namespace stampede {
namespace {

// ---- Origins and messages ----

/// "run.toml:12: " or "--num-envs: ".
std::string place(const Layer& layer, const toml::node& node) {
  std::string text = layer.origin;
  if (layer.has_lines && node.source().begin.line > 0) text += ":" + std::to_string(node.source().begin.line);
  return text + ": ";
}

std::string show(const toml::node& node) {
  std::ostringstream text;
  if (const auto* table = node.as_table()) {
    text << toml::toml_formatter{*table, toml::format_flags::none};
    return "{...}";
  }
  text << toml::toml_formatter{node, toml::format_flags::none};
  std::string line = text.str();
  for (char& c : line) c = c == '\n' ? ' ' : c;
  return line;
}

/// Shortest decimal that reads back as the same number.
template <class Number>
std::string shortest(Number value) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, result.ptr);
}

std::string wrong_type(const toml::node& node, const std::string& key, const char* right) {
  std::ostringstream kind;
  kind << node.type();
  return key + " = " + show(node) + " is of type " + kind.str() + "; it must be " + right;
}

// ---- One value ----

/// A value of a layer that is to be assigned to a field, with its key for messages.
struct Value {
  const Layer& layer;
  const toml::node& node;
  std::string key;

  [[noreturn]] void fail(const std::string& message) const { throw Error(place(layer, node) + message); }
  [[noreturn]] void fail_range(const std::string& shown, const Bounds& bounds) const {
    fail(key + " = " + shown + " is out of range; it must be from " + shortest(bounds.low) + " to " +
         shortest(bounds.high));
  }
};

double number_of(const Value& value) {
  if (const auto* number = value.node.as_floating_point()) return number->get();
  if (const auto* number = value.node.as_integer()) return static_cast<double>(number->get());
  value.fail(wrong_type(value.node, value.key, "a number"));
}

void assign(const Value& value, float& field, const Bounds& bounds) {
  const double number = number_of(value);
  if (!(number >= bounds.low && number <= bounds.high)) value.fail_range(show(value.node), bounds);
  field = static_cast<float>(number);
}

void assign_integer(const Value& value, const toml::node& node, int& field, const Bounds& bounds) {
  const auto* number = node.as_integer();
  if (number == nullptr) value.fail(wrong_type(node, value.key, "a whole number"));
  if (!(static_cast<double>(number->get()) >= bounds.low && static_cast<double>(number->get()) <= bounds.high)) {
    value.fail_range(show(node), bounds);
  }
  field = static_cast<int>(number->get());
}

void assign(const Value& value, int& field, const Bounds& bounds) { assign_integer(value, value.node, field, bounds); }

void assign(const Value& value, std::vector<int>& field, const Bounds& bounds) {
  const auto* array = value.node.as_array();
  if (array == nullptr) value.fail(wrong_type(value.node, value.key, "a list of whole numbers, as in [64, 64]"));
  std::vector<int> numbers(array->size());
  for (std::size_t i = 0; i < numbers.size(); ++i) assign_integer(value, (*array)[i], numbers[i], bounds);
  field = std::move(numbers);
}

void assign(const Value& value, std::vector<float>& field, const Bounds& bounds) {
  const auto* array = value.node.as_array();
  if (array == nullptr) value.fail(wrong_type(value.node, value.key, "a list of numbers"));
  std::vector<float> numbers(array->size());
  for (std::size_t i = 0; i < numbers.size(); ++i)
    assign(Value{value.layer, (*array)[i], value.key}, numbers[i], bounds);
  field = std::move(numbers);
}

void assign(const Value& value, Span& field, const SpanBounds& bounds) {
  std::vector<float> ends;
  const auto* array = value.node.as_array();
  if (array == nullptr || array->size() != 2) {
    value.fail(value.key + " = " + show(value.node) + " must be a list of two numbers, [low, high]");
  }
  assign(value, ends, Bounds{bounds.low, bounds.high});
  if (ends[0] > ends[1])
    value.fail(value.key + " = " + show(value.node) + ": low is above high; [low, high] would be right");
  field = {ends[0], ends[1]};
}

/// One number, or a table of numbers by pattern, which takes the place of what there was.
void assign(const Value& value, ByJoint& field, const Bounds& bounds) {
  const auto* table = value.node.as_table();
  if (table == nullptr && !value.node.is_number()) {
    value.fail(wrong_type(value.node, value.key,
                          "a number, or numbers by joint, as in { \"*_calf_joint\" = 40, \"*\" = 25 }"));
  }
  ByJoint given;
  if (table == nullptr) {
    assign(value, given.all, bounds);
  } else {
    if (table->empty()) value.fail(value.key + " = {} says nothing; { \"*\" = 25 } would be right for all joints");
    for (const auto& [pattern, node] : *table) {
      const std::string name(pattern.str());
      given.patterns.emplace_back(name, 0.0f);
      assign(Value{value.layer, node, value.key + ".\"" + name + "\""}, given.patterns.back().second, bounds);
    }
  }
  field = std::move(given);
}

void assign(const Value& value, bool& field) {
  const auto* flag = value.node.as_boolean();
  if (flag == nullptr) value.fail(wrong_type(value.node, value.key, "true or false"));
  field = flag->get();
}

void assign(const Value& value, std::string& field) {
  const auto* text = value.node.as_string();
  if (text == nullptr) value.fail(wrong_type(value.node, value.key, "a string"));
  field = text->get();
}

void assign(const Value& value, std::string& field, const Choices& choices) {
  std::string word;
  assign(value, word);
  for (const std::string& choice : choices) {
    if (word == choice) {
      field = word;
      return;
    }
  }
  value.fail(value.key + " = \"" + word + "\" is not known; " + suggestion(word, choices));
}

void assign(const Value& value, std::string& field, const Names&) { assign(value, field); }

void assign(const Value& value, std::vector<std::string>& field, const Names&) {
  const auto* array = value.node.as_array();
  if (array == nullptr) value.fail(wrong_type(value.node, value.key, "a list of names"));
  std::vector<std::string> names(array->size());
  for (std::size_t i = 0; i < names.size(); ++i) assign(Value{value.layer, (*array)[i], value.key}, names[i]);
  field = std::move(names);
}

void assign(const Value& value, std::vector<std::string>& field, const Choices& choices) {
  std::vector<std::string> names;
  assign(value, names, Names{});
  for (std::size_t i = 0; i < names.size(); ++i) {
    assign(Value{value.layer, (*value.node.as_array())[i], value.key}, names[i], choices);
  }
  field = std::move(names);
}

// ---- Tables ----

/// Visits a struct's fields and gives the one of that name the value.
template <class Struct>
struct Assigner {
  Struct& target;
  std::string_view name;
  const Value& value;
  bool found = false;

  template <class Member>
  void operator()(const char* field, Member Struct::*member, const char*) {
    if (name != field) return;
    found = true;
    assign(value, target.*member);
  }
  template <class Member, class Constraint>
  void operator()(const char* field, Member Struct::*member, const Constraint& constraint, const char*) {
    if (name != field) return;
    found = true;
    assign(value, target.*member, constraint);
  }
};

std::vector<std::string> known_keys(const TaskInfo* task) {
  std::vector<std::string> keys = {"task", "algo", "preset", "seed"};
  Settings settings;
  settings.distill.emplace();
  if (task != nullptr && task->legged()) {
    settings.legged.emplace();
    keys.push_back("objective");
    for (const RewardTermInfo& term : kRewardTerms) keys.push_back(std::string("rewards.") + term.name);
    ConstraintSettings::describe(
        [&](const char* field, auto&&...) { keys.push_back(std::string("constraints.NAME.") + field); });
  }
  for_each_table(settings, [&](const std::string& name, const auto& table) {
    std::decay_t<decltype(table)>::describe([&](const char* field, auto&&...) { keys.push_back(name + "." + field); });
  });
  if (task != nullptr) {
    for (const TaskParameter& parameter : task->parameters) keys.push_back("environment." + parameter.name);
  }
  return keys;
}

/// Throws for an unknown key, with the key that may have been meant; where none is near, with the keys of its table.
[[noreturn]] void fail_unknown(const Layer& layer, const toml::node& node, const std::string& key,
                               const TaskInfo* task) {
  if (key == "distill") {
    throw Error(place(layer, node) +
                "unknown key 'distill'; it is a table of algorithms that teach a student: algo = " +
                "\"online\", \"dagger\" or \"bc\"");
  }
  const std::vector<std::string> keys = known_keys(task);
  const std::string near = nearest(key, keys);
  std::string hint;
  if (!near.empty()) {
    hint = "did you mean '" + near + "'?";
  } else {
    const std::string table = key.substr(0, key.find('.'));
    std::vector<std::string> listed;
    for (const std::string& known : keys) {
      if (known.rfind(table + ".", 0) == 0) listed.push_back(known);
    }
    if (listed.empty())
      listed = {"task", "algo", "preset", "seed", "train", "algorithm", "network", "run", "environment"};
    hint = "known are " + join(listed);
  }
  throw Error(place(layer, node) + "unknown key '" + key + "'; " + hint);
}

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

/// A table's keys in the order in which its file defines them.
std::vector<std::string> names_in_order(const toml::table& table) {
  std::vector<std::string> names;
  for (const auto& [key, node] : table) names.emplace_back(key.str());
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    const toml::source_position first = table.get(a)->source().begin, second = table.get(b)->source().begin;
    return std::pair(first.line, first.column) < std::pair(second.line, second.column);
  });
  return names;
}

void apply_rewards(LeggedSettings& legged, const toml::table& table, const Layer& layer, const TaskInfo& task) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    int index = 0;
    while (index < kRewardTermCount && name != kRewardTerms[index].name) ++index;
    if (index == kRewardTermCount) fail_unknown(layer, node, "rewards." + name, &task);
    assign(Value{layer, node, "rewards." + name}, legged.rewards[static_cast<std::size_t>(index)], kRewardWeights);
  }
}

/// Tables by name, in the order in which the file defines them (toml++ keeps keys in alphabetical order); those that
/// are there already are changed, and keep their places.
void apply_constraints(LeggedSettings& legged, const toml::table& table, const Layer& layer) {
  for (const std::string& name : names_in_order(table)) {
    const toml::node& node = *table.get(name);
    if (name.find('/') != std::string::npos) {
      throw Error(place(layer, node) + "constraints.\"" + name +
                  "\": a constraint's name may not hold '/', which divides the names of metrics; '_' would be right");
    }
    const toml::table* inner = node.as_table();
    if (inner == nullptr) {
      throw Error(place(layer, node) + wrong_type(node, "constraints." + name, "a table, as in [constraints.torque]"));
    }
    auto it = std::find_if(legged.constraints.begin(), legged.constraints.end(),
                           [&](const ConstraintSettings& other) { return other.name == name; });
    if (it == legged.constraints.end()) {
      it = legged.constraints.insert(it, ConstraintSettings{});
      it->name = name;
    }
    for (const auto& [inner_key, inner_node] : *inner) {
      const std::string field(inner_key.str());
      const Value value{layer, inner_node, "constraints." + name + "." + field};
      Assigner<ConstraintSettings> assigner{*it, field, value};
      ConstraintSettings::describe(assigner);
      if (assigner.found) continue;
      Choices fields;
      ConstraintSettings::describe([&](const char* known, auto&&...) { fields.emplace_back(known); });
      value.fail("unknown key '" + value.key + "'; " + suggestion(field, fields));
    }
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
    bool known = name == "environment" || (task.legged() && (name == "rewards" || name == "constraints"));
    for_each_table(settings, [&](const std::string& table_name, auto&) { known = known || table_name == name; });
    if (!known) fail_unknown(layer, node, name, &task);
    if (inner == nullptr) {
      throw Error(place(layer, node) + wrong_type(node, name, ("a table, as in " + name + ".key = value").c_str()));
    }
    if (name == "environment") {
      apply_environment(settings, *inner, layer, task);
      continue;
    }
    if (task.legged() && name == "rewards") apply_rewards(*settings.legged, *inner, layer, task);
    if (task.legged() && name == "constraints") apply_constraints(*settings.legged, *inner, layer);
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
