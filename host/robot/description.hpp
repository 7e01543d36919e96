#pragma once
/// \file Reading descriptions: MuJoCo's parser and compiler, with messages of one line, and assets that are not there.

#include <filesystem>
#include <string>
#include <vector>

#include "host/robot/mujoco_handles.hpp"

namespace stampede {

/// A message of several lines as one.
std::string one_line(const std::string& message);

/// Parses an MJCF file. Throws Error.
SpecHandle parse_description(const std::filesystem::path& file);

/// Compiles a description. Throws Error that begins with `file`.
ModelHandle compile_description(mjSpec_* spec, const std::filesystem::path& file);

}  // namespace stampede
