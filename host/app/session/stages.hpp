#pragma once
/// \file What a run consists of: stages, one after the other.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/engine/engine.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// A stage of a run: `iterations` iterations of something that has a state and a policy (Stage), such as a training.
struct StageSpec {
  std::string name;  ///< stored in checkpoints: "training"
  std::int64_t iterations = 0;
  /// Makes the stage. `before`: the policy that the stage before ended with; for the first one TrainOptions::before.
  std::function<std::unique_ptr<Stage>(Engine&, const Policy* before)> make;
};

/// The stages of a task's run, one after the other. A checkpoint knows its stage, so a run that was killed in one goes
/// on there.
using Pipeline = std::function<std::vector<StageSpec>(const PlannedTask&)>;

/// The stages that the settings ask for: "training"; or, of a student, "distillation" and, with distill.finetune,
/// "finetuning" by PPO.
std::vector<StageSpec> stages_of(const PlannedTask& task);

/// The settings of a training. Throws Error where their algorithm teaches a student, which needs a teacher.
Settings training_settings(const SettingsSources& sources);

}  // namespace stampede
