#pragma once
/// \file Checkpoints: `checkpoint/<iteration>.safetensors`, everything that a training needs to go on.
///
/// A file holds the tensors of the run's stage, those of the policy (names that begin with `policy/`, as its facts in
/// the metadata do) and of the policy that the stage began with (`policy_before/`): from the second stage on that which
/// the one before ended with, of a distillation the teacher; where the run keeps its best policy, that
/// (`policy_best/`); at its end a checksum of all bytes before it. The metadata also say in which stage the run is and
/// where that began (`before_stage/`). A file is written in the run's folder and renamed into `checkpoint/`, which
/// therefore holds complete checkpoints only.
///
/// Tensors that belong to a part (Tensor::part), such as a rollout that a student goes on learning from, never change:
/// a part is written once, before the first checkpoint that has it, to
/// `checkpoint_parts/<part>-<checksum>.safetensors`, and checkpoints name that file in their metadata. A part that no
/// checkpoint names any more is removed.

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

/// The best policy so far (host/app/session/validation.hpp).
struct BestPolicy {
  Policy policy;
  std::int64_t iteration = 0;  ///< of the run, after which it was the policy
  double return_mean = 0;      ///< in validation
};

struct Checkpoint {
  std::string file;  ///< as it is read: where it was
  std::string task;
  RunCounts counts;
  std::string stage;          ///< the one that the run is in; empty in files of earlier versions, which had one stage
  RunCounts before_stage;     ///< how far the run was when that began
  std::vector<Tensor> state;  ///< what the stage's Stage::state gave; as it is read, without the parts (read_parts)
  std::vector<std::string> parts;  ///< as it is read: names of their files
  Policy policy;
  std::optional<BestPolicy> best;  ///< of the validations so far
  std::optional<Policy> before;    ///< the policy that the stage before ended with; of a distillation the teacher
};

/// Writes a checkpoint of the run in `run` and removes all but the newest `kept`.
void save_checkpoint(const std::filesystem::path& run, const Checkpoint& checkpoint, int kept);

/// The newest checkpoint of a run. Throws Error where there is none, where it is of another task than `task`, or where
/// it is damaged; then the message names an older one that is not.
Checkpoint load_newest_checkpoint(const std::filesystem::path& run, const std::string& task);

/// Reads the parts of a checkpoint of that run, which only its training needs, into its state. Throws Error where one
/// is missing or damaged.
void read_parts(const std::filesystem::path& run, Checkpoint& checkpoint);

/// The file of the newest checkpoint, or an empty path.
std::filesystem::path newest_checkpoint(const std::filesystem::path& run);

}  // namespace stampede
