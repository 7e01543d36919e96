#include "host/task/task_files.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>

#include "host/base/data_folders.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/base/suggest.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDeepest = 16;  ///< files that extend each other

std::vector<fs::path> task_folders() { return data_folders("tasks", "STAMPEDE_TASKS", STAMPEDE_SOURCE_TASKS); }

toml::table parse_task(const fs::path& file) {
  try {
    return toml::parse(read_file(file.string(), kLargestText), file.string());
  } catch (const toml::parse_error& error) {
    std::string reason(error.description());
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    throw Error(file.string() + ":" + std::to_string(error.source().begin.line) + ": not valid TOML: " + reason);
  }
}

/// The file of a name, or of a path as seen from `from`.
fs::path find_file(const std::string& name, const fs::path& from, const std::string& origin) {
  std::error_code code;
  if (fs::path(name).extension() == ".toml") {
    const fs::path beside = from / name;
    if (fs::is_regular_file(beside, code)) return beside;
    throw Error(origin + ": there is no task file '" + name + "'");
  }
  for (const fs::path& folder : task_folders()) {
    const fs::path file = folder / (name + ".toml");
    if (fs::is_regular_file(file, code)) return file;
  }
  throw Error(origin + ": there is no task '" + name + "' to extend; " +
              suggestion(name, stems_in(task_folders(), ".toml")));
}

/// A task's name or file, or several.
std::vector<std::string> names_in(const toml::node& extends, const std::string& origin) {
  std::vector<std::string> names;
  const auto add = [&](const toml::node& node) {
    const auto name = node.value<std::string>();
    if (!name) throw Error(origin + " must be a task's name or file, or a list of them");
    names.push_back(*name);
  };
  if (const toml::array* list = extends.as_array()) {
    for (const toml::node& node : *list) add(node);
  } else {
    add(extends);
  }
  return names;
}

/// Adds a file, below it the ones that it extends. Returns whether any of them names a robot.
bool add_chain(const fs::path& file, TaskInfo& task) {
  if (task.files.size() >= kDeepest) throw Error(file.string() + ": extends: the files extend each other in a circle");
  const toml::table table = parse_task(file);
  task.files.insert(task.files.begin(), fs::absolute(file).lexically_normal().string());
  if (task.summary.empty()) task.summary = table["summary"].value_or(std::string());
  bool has_robot = table.at_path("control.robot").is_string();
  if (const toml::node* extends = table.get("extends")) {
    const std::string origin = file.string() + ":" + std::to_string(extends->source().begin.line) + ": extends";
    // Of several the last lies on top, so its chain goes in first.
    const std::vector<std::string> names = names_in(*extends, origin);
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      has_robot = add_chain(find_file(*name, file.parent_path(), origin), task) || has_robot;
    }
  }
  return has_robot;
}

TaskInfo empty_task(const std::string& name) {
  TaskInfo task{};
  task.name = name;
  task.legged = true;
  return task;
}

}  // namespace

TaskInfo read_task_file(const std::string& file) {
  TaskInfo task = empty_task(fs::path(file).stem().string());
  add_chain(file, task);
  return task;
}

TaskInfo extended_task(const std::string& name, const std::string& extends, const std::string& origin) {
  TaskInfo task = empty_task(name);
  if (!extends.empty()) add_chain(find_file(extends, fs::current_path(), origin + ": extends"), task);
  return task;
}

std::vector<TaskInfo> legged_tasks() {
  std::vector<TaskInfo> tasks;
  for (const std::string& name : stems_in(task_folders(), ".toml")) {
    TaskInfo task = empty_task(name);
    if (add_chain(find_file(name, {}, "tasks"), task)) tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace stampede
