#pragma once
/// \file Where files that come with the program are: robots, tasks.

#include <filesystem>
#include <string>
#include <vector>

namespace stampede {

/// Folders to look for files of a kind in, the first first: the one that the environment variable names, share/stampede/`kind`
/// beside the installed library, the source tree's.
std::vector<std::filesystem::path> data_folders(const char* kind, const char* variable, const char* source);

/// Stems of the files with this ending in the folders, in alphabetical order.
std::vector<std::string> stems_in(const std::vector<std::filesystem::path>& folders, const char* ending);

}  // namespace stampede
