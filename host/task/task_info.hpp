#pragma once
/// \file The catalogue of tasks: what is known of each before its settings are read, without its kernels.

#include <string>
#include <vector>

#include "envs/sketch.hpp"
#include "host/engine/task_spec.hpp"

namespace stampede {

/// One parameter of a task, a key of the table `[environment]`.
struct TaskParameter {
  std::string name, meaning;
  float value, low, high;  ///< default and bounds
};

/// A task in the catalogue.
struct TaskInfo {
  std::string name, summary;
  /// Whose kernels step it: a task that is compiled in, or "legged" of walking tasks. A task's file that extends one
  /// has its kernel.
  std::string kernel;
  /// Makes the spec of a task that is compiled in, from its parameters' values in the order of `parameters`. Null for
  /// walking tasks, whose sizes and names depend on the robot (legged_spec.hpp).
  TaskSpec (*specify)(const std::vector<float>& values) = nullptr;
  /// Draws a state of it; null where it has no drawing, and for walking tasks, whose robot is drawn.
  Sketch (*sketch)(const std::vector<float>& values, const float* state) = nullptr;
  std::vector<TaskParameter> parameters;
  std::string defaults;  ///< TOML: what the task sets differently from the built-in defaults
  /// The task's own file last, before it those that it extends; empty for one that is compiled in, and for one that a
  /// configuration describes completely.
  std::vector<std::string> files;

  bool legged() const { return specify == nullptr; }
};

/// All tasks, in the order in which they are listed.
std::vector<TaskInfo> tasks();

/// Puts a task into the catalogue of those that are compiled in. Throws Error where there is one of that name.
void register_task(TaskInfo task);

/// The tasks that are compiled in: those that come with the program, and those that were registered.
const std::vector<TaskInfo>& compiled_tasks();

/// The one of that name; null where there is none.
const TaskInfo* find_compiled_task(const std::string& name);

}  // namespace stampede
