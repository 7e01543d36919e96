#pragma once
/// \file Assigning a layer's values to the fields of tables, with a message of one line for each mistake.

#include <string>
#include <string_view>
#include <vector>

#include "host/base/fields.hpp"
#include "host/task/layer.hpp"
#include "host/task/settings.hpp"
#include "host/task/task_info.hpp"

namespace stampede::reading {

/// "run.toml:12: " or "--num-envs: ".
std::string place(const Layer& layer, const toml::node& node);

/// A value as a message shows it, on one line.
std::string show(const toml::node& node);

/// "<key> = <value> is of type <type>; it must be <right>".
std::string wrong_type(const toml::node& node, const std::string& key, const char* right);

/// A value of a layer that is to be assigned to a field, with its key for messages.
struct Value {
  const Layer& layer;
  const toml::node& node;
  std::string key;

  [[noreturn]] void fail(const std::string& message) const;
  [[noreturn]] void fail_range(const std::string& shown, const Bounds& bounds) const;
};

// Each checks the value and gives it to the field; throws Error where it does not fit.
void assign(const Value& value, float& field, const Bounds& bounds);
void assign(const Value& value, int& field, const Bounds& bounds);
void assign(const Value& value, std::vector<int>& field, const Bounds& bounds);
void assign(const Value& value, std::vector<float>& field, const Bounds& bounds);
void assign(const Value& value, Span& field, const SpanBounds& bounds);
/// One number, or a table of numbers by pattern, which takes the place of what there was.
void assign(const Value& value, ByJoint& field, const Bounds& bounds);
void assign(const Value& value, bool& field);
void assign(const Value& value, std::string& field);
void assign(const Value& value, std::string& field, const Choices& choices);
void assign(const Value& value, std::string& field, const Names&);
void assign(const Value& value, std::vector<std::string>& field, const Names&);
void assign(const Value& value, std::vector<std::string>& field, const Choices& choices);
/// A formula, which is checked once the robot is known.
void assign(const Value& value, FormulaText& field);
/// One of the words, or a formula. A single word that is none of them is a mistake.
void assign(const Value& value, FormulaText& field, const Choices& choices);
/// A formula, or a list of them.
void assign(const Value& value, std::vector<FormulaText>& field);

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

/// Throws for an unknown key, with the key that may have been meant; where none is near, with the keys of its table.
[[noreturn]] void fail_unknown(const Layer& layer, const toml::node& node, const std::string& key,
                               const TaskInfo* task);

}  // namespace stampede::reading
