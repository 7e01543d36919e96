#pragma once
/// \file Finds a policy and its task: from a run's folder, or from a policy file and the name of a task.

#include <string>
#include <vector>

#include "host/engine/policy.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// Where a policy comes from: one of `run`, a folder, and `policy`, a file (.onnx, .safetensors).
struct PolicySource {
  std::string run, policy;
  std::string task;         ///< its name or file; empty: the policy's own
  SettingsSources sources;  ///< besides the policy's own
};

struct ChosenPolicy {
  Policy policy;  ///< fits the task
  PlannedTask task;
  std::vector<std::string> notes;  ///< differences that the user should know of
};

/// Loads the policy and plans its task. `command` is what asks for it, for messages. Throws Error where both or neither
/// of `run` and `policy` are given, and where policy and task do not fit each other.
ChosenPolicy choose_policy(const PolicySource& source, const std::string& command);

/// Throws Error where `task`, from --task, is given and is not that of the run in `run`.
void refuse_other_task(const std::string& task, const std::string& run);

}  // namespace stampede
