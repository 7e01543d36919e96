#pragma once
/// \file Several processes that train one policy together, a device each: which of them this one is.

#include <cstdint>

namespace stampede {

/// One process of those that train together. The words are torchrun's, which sets RANK and WORLD_SIZE.
///
/// Each rank steps `train.num_envs` environments of its own. The environments of all ranks are numbered through, rank
/// by rank, and random numbers are keyed by these numbers: 512 environments take the same random numbers in one process
/// as in two of 256 each. Networks begin the same on every rank, as their first weights are drawn from the seed alone.
struct Rank {
  int index = 0;  ///< 0 ... world_size - 1
  int world_size = 1;

  /// The number, among the environments of all ranks, of this rank's first one.
  std::int64_t first_environment(std::int64_t num_envs) const { return index * num_envs; }
};

}  // namespace stampede
