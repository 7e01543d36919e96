/// \file Writing of settings.
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

template <class T>
std::string to_value(const std::vector<T>& values) {
  std::string text = "[";
  for (std::size_t i = 0; i < values.size(); ++i) text += (i > 0 ? ", " : "") + to_value(values[i]);
  return text + "]";
}

/// Visits a struct's fields and writes each as a line.
template <class Struct>
struct Writer {
  const Struct& source;
  std::string& text;

  template <class Member>
  void operator()(const char* field, Member Struct::*member, const char* meaning) {
    text += std::string(field) + " = " + to_value(source.*member) + "  # " + meaning + "\n";
  }
  template <class Member, class Constraint>
  void operator()(const char* field, Member Struct::*member, const Constraint&, const char* meaning) {
    (*this)(field, member, meaning);
  }
};

/// Rewards and constraints.
std::string legged_tables(const LeggedSettings& legged) {
  std::string text = "\n[rewards]\n";
  for (int i = 0; i < kRewardTermCount; ++i) {
    text += std::string(kRewardTerms[i].name) + " = " + to_value(legged.rewards[static_cast<std::size_t>(i)]) + "  # " +
            kRewardTerms[i].meaning + "\n";
  }
  for (const ConstraintSettings& constraint : legged.constraints) {
    text += "\n[constraints." + constraint.name + "]\n";
    ConstraintSettings::describe(Writer<ConstraintSettings>{constraint, text});
  }
  return text;
}

}  // namespace

std::string to_toml(const Settings& settings) {
  const TaskInfo task = task_of(settings);
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
  for_each_table(settings, [&](const std::string& name, const auto& table) {
    text += "\n[" + name + "]\n";
    using Struct = std::decay_t<decltype(table)>;
    Struct::describe(Writer<Struct>{table, text});
  });
  if (settings.legged) return text + legged_tables(*settings.legged);
  text += "\n[environment]\n";
  for (std::size_t i = 0; i < task.parameters.size(); ++i) {
    text += task.parameters[i].name + " = " + to_value(settings.environment.at(i)) + "  # " +
            task.parameters[i].meaning + "\n";
  }
  return text;
}

}  // namespace stampede
