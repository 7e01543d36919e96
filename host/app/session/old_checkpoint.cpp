#include "host/app/session/old_checkpoint.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "host/base/error.hpp"
#include "host/task/task_files.hpp"

namespace stampede {
namespace {

constexpr const char* kByPlace = "constraint_maxima";

toml::table constraints_in(const std::string& file) {
  try {
    toml::table table = toml::parse_file(file);
    toml::table* constraints = table["constraints"].as_table();
    return constraints != nullptr ? std::move(*constraints) : toml::table();  // a copy would lose its line numbers
  } catch (const toml::parse_error&) {
    return {};  // whoever reads the file for its settings says what is wrong with it
  }
}

/// The constraints' names in the order in which the run wrote them to its config.toml when it began.
std::vector<std::string> order_of_start(const std::string& config) {
  const toml::table table = constraints_in(config);
  std::map<toml::source_index, std::string> by_line;
  for (const auto& [key, node] : table) by_line.emplace(node.source().begin.line, key.str());
  std::vector<std::string> names;
  for (const auto& [line, name] : by_line) names.push_back(name);
  return names;
}

/// The names in the order that earlier versions used when they went on with a run: file by file, in each
/// alphabetically.
std::vector<std::string> order_of_resumption(std::vector<std::string> files, const std::string& config) {
  std::vector<std::string> names;
  files.push_back(config);
  for (const std::string& file : files) {
    for (const auto& [key, node] : constraints_in(file)) {
      const std::string name(key.str());
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

/// The files that a run's task is made of besides its configuration; none where that is complete (`extends = []`).
std::vector<std::string> files_of(const std::string& name, const std::string& config) {
  const toml::table table = toml::parse_file(config);
  if (const toml::node* extends = table.get("extends")) {
    return extended_task(name, extends->value_or(std::string()), config).files;
  }
  for (const TaskInfo& task : tasks()) {
    if (task.name == name) return task.files;
  }
  return {};
}

}  // namespace

void name_constraint_maxima(std::vector<Tensor>& state, const TaskSpec& task, const std::filesystem::path& run) {
  const auto old = std::find_if(state.begin(), state.end(), [](const Tensor& t) { return t.name == kByPlace; });
  if (old == state.end() || task.constraints.list.empty()) return;
  const std::string config = (run / "config.toml").string();
  const std::vector<std::string> names = order_of_start(config);
  std::map<std::string, const ConstraintSpec*> constraints;
  for (const ConstraintSpec& constraint : task.constraints.list) constraints[constraint.name] = &constraint;
  bool sure = names == order_of_resumption(files_of(task.name, config), config) && names.size() == constraints.size();
  for (const std::string& name : names) sure = sure && constraints.count(name) > 0;
  const std::vector<float> values = floats_of(*old);
  if (!sure || values.size() < task.constraints.columns.size()) {
    throw Error(run.string() +
                ": its checkpoint is of an earlier version, which did not say which constraint a running maximum " +
                "belongs to, and their order cannot be told for sure; train anew with --config " + config);
  }
  std::vector<Tensor> named;
  auto next = values.begin();
  for (const std::string& name : names) {
    const ConstraintSpec& constraint = *constraints.at(name);
    named.push_back(
        make_tensor(constraint_tensor(constraint), {constraint.columns}, {next, next + constraint.columns}));
    next += constraint.columns;
  }
  state.erase(old);
  state.insert(state.end(), named.begin(), named.end());
}

}  // namespace stampede
