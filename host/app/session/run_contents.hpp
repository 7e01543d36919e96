#pragma once
/// \file A run, read back: what evaluation and export need of it.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/engine/policy.hpp"
#include "host/task/settings.hpp"
#include "host/task/task_info.hpp"

namespace stampede {

struct RunContents {
  Settings settings;
  Policy policy;  ///< of the newest checkpoint, with the facts of its training
  // For people: what is not as it was, of the robot, and of the settings beside the policy.
  std::vector<std::string> notes, notes_of_fit;
  std::int64_t iteration = 0;
};

/// Reads a run's `config.toml` and newest checkpoint. Throws Error where one is missing or damaged. `flag` is what
/// named the folder.
RunContents load_run(const std::filesystem::path& run, const std::string& flag = "--run");

/// The control step [s] with the settings' own parameters: `environment.dt` where the task has it.
double control_step(const TaskInfo& task, const Settings& settings);

/// Whether the run in `run` was killed before its first checkpoint: there is neither a checkpoint nor a metric. A run
/// that has lost its checkpoints is none such.
bool never_saved(const std::filesystem::path& run);

/// The seed of the evaluation protocol: whatever seed a run was trained with, `train` and `eval` evaluate it from the
/// same starts, so that their figures agree and runs compare. `eval --seed` takes another.
inline constexpr std::uint64_t kProtocolSeed = 1;

/// The random stream's seed for an evaluation with `seed`: another stream than training's with the same number.
std::uint64_t evaluation_seed(std::uint64_t seed);

}  // namespace stampede
