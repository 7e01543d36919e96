#pragma once
/// \file Checkpoints of earlier versions, which kept constraints' running maxima by place instead of by name.

#include <filesystem>
#include <vector>

#include "host/engine/task_spec.hpp"
#include "host/engine/tensor.hpp"

namespace stampede {

/// Names the running maxima of an old checkpoint; one that has named them already stays as it is. `run` is the run's folder, whose
/// config.toml lists the constraints in the order of its start. Throws Error where a version that went on with the run might have used
/// another order, as it did for tasks with several parents.
void name_constraint_maxima(std::vector<Tensor>& state, const TaskSpec& task, const std::filesystem::path& run);

}  // namespace stampede
