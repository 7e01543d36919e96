#pragma once
/// \file A run, read back: what evaluation and export need of it.

#include <cstdint>
#include <filesystem>
#include <string>

#include "host/engine/policy.hpp"
#include "host/engine/task_info.hpp"
#include "host/settings/settings.hpp"

namespace stampede {

struct RunContents {
  Settings settings;
  Policy policy;  ///< of the newest checkpoint
  std::int64_t iteration = 0;
};

/// Reads a run's `config.toml` and newest checkpoint. Throws Error where one is missing or damaged. `flag` is what
/// named the folder.
RunContents load_run(const std::filesystem::path& run, const std::string& flag = "--run");

/// The control step [s] with the settings' own parameters: `environment.dt` where the task has it.
double control_step(const TaskInfo& task, const Settings& settings);

/// The seed of an evaluation's starts for a run's seed. Another stream than training's, and the same for `train` and
/// `eval`, so that their figures agree.
std::uint64_t evaluation_seed(std::uint64_t seed);

}  // namespace stampede
