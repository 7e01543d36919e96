#include "host/robot/find_robot.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> robot_folders() {
  std::vector<fs::path> folders;
  if (const char* named = std::getenv("STAMPEDE_ROBOTS"); named != nullptr && *named != '\0')
    folders.emplace_back(named);
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&robot_names), &info) != 0 && info.dli_fname != nullptr) {
    std::error_code code;
    const fs::path library = fs::canonical(info.dli_fname, code);
    // Distributions that keep libraries of several processors have one more folder below lib.
    for (fs::path up = library.parent_path().parent_path(); !code && !up.empty(); up = up.parent_path()) {
      folders.push_back(up / "share" / "stampede" / "robots");
      if (up.parent_path() == up || folders.size() > 2) break;
    }
  }
  folders.emplace_back(STAMPEDE_SOURCE_ROBOTS);
  return folders;
}

}  // namespace

std::vector<std::string> robot_names() {
  std::vector<std::string> names;
  for (const fs::path& folder : robot_folders()) {
    std::error_code code;
    for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
      if (it->path().extension() == ".xml") names.push_back(it->path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

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
