#pragma once
/// \file A run, read back: what evaluation and export need of it.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/engine/policy.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

struct RunContents {
  PlannedTask task;
  Policy policy;  ///< of the newest checkpoint, with the facts of its training, in the order of the task
  // For people: what is not as it was, of the robot, and of the settings beside the policy.
  std::vector<std::string> notes, notes_of_fit;
  std::int64_t iteration = 0;
};

/// Reads a run's `config.toml`, with `more` on top of it, and its newest checkpoint. Throws Error where one is missing or damaged, or where
/// the policy does not fit the task. `flag` is what named the folder.
RunContents load_run(const std::filesystem::path& run, SettingsSources more = {}, const std::string& flag = "--run");

/// Whether the run in `run` was killed before its first checkpoint: there is neither a checkpoint nor a metric. A run
/// that has lost its checkpoints is none such.
bool never_saved(const std::filesystem::path& run);

/// The seed of the evaluation protocol: whatever seed a run was trained with, `train` and `eval` evaluate it from the
/// same starts, so that their figures agree and runs compare. `eval --seed` takes another.
inline constexpr std::uint64_t kProtocolSeed = 1;

/// The random stream's seed for an evaluation with `seed`: another stream than training's with the same number.
std::uint64_t evaluation_seed(std::uint64_t seed);

}  // namespace stampede
