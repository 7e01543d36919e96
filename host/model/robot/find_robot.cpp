#include "host/model/robot/find_robot.hpp"

#include <fmt/format.h>

#include "host/base/data_folders.hpp"
#include "host/base/error.hpp"
#include "host/base/suggest.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> robot_folders() { return data_folders("robots", "STAMPEDE_ROBOTS", STAMPEDE_SOURCE_ROBOTS); }

}  // namespace

std::vector<std::string> robot_names() { return stems_in(robot_folders(), ".xml"); }

std::filesystem::path find_robot(const std::string& name_or_file) {
  std::error_code code;
  const bool plain = name_or_file.find('/') == std::string::npos && name_or_file.find('.') == std::string::npos;
  if (plain && !name_or_file.empty()) {
    for (const fs::path& folder : robot_folders()) {
      const fs::path file = folder / (name_or_file + ".xml");
      if (fs::is_regular_file(file, code)) return file;
    }
  }
  if (!name_or_file.empty() && fs::exists(name_or_file, code)) {
    if (fs::is_directory(name_or_file, code)) {
      throw Error(fmt::format("robot '{}' is a folder; a file .xml (MJCF) or .urdf would be right", name_or_file));
    }
    return name_or_file;
  }
  if (!plain) {
    throw Error(
        fmt::format("robot '{}': there is no such file; a file .xml (MJCF) or .urdf, or a robot's name would be "
                    "right",
                    name_or_file));
  }
  throw Error(fmt::format("robot '{}' does not exist; {}", name_or_file, suggestion(name_or_file, robot_names())));
}

}  // namespace stampede
