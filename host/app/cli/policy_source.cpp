#include "host/app/cli/policy_source.hpp"

namespace stampede::cli {

void add_policy_flags(CLI::App& command, PolicyFlags& flags) {
  add_task_flag(command, flags.settings);
  add_settings_flags(command, flags.settings);
  command.add_option("--run", flags.run, "folder of a run, whose newest checkpoint is taken");
  command.add_option("--policy", flags.policy, "policy file (.onnx, .safetensors)");
}

ChosenPolicy choose_policy(const PolicyFlags& flags, const std::string& command) {
  ChosenPolicy chosen =
      stampede::choose_policy({flags.run, flags.policy, flags.settings.task, flags.settings.sources()}, command);
  for (const std::string& note : chosen.notes) say(note);
  return chosen;
}

}  // namespace stampede::cli
