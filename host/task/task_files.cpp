#include "host/task/task_files.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "host/base/data_folders.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/base/suggest.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDeepest = 16;  ///< files that a task may be made of

std::vector<fs::path> task_folders() {
  std::vector<fs::path> folders = data_folders("tasks", "STAMPEDE_TASKS", STAMPEDE_SOURCE_ENVS "/legged/tasks");
  folders.emplace_back(STAMPEDE_SOURCE_ENVS "/pendulum/tasks");
  return folders;
}

toml::table parse_task(const fs::path& file) {
  try {
    return toml::parse(read_file(file.string(), kLargestText), file.string());
  } catch (const toml::parse_error& error) {
    std::string reason(error.description());
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    throw Error(file.string() + ":" + std::to_string(error.source().begin.line) + ": not valid TOML: " + reason);
  }
}

/// The file of a name, or of a path as seen from `from`; empty where the name is that of a task that is compiled in.
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
  if (find_compiled_task(name) != nullptr) return {};
  std::vector<std::string> known = stems_in(task_folders(), ".toml");
  for (const TaskInfo& task : compiled_tasks()) known.push_back(task.name);
  throw Error(origin + ": there is no task '" + name + "' to extend; " + suggestion(name, known));
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

/// What a file and those that it extends have besides settings.
struct Chain {
  bool robot = false;                  ///< whether any file names one
  const TaskInfo* compiled = nullptr;  ///< the compiled-in task that they extend; null: none
};

void add_file(const fs::path& file, TaskInfo& task, Chain& chain);

/// Adds what `name` stands for.
void add_extended(const std::string& name, const fs::path& from, const std::string& origin, TaskInfo& task,
                  Chain& chain) {
  const fs::path file = find_file(name, from, origin);
  if (!file.empty()) return add_file(file, task, chain);
  if (chain.compiled != nullptr && chain.compiled->name != name) {
    throw Error(origin + ": '" + name + "' and '" + chain.compiled->name +
                "' are two tasks that are compiled in; one of them would be right");
  }
  chain.compiled = find_compiled_task(name);
}

/// Adds a file, below it the ones that it extends.
void add_file(const fs::path& file, TaskInfo& task, Chain& chain) {
  if (task.files.size() >= kDeepest) throw Error(file.string() + ": extends: the files extend each other in a circle");
  const toml::table table = parse_task(file);
  task.files.insert(task.files.begin(), fs::absolute(file).lexically_normal().string());
  if (task.summary.empty()) task.summary = table["summary"].value_or(std::string());
  chain.robot = chain.robot || table.at_path("control.robot").is_string();
  if (const toml::node* extends = table.get("extends")) {
    const std::string origin = file.string() + ":" + std::to_string(extends->source().begin.line) + ": extends";
    // Of several the last overrides the others. Each is put before those that are there, so the last is added first.
    const std::vector<std::string> names = names_in(*extends, origin);
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      add_extended(*name, file.parent_path(), origin, task, chain);
    }
  }
}

/// The task that a file and those that it extends make.
TaskInfo finished(TaskInfo task, const Chain& chain) {
  task.kernel = "legged";
  if (chain.compiled == nullptr) return task;
  TaskInfo made = *chain.compiled;
  made.name = task.name;
  made.files = task.files;
  if (!task.summary.empty()) made.summary = task.summary;
  return made;
}

TaskInfo named(const std::string& name) {
  TaskInfo task;
  task.name = name;
  return task;
}

}  // namespace

TaskInfo read_task_file(const std::string& file) {
  TaskInfo task = named(fs::path(file).stem().string());
  Chain chain;
  add_file(file, task, chain);
  return finished(std::move(task), chain);
}

TaskInfo extended_task(const std::string& name, const std::string& extends, const std::string& origin) {
  TaskInfo task = named(name);
  Chain chain;
  if (!extends.empty()) add_extended(extends, fs::current_path(), origin + ": extends", task, chain);
  return finished(std::move(task), chain);
}

const std::vector<TaskInfo>& tasks_with_files() {
  static const std::vector<TaskInfo> all = [] {
    std::vector<TaskInfo> tasks;
    for (const std::string& name : stems_in(task_folders(), ".toml")) {
      TaskInfo task = named(name);
      Chain chain;
      add_extended(name, {}, "tasks", task, chain);
      if (chain.robot || chain.compiled != nullptr) tasks.push_back(finished(std::move(task), chain));
    }
    return tasks;
  }();
  return all;
}

}  // namespace stampede
