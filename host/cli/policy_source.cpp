#include "host/cli/policy_source.hpp"

#include <utility>

#include "host/base/files.hpp"
#include "host/export/onnx.hpp"
#include "host/export/policy_tensors.hpp"
#include "host/train/run_contents.hpp"

namespace stampede::cli {
namespace {

constexpr std::uintmax_t kLargestPolicy = std::uintmax_t{2}
                                          << 30;  ///< what a protobuf, as ONNX is one, may hold [bytes]

}  // namespace

void add_policy_flags(CLI::App& command, PolicyFlags& flags) {
  add_task_flag(command, flags.settings);
  add_settings_flags(command, flags.settings);
  command.add_option("--run", flags.run, "folder of a run, whose newest checkpoint is taken");
  command.add_option("--policy", flags.policy, "policy file (.onnx)");
}

ChosenPolicy choose_policy(const PolicyFlags& flags, const std::string& command) {
  if (flags.run.empty() == flags.policy.empty()) {
    throw Error(command + " needs either --run DIR or --policy FILE.onnx with --task T");
  }
  if (!flags.run.empty() && !flags.settings.config.empty()) {
    throw Error("--config with --run: the run has its own config.toml; leave --config out, or use --set");
  }
  // The policy first: a file that is none should not have to wait for an engine.
  SettingsSources sources = flags.settings.sources();
  ChosenPolicy chosen;
  if (!flags.run.empty()) {
    RunContents contents = load_run(flags.run);
    chosen.policy = std::move(contents.policy);
    if (!flags.settings.task.empty() && flags.settings.task != contents.settings.task) {
      throw Error("--task " + flags.settings.task + ": the run in " + flags.run + " is of the task '" +
                  contents.settings.task + "'; leave --task out");
    }
    sources.config_file = flags.run + "/config.toml";
  } else {
    chosen.policy = parse_onnx(read_file(flags.policy, kLargestPolicy), flags.policy);
    if (flags.settings.task.empty() && flags.settings.config.empty() && !chosen.policy.task.empty()) {
      sources.flags.push_back({"task", Json(chosen.policy.task).dump(), "--policy " + flags.policy});
    }
  }
  chosen.settings = resolve_settings(sources);
  if (!flags.policy.empty()) check_policy_fits(chosen.policy, task_of(chosen.settings), flags.policy);
  return chosen;
}

}  // namespace stampede::cli
