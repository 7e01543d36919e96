#pragma once
/// \file Checkpoints of earlier versions, which stored the constraints' running maxima in one tensor, by position, and
/// not one for each constraint, by name.

#include <filesystem>
#include <vector>

#include "host/engine/task_spec.hpp"
#include "host/engine/tensor.hpp"

namespace stampede {

/// Splits the running maxima of an old checkpoint into tensors by name; a newer checkpoint stays as it is. `run` is the
/// run's folder, whose config.toml lists the constraints in the order that the run began with. Throws Error where the
/// order cannot be told for sure: earlier versions, when they went on with a run, ordered them by the files that its
/// task extends.
void name_constraint_maxima(std::vector<Tensor>& state, const TaskSpec& task, const std::filesystem::path& run);

}  // namespace stampede
