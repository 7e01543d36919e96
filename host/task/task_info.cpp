#include "host/task/task_info.hpp"

#include <utility>

#include "envs/tasks.hpp"
#include "host/base/error.hpp"
#include "host/task/describe_task.hpp"
#include "host/task/task_files.hpp"

namespace stampede {
namespace {

std::vector<TaskInfo>& catalogue() {
  static std::vector<TaskInfo> compiled;
  return compiled;
}

}  // namespace

void register_task(TaskInfo task) {
  for (const TaskInfo& other : catalogue()) {
    if (other.name == task.name) throw Error("two tasks are called '" + task.name + "'", Status::kFailed);
  }
  catalogue().push_back(std::move(task));
}

const std::vector<TaskInfo>& compiled_tasks() {
  static const bool registered = (register_tasks(BuiltInTasks{}), true);
  static_cast<void>(registered);
  return catalogue();
}

const TaskInfo* find_compiled_task(const std::string& name) {
  for (const TaskInfo& task : compiled_tasks()) {
    if (task.name == name) return &task;
  }
  return nullptr;
}

std::vector<TaskInfo> tasks() {
  std::vector<TaskInfo> list = compiled_tasks();
  list.insert(list.end(), tasks_with_files().begin(), tasks_with_files().end());
  return list;
}

}  // namespace stampede
