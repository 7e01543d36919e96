#pragma once
/// \file Where files that come with the program are: robots, tasks.

#include <filesystem>
#include <string>
#include <vector>

namespace stampede {

/// Folders in which files of a kind ("robots", "tasks") are looked for, in this order: the one that the environment's
/// `variable` names, share/stampede/`kind` beside the installed library, and `source`, the source tree's.
std::vector<std::filesystem::path> data_folders(const char* kind, const char* variable, const char* source);

/// Names, without the ending, of the folders' files with this ending, in alphabetical order.
std::vector<std::string> stems_in(const std::vector<std::filesystem::path>& folders, const char* ending);

}  // namespace stampede
