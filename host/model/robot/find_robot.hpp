#pragma once
/// \file From a robot's name to its file.

#include <filesystem>
#include <string>
#include <vector>

namespace stampede {

/// Names of the robots that come with the program, in alphabetical order.
std::vector<std::string> robot_names();

/// The file of a robot that is named by one of robot_names() or by a file. Robots are looked for in the folder that the
/// environment's STAMPEDE_ROBOTS names, in what was installed beside the library, and in the source tree. Throws Error
/// where there is none.
std::filesystem::path find_robot(const std::string& name_or_file);

}  // namespace stampede
