#pragma once
/// \file The evaluation of a policy in the way that is fixed for its task (host/task/protocol.hpp).

#include <cstdint>
#include <optional>
#include <string>

#include "host/engine/engine.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// What may be chosen of an evaluation.
struct EvaluateOptions {
  std::optional<std::int64_t> episodes;  ///< none: run.eval_episodes of the task's settings
  std::optional<std::uint64_t> seed;     ///< none: every policy is evaluated from the same starts
  std::string randomise;                 ///< on, off; empty: on where the task randomises
  std::string simulator = "stampede";    ///< stampede, or mujoco for a walking task
  bool trace = false;                    ///< keep every observation, action, reward and state
};

/// The same, checked and complete.
struct EvaluationPlan {
  int episodes = 0;
  std::uint64_t seed = 1;
  bool randomise = false, mujoco = false, trace = false;
};

/// Throws Error for what has no meaning for the task; no engine is needed yet.
EvaluationPlan plan_evaluation(const PlannedTask& task, const EvaluateOptions& options);

/// Evaluates a policy that fits the task.
Evaluation evaluate(Engine& engine, const PlannedTask& task, const Policy& policy, const EvaluationPlan& plan);

}  // namespace stampede
