#pragma once
/// \file Checkpoints: `checkpoint/<iteration>.safetensors`, all that a training goes on from.
///
/// The trainer's tensors, the policy's and its facts behind `policy/`, and a checksum of every byte before it. The metadata say in which
/// stage the run is and where that began (`before_stage/`); behind `policy_before/` lies the policy that the stage before ended with. A file is written in
/// the run folder and renamed into `checkpoint/`, so that folder holds only whole checkpoints.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/engine/engine.hpp"

namespace stampede {

/// How far a run is.
struct RunCounts {
  std::int64_t iteration = 0, steps = 0;
  std::int64_t nonfinite = 0, contacts_over_slots = 0;
};

struct Checkpoint {
  std::string task;
  RunCounts counts;
  std::string stage;          ///< the stage that it is in; empty of earlier versions, which had one
  RunCounts before_stage;     ///< where that began
  std::vector<Tensor> state;  ///< what the stage's Stage::state gave
  Policy policy;
  std::optional<Policy> before;  ///< that the stage before ended with
};

/// Writes a checkpoint of the run in `run` and removes all but the newest `kept`.
void save_checkpoint(const std::filesystem::path& run, const Checkpoint& checkpoint, int kept);

/// The newest checkpoint of a run. Throws Error where there is none, where it is of another task than `task`, or where
/// it is damaged; then the line says which older one is whole.
Checkpoint load_newest_checkpoint(const std::filesystem::path& run, const std::string& task);

/// The file of the newest checkpoint, or an empty path.
std::filesystem::path newest_checkpoint(const std::filesystem::path& run);

}  // namespace stampede
