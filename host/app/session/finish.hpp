#pragma once
/// \file What a run ends with: its policy in files for others, an evaluation, pictures.

#include "host/app/run/run_folder.hpp"
#include "host/app/session/training.hpp"

namespace stampede {

/// Writes the policy, evaluates it (an evaluation that fails does not cost the policy) and draws the run's pictures;
/// `metrics` are those that its stages reported. Fills in what the result says of all this.
void finish_run(Engine& engine, const PlannedTask& task, const RunFolder& folder, const Policy& policy,
                const MetricTable& metrics, TrainResult& result);

}  // namespace stampede
