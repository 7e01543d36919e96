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
  /// Of the newest checkpoint, the best one where it keeps that; with the facts of its training, in the task's order.
  Policy policy;
  // Lines for the user: what has changed of the robot's files, and which settings differ from those of the training.
  std::vector<std::string> notes, notes_of_fit;
  std::int64_t iteration = 0;  ///< after which it was the policy
};

/// Reads a run's `config.toml`, overridden by `more`, and its newest checkpoint. Throws Error where one is missing or
/// damaged, or where the policy does not fit the task. `flag`: the flag that named the folder, for messages.
RunContents load_run(const std::filesystem::path& run, SettingsSources more = {}, const std::string& flag = "--run");

/// Whether the run in `run` was killed before its first checkpoint: there is neither a checkpoint nor a metric. A run
/// that has lost its checkpoints still has metrics.
bool never_saved(const std::filesystem::path& run);

/// The seed of evaluations: `train` and `eval` evaluate every run from the same starts, whatever seed it was trained
/// with, so that their results agree and runs can be compared. `eval --seed` uses another.
inline constexpr std::uint64_t kProtocolSeed = 1;

/// That of validations (host/app/session/validation.hpp), whose episodes are others.
inline constexpr std::uint64_t kValidationSeed = 2;

/// The seed of an evaluation's random numbers, made from `seed` so that they differ from those of a training with it.
std::uint64_t evaluation_seed(std::uint64_t seed);

}  // namespace stampede
