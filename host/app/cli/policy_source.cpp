#include "host/app/cli/policy_source.hpp"

#include <filesystem>
#include <optional>
#include <utility>

#include "host/app/export/onnx.hpp"
#include "host/app/export/policy_fit.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/run/trained_robot.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/base/files.hpp"

namespace stampede::cli {

namespace {

/// A policy from a file, by its ending.
Policy read_policy_file(const std::string& file) {
  if (std::filesystem::path(file).extension() != ".safetensors") return parse_onnx(read_file(file, kLargestOnnx), file);
  return policy_from_tensors(parse_safetensors(read_file(file), file), file);
}

}  // namespace

void add_policy_flags(CLI::App& command, PolicyFlags& flags) {
  add_task_flag(command, flags.settings);
  add_settings_flags(command, flags.settings);
  command.add_option("--run", flags.run, "folder of a run, whose newest checkpoint is taken");
  command.add_option("--policy", flags.policy, "policy file (.onnx, .safetensors)");
}

ChosenPolicy choose_policy(const PolicyFlags& flags, const std::string& command) {
  if (flags.run.empty() == flags.policy.empty()) {
    throw Error(command + " needs either --run DIR or --policy FILE with --task T");
  }
  if (!flags.run.empty() && !flags.settings.config.empty()) {
    throw Error("--config with --run: the run has its own config.toml; leave --config out, or use --set");
  }
  // The policy is read first, so that a bad file is refused before an engine is loaded.
  SettingsSources sources = flags.settings.sources();
  ChosenPolicy chosen;
  std::vector<std::string> notes_of_robot;
  if (!flags.run.empty()) {
    refuse_other_task(flags.settings.task, flags.run);
    RunContents contents = load_run(flags.run, sources);
    chosen = {std::move(contents.policy), std::move(contents.task), std::move(contents.notes_of_fit)};
    notes_of_robot = std::move(contents.notes);
  } else {
    chosen.policy = read_policy_file(flags.policy);
    if (flags.settings.task.empty() && flags.settings.config.empty() && !chosen.policy.task.empty()) {
      sources.flags.push_back({"task", Json(chosen.policy.task).dump(), "--policy " + flags.policy});
    }
    chosen.task = plan_task(resolve_settings(sources));
    chosen.policy = fit_policy(std::move(chosen.policy), *chosen.task.spec, flags.policy, chosen.notes);
  }
  const std::optional<LeggedSettings>& legged = chosen.task.settings.legged;
  const auto own_robot = [&](const std::filesystem::path& run) {
    return legged && is_trained_robot(run, legged->control.robot);
  };
  // Notes about the run's robot matter only where it is the robot that is simulated.
  std::vector<std::string> notes;
  if (!flags.run.empty() && own_robot(flags.run)) notes = notes_of_robot;
  const std::filesystem::path beside = std::filesystem::path(flags.settings.config).parent_path();
  if (!flags.settings.config.empty() && own_robot(beside)) notes = check_trained_robot(beside, false);
  for (const auto& more : {chosen.task.spec->notes, chosen.notes}) notes.insert(notes.end(), more.begin(), more.end());
  chosen.notes = std::move(notes);
  for (const std::string& note : chosen.notes) say(note);
  return chosen;
}

}  // namespace stampede::cli
