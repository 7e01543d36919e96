#pragma once
/// \file Where a command's policy comes from: a run, or a file and a task.

#include "host/app/cli/command.hpp"
#include "host/engine/policy.hpp"
#include "host/task/planned_task.hpp"

namespace stampede::cli {

/// --run DIR, or --policy FILE.onnx with --task T; and the settings' flags.
struct PolicyFlags {
  SettingsFlags settings;
  std::string run, policy;
};

struct ChosenPolicy {
  Policy policy;  ///< fits the task
  PlannedTask task;
  std::vector<std::string> notes;  ///< what is otherwise than somebody might think; they were said
};

/// Adds --task, --run, --policy and the settings' flags.
void add_policy_flags(CLI::App& command, PolicyFlags& flags);

/// Loads the policy and plans its task. `command` is what needs them, for messages. Throws Error where both or none are
/// given, and where they do not fit each other.
ChosenPolicy choose_policy(const PolicyFlags& flags, const std::string& command);

}  // namespace stampede::cli
