#pragma once
/// \file What the program knows of the tasks without their kernels: names, sizes, parameters, default settings.

#include <map>
#include <string>
#include <vector>

namespace stampede {

/// One parameter of a task, a key of the table `[environment]`.
struct TaskParameter {
  std::string name, meaning;
  float value, low, high;  ///< default and bounds
};

struct TaskInfo {
  std::string name, summary;
  int observations, actions, states, max_steps;
  double control_dt;  ///< [s] at the default parameters
  /// JSON key of the task's own metric in an evaluation ("upright_share"); empty where it has none.
  std::string metric;
  std::vector<std::string> observation_names, action_names;
  std::vector<TaskParameter> parameters;
  std::string defaults;  ///< TOML: what the task sets differently from the built-in defaults
  // Walking tasks are files; their sizes and names depend on the robot, and are 0 and empty until it is loaded.
  bool legged = false;
  std::vector<std::string>
      files;  ///< the task's own last, before it those that it extends; none: all is in a configuration
  std::map<std::string, std::string> facts;  ///< for policy files, as JSON values
};

/// All tasks, in the order in which they are listed.
const std::vector<TaskInfo>& tasks();

}  // namespace stampede
