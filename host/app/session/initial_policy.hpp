#pragma once
/// \file The policy that a training begins with, in place of random weights.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/app/session/training.hpp"
#include "host/engine/policy.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// The policy of `source`, a run's folder or a policy's file, made to fit the task. Its observations and actions are
/// matched by name; where the task has more observations, their weights are 0, so that at first they change nothing,
/// and they are seen as they are measured. `flag` is what named the source, for messages. Throws Error where the task
/// lacks something that the policy sees or does, or where its network is of another size than network.actor.
Policy initial_policy(const std::string& source, const PlannedTask& task, const std::string& flag,
                      std::vector<std::string>& notes);

/// The options with such a policy in them, which the run then keeps in a file: a run that is killed before its first
/// checkpoint begins with it again.
TrainOptions beginning_with(const std::string& source, const PlannedTask& task, const std::string& flag,
                            TrainOptions options);

/// The policy in that file of a run; nothing where it began with random weights.
std::optional<Policy> kept_initial_policy(const std::filesystem::path& run);

}  // namespace stampede
