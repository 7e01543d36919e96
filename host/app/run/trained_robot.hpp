#pragma once
/// \file The robot that a run was trained with: `trained_robot/` in its folder, a copy of the description and of every
/// file that it reads, so that the run does not depend on the originals; and digests of all files, by which a change is
/// noticed.
///
///     trained_robot/files.json go2.xml *.stl ...

#include <filesystem>
#include <string>
#include <vector>

#include "host/model/robot/load.hpp"

namespace stampede {

/// What a run's configuration is to give as its robot.
struct KeptRobot {
  std::string robot;  ///< for config.toml: the copy's path, relative to the run's folder; without a copy the original
  std::string note;   ///< why there is no copy; empty where there is one
};

/// Copies a robot (its name or file, as in control.robot) into `folder`, which is renamed to `trained_robot/` later.
/// `compiled` is the robot as it was loaded with `options`. The copy is loaded with them too, and kept only where
/// MuJoCo compiles it to the same model.
KeptRobot keep_robot(const std::string& robot, const CompiledRobot& compiled, const LoadOptions& options,
                     const std::filesystem::path& folder);

/// Compares the files of the run's robot with those that it was trained with. Throws Error where the run's copy has
/// changed, or where there is no copy, the original has changed and the training is to go on (`resume`). Returns a line
/// for the user where the original has changed and that is no error, else nothing.
std::vector<std::string> check_trained_robot(const std::filesystem::path& run, bool resume);

/// Whether `robot` (as in control.robot) is the one that the run in `run` uses: its copy, or the original where it has
/// none.
bool is_trained_robot(const std::filesystem::path& run, const std::string& robot);

}  // namespace stampede
