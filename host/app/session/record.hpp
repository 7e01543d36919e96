#pragma once
/// \file Demonstrations: episodes of a policy as a data set. What a file holds: docs/data_sets.md.

#include <cstdint>

#include "host/app/session/data_set.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// Lets the policy, without chance, act through `episodes` episodes of the task as it is trained on: the first one of
/// each of as many environments, so that short ones are not favoured. Throws Error where policy and task do not fit.
DataSet record_episodes(Engine& engine, const PlannedTask& task, const Policy& policy, int episodes,
                        std::uint64_t seed);

}  // namespace stampede
