#pragma once
/// \file The robot that a run was trained with: `trained_robot/` in its folder, a copy of the description and of every file that it
/// reads, so that neither a change of these nor their loss changes the run; and digests that tell of a change.
///
///     trained_robot/files.json go2.xml *.stl ...

#include <filesystem>
#include <string>
#include <vector>

#include "host/model/robot/load.hpp"

namespace stampede {

/// How a run is to name its robot.
struct KeptRobot {
  std::string robot;  ///< for config.toml: the copy's path, relative to the run's folder; without a copy the original
  std::string note;   ///< why there is no copy; empty where there is one
};

/// Copies a robot (its name or file, as in control.robot) into `folder`, which is `trained_robot/` once it is moved there. `compiled` is what
/// was loaded of it with `options`; the copy is loaded alike, and taken only where MuJoCo compiles it to the same model.
KeptRobot keep_robot(const std::string& robot, const CompiledRobot& compiled, const LoadOptions& options,
                     const std::filesystem::path& folder);

/// Compares the robot of the run in `run` with what it was trained with. Throws Error where the run's copy is damaged, or where there is
/// none, the robot has changed, and the training is to go on (`resume`). A line where only the original has changed since; else
/// nothing.
std::vector<std::string> check_trained_robot(const std::filesystem::path& run, bool resume);

/// Whether `robot` (as in control.robot) is the one that the run in `run` goes by: its copy, or the original where it has none.
bool is_trained_robot(const std::filesystem::path& run, const std::string& robot);

}  // namespace stampede
