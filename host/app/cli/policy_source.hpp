#pragma once
/// \file Finds a command's policy and its task: from a run's folder, or from a policy file and the name of a task.

#include "host/app/cli/command.hpp"
#include "host/engine/policy.hpp"
#include "host/task/planned_task.hpp"

namespace stampede::cli {

/// --run DIR, or --policy FILE (.onnx, .safetensors) with --task T; and the settings' flags.
struct PolicyFlags {
  SettingsFlags settings;
  std::string run, policy;
};

struct ChosenPolicy {
  Policy policy;  ///< fits the task
  PlannedTask task;
  std::vector<std::string> notes;  ///< differences that the user should know of; already printed on stderr
};

/// Adds --task, --run, --policy and the settings' flags.
void add_policy_flags(CLI::App& command, PolicyFlags& flags);

/// Loads the policy and plans its task. `command` is the command's name, for messages. Throws Error where both or
/// neither of --run and --policy are given, and where policy and task do not fit each other.
ChosenPolicy choose_policy(const PolicyFlags& flags, const std::string& command);

}  // namespace stampede::cli
