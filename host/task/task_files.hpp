#pragma once
/// \file Walking tasks are files: TOML, each on top of the one that it `extends`.

#include <string>
#include <vector>

#include "host/task/task_info.hpp"

namespace stampede {

/// The tasks that come with the program, in alphabetical order. Files without a robot are there to be extended only.
std::vector<TaskInfo> legged_tasks();

/// A task by its file.
TaskInfo read_task_file(const std::string& file);

/// A task that is defined in a configuration on top of the file that it extends; of nothing where `extends` is empty, as in a run's
/// config.toml, which says everything itself. `origin` begins messages.
TaskInfo extended_task(const std::string& name, const std::string& extends, const std::string& origin);

}  // namespace stampede
