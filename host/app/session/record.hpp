#pragma once
/// \file Demonstrations: episodes of a policy as a data set. What a file holds: docs/data_sets.md.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "host/engine/engine.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// Episodes that lie one after the other.
struct DataSet {
  std::vector<Tensor> tensors;
  std::map<std::string, std::string> metadata;
  std::int64_t sequences = 0, steps = 0;
  double return_mean = 0;  ///< of the sequences
  VectorCounts counts;
};

/// Lets the policy, without chance, act through `episodes` episodes of the task as it is trained on: the first one of
/// each of as many environments, so that short ones are not favoured. Throws Error where policy and task do not fit.
DataSet record_episodes(Engine& engine, const PlannedTask& task, const Policy& policy, int episodes,
                        std::uint64_t seed);

}  // namespace stampede
