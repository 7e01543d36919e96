/// \file Assigning of values to fields.
#include "host/task/assign.hpp"

#include <fmt/format.h>

#include <charconv>
#include <sstream>
#include <type_traits>
#include <utility>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "host/task/settings_tables.hpp"

namespace stampede::reading {

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

namespace {

/// Shortest decimal that reads back as the same number.
template <class Number>
std::string shortest(Number value) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, result.ptr);
}

}  // namespace

std::string wrong_type(const toml::node& node, const std::string& key, const char* right) {
  std::ostringstream kind;
  kind << node.type();
  return key + " = " + show(node) + " is of type " + kind.str() + "; it must be " + right;
}

// ---- One value ----

void Value::fail(const std::string& message) const { throw Error(place(layer, node) + message); }
void Value::fail_range(const std::string& shown, const Bounds& bounds) const {
  fail(key + " = " + shown + " is out of range; it must be from " + shortest(bounds.low) + " to " +
       shortest(bounds.high));
}

namespace {

double number_of(const Value& value) {
  if (const auto* number = value.node.as_floating_point()) return number->get();
  if (const auto* number = value.node.as_integer()) return static_cast<double>(number->get());
  value.fail(wrong_type(value.node, value.key, "a number"));
}

}  // namespace

void assign(const Value& value, float& field, const Bounds& bounds) {
  const double number = number_of(value);
  if (!(number >= bounds.low && number <= bounds.high)) value.fail_range(show(value.node), bounds);
  field = static_cast<float>(number);
}

namespace {

void assign_integer(const Value& value, const toml::node& node, int& field, const Bounds& bounds) {
  const auto* number = node.as_integer();
  if (number == nullptr) value.fail(wrong_type(node, value.key, "a whole number"));
  if (!(static_cast<double>(number->get()) >= bounds.low && static_cast<double>(number->get()) <= bounds.high)) {
    value.fail_range(show(node), bounds);
  }
  field = static_cast<int>(number->get());
}

}  // namespace

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

void assign(const Value& value, FormulaText& field) {
  std::string text;
  if (!value.node.is_string()) {
    value.fail(wrong_type(value.node, value.key, "a formula in quotes, as in \"exp(-yaw_rate^2)\""));
  }
  assign(value, text);
  field = {text, place(value.layer, value.node)};
}

void assign(const Value& value, FormulaText& field, const Choices& choices) {
  std::string word;
  assign(value, word);
  const bool formula = word.find_first_of(" <>=()\"'[+-*/^") != std::string::npos;
  if (!formula) assign(value, word, choices);
  field = {word, place(value.layer, value.node)};
}

void assign(const Value& value, std::vector<FormulaText>& field) {
  const auto* array = value.node.as_array();
  std::vector<FormulaText> formulas(array == nullptr ? 1 : array->size());
  if (formulas.empty()) value.fail(value.key + " = [] says nothing; a formula in quotes would be right");
  for (std::size_t i = 0; i < formulas.size(); ++i) {
    assign(array == nullptr ? value : Value{value.layer, (*array)[i], value.key}, formulas[i]);
  }
  field = std::move(formulas);
}

// ---- Keys ----

namespace {

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
    const auto list = [&]<class Struct>(const char* table, Struct) {
      Struct::describe([&](const char* field, auto&&...) { keys.push_back(fmt::format("{}.NAME.{}", table, field)); });
    };
    list("rewards", RewardFormula{});
    list("terminations", TerminationFormula{});
    list("state", StateSettings{});
    list("observations.terms", ObservationFormula{});
  }
  for_each_table(settings, [&](const std::string& name, const auto& table) {
    std::decay_t<decltype(table)>::describe([&](const char* field, auto&&...) { keys.push_back(name + "." + field); });
  });
  if (task != nullptr) {
    for (const TaskParameter& parameter : task->parameters) keys.push_back("environment." + parameter.name);
  }
  return keys;
}

}  // namespace

/// Throws for an unknown key, with the key that may have been meant; where none is near, with the keys of its table.
void fail_unknown(const Layer& layer, const toml::node& node, const std::string& key, const TaskInfo* task) {
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

}  // namespace stampede::reading
