/// \file Writing and listing of settings.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <type_traits>

#include "host/task/settings_io.hpp"
#include "host/task/settings_tables.hpp"

namespace stampede {
namespace {

/// Shortest decimal that reads back as the same number.
std::string to_value(float value) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, result.ptr);
  // TOML takes a number for a float only where it has a point or an exponent.
  if (std::isfinite(value) && text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string to_value(int value) { return std::to_string(value); }
std::string to_value(bool value) { return value ? "true" : "false"; }

std::string to_value(const std::string& value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '\n' || c == '\r' || c == '\t') {
      text += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
      continue;
    }
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

std::string to_value(const Span& span) { return "[" + to_value(span.low) + ", " + to_value(span.high) + "]"; }

std::string to_value(const ByJoint& by_joint) {
  if (by_joint.patterns.empty()) return to_value(by_joint.all);
  std::string text;
  for (const auto& [pattern, value] : by_joint.patterns) {
    text += (text.empty() ? "{ " : ", ") + to_value(pattern) + " = " + to_value(value);
  }
  return text + " }";
}

std::string to_value(const FormulaText& formula) {
  // Within single quotes nothing is replaced; a text that holds them, or several lines, is quoted like any other.
  if (formula.text.find_first_of("'\n") == std::string::npos) return "'" + formula.text + "'";
  return to_value(formula.text);
}

template <class T>
std::string to_value(const std::vector<T>& values) {
  std::string text = "[";
  for (std::size_t i = 0; i < values.size(); ++i) text += (i > 0 ? ", " : "") + to_value(values[i]);
  return text + "]";
}

std::string between(double low, double high) {
  const auto shortest = [](double value) {
    char buffer[64];
    return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  };
  return shortest(low) + " to " + shortest(high);
}

/// What a value may be, in words: by its type and what `describe` says of it.
template <class T>
std::string kind_of(const T&) {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, int>) return "whole number";
  if constexpr (std::is_same_v<T, float>) return "number";
  if constexpr (std::is_same_v<T, ByJoint>) return "number, or numbers by joint";
  if constexpr (std::is_same_v<T, Span>) return "[low, high]";
  if constexpr (std::is_same_v<T, std::string>) return "word";
  if constexpr (std::is_same_v<T, FormulaText>) return "formula";
  if constexpr (std::is_same_v<T, std::vector<FormulaText>>) return "formula, or list of formulas";
  if constexpr (std::is_same_v<T, std::vector<int>>) return "list of whole numbers";
  if constexpr (std::is_same_v<T, std::vector<float>>) return "list of numbers";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "list of words";
}

std::string allowed(const Bounds& bounds) { return ", " + between(bounds.low, bounds.high); }
std::string allowed(const SpanBounds& bounds) { return ", both " + between(bounds.low, bounds.high); }
std::string allowed(const Names&) { return ""; }
std::string allowed(const Choices& choices) {
  std::string text;
  for (const std::string& choice : choices) text += (text.empty() ? ": " : ", ") + choice;
  return text;
}

/// Visits a struct's fields and appends each to a list.
template <class Struct>
struct Lister {
  const Struct& source;
  std::string table;
  std::vector<SettingInfo>& list;

  template <class Member>
  void operator()(const char* field, Member Struct::*member, const char* meaning) {
    if constexpr (std::is_same_v<Member, FormulaText>) {
      if ((source.*member).text.empty()) return;  // there is none
    }
    list.push_back({table, field, to_value(source.*member), kind_of(source.*member), meaning});
  }
  template <class Member, class Constraint>
  void operator()(const char* field, Member Struct::*member, const Constraint& constraint, const char* meaning) {
    if constexpr (std::is_same_v<Struct, ConstraintSettings> && std::is_same_v<Member, std::string>) {
      if ((source.*member).empty()) return;  // the quantity of a formula
    }
    (*this)(field, member, meaning);
    list.back().allowed += allowed(constraint);
  }
};

template <class Struct>
void list_entries(const std::string& table, const std::vector<Struct>& entries, std::vector<SettingInfo>& list) {
  for (const Struct& entry : entries) {
    // A name with other signs than letters needs quotes.
    const bool bare = entry.name.find_first_not_of(
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
    Struct::describe(Lister<Struct>{entry, table + "." + (bare ? entry.name : to_value(entry.name)), list});
  }
}

/// Tables with entries by name.
void list_legged_tables(const LeggedSettings& legged, std::vector<SettingInfo>& list) {
  for (int i = 0; i < kRewardTermCount; ++i) {
    // One that a formula stands for is written as that.
    const auto same = [&](const RewardFormula& formula) { return formula.name == kRewardTerms[i].name; };
    if (std::any_of(legged.reward_formulas.begin(), legged.reward_formulas.end(), same)) continue;
    list.push_back({"rewards", kRewardTerms[i].name, to_value(legged.rewards[static_cast<std::size_t>(i)]),
                    "number" + allowed(kWeightBounds), kRewardTerms[i].meaning});
  }
  list_entries("rewards", legged.reward_formulas, list);
  list_entries("terminations", legged.termination_formulas, list);
  list_entries("state", legged.states, list);
  list_entries("observations.terms", legged.observation_formulas, list);
  list_entries("constraints", legged.constraints, list);
}

}  // namespace

std::vector<SettingInfo> list_settings(const Settings& settings) {
  std::vector<SettingInfo> list;
  for_each_table(settings, [&](const std::string& name, const auto& table) {
    using Struct = std::decay_t<decltype(table)>;
    Struct::describe(Lister<Struct>{table, name, list});
  });
  if (settings.legged) {
    list_legged_tables(*settings.legged, list);
    return list;
  }
  const TaskInfo task = task_of(settings);
  for (std::size_t i = 0; i < task.parameters.size(); ++i) {
    const TaskParameter& parameter = task.parameters[i];
    list.push_back({"environment", parameter.name, to_value(settings.environment.at(i)),
                    "number" + allowed(Bounds{parameter.low, parameter.high}), parameter.meaning});
  }
  return list;
}

std::string to_toml(const Settings& settings) {
  std::string text = "# The run's whole configuration, every default written out.\n";
  text += "task = " + to_value(settings.task) + "\n";
  if (settings.legged) {
    text += "extends = []  # no file of a task: all of it is here\n";
  } else if (settings.task != settings.kernel) {
    text += "extends = " + to_value(settings.kernel) + "  # which is compiled in: all the rest is here\n";
  }
  text += "algo = " + to_value(settings.algo) + "\npreset = " + to_value(settings.preset) + "\n";
  if (settings.legged) text += "objective = " + to_value(settings.legged->objective) + "\n";
  text += "seed = " + std::to_string(settings.seed) + "\n";
  std::string table;
  for (const SettingInfo& setting : list_settings(settings)) {
    if (setting.table != table) text += "\n[" + setting.table + "]\n";
    table = setting.table;
    text += setting.key + " = " + setting.value + "  # " + setting.meaning + "\n";
  }
  return text;
}

}  // namespace stampede
