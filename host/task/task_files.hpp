#pragma once
/// \file Tasks that are files: TOML, each on top of the one that it `extends`, which may be a file or compiled in.

#include <string>
#include <vector>

#include "host/task/task_info.hpp"

namespace stampede {

/// The tasks that come with the program as files, in alphabetical order. Files that neither name a robot nor extend a
/// task are there to be extended only. Read once a process.
const std::vector<TaskInfo>& tasks_with_files();

/// A task by its file.
TaskInfo read_task_file(const std::string& file);

/// A task that is defined in a configuration on top of the task that it extends; on top of nothing where `extends` is
/// empty, as in a walking run's config.toml, which says everything itself. `origin` begins messages.
TaskInfo extended_task(const std::string& name, const std::string& extends, const std::string& origin);

}  // namespace stampede
