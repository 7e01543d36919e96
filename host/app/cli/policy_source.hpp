#pragma once
/// \file The flags that name a command's policy and its task.

#include "host/app/cli/command.hpp"
#include "host/app/session/chosen_policy.hpp"

namespace stampede::cli {

/// --run DIR, or --policy FILE (.onnx, .safetensors) with --task T; and the settings' flags.
struct PolicyFlags {
  SettingsFlags settings;
  std::string run, policy;
};

/// Adds --task, --run, --policy and the settings' flags.
void add_policy_flags(CLI::App& command, PolicyFlags& flags);

/// stampede::choose_policy of the flags; prints the notes on stderr.
ChosenPolicy choose_policy(const PolicyFlags& flags, const std::string& command);

}  // namespace stampede::cli
