#include "host/app/session/chosen_policy.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "host/app/export/policy_file.hpp"
#include "host/app/export/policy_fit.hpp"
#include "host/app/run/trained_robot.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/base/error.hpp"

namespace stampede {

ChosenPolicy choose_policy(const PolicySource& source, const std::string& command) {
  if (source.run.empty() == source.policy.empty()) {
    throw Error(command + " needs either --run DIR or --policy FILE with --task T");
  }
  SettingsSources sources = source.sources;
  const std::string& config = sources.config_file;
  if (!source.run.empty() && !config.empty()) {
    throw Error("--config with --run: the run has its own config.toml; leave --config out, or use --set");
  }
  // The policy is read first, so that a bad file is refused before an engine is loaded.
  ChosenPolicy chosen;
  std::vector<std::string> notes_of_robot, notes_of_fit;
  if (!source.run.empty()) {
    refuse_other_task(source.task, source.run);
    RunContents contents = load_run(source.run, sources);
    chosen.policy = std::move(contents.policy);
    chosen.task = std::move(contents.task);
    notes_of_fit = std::move(contents.notes_of_fit);
    notes_of_robot = std::move(contents.notes);
  } else {
    chosen.policy = read_policy_file(source.policy);
    if (source.task.empty() && config.empty() && !chosen.policy.task.empty()) {
      sources.flags.push_back({"task", nlohmann::json(chosen.policy.task).dump(), "--policy " + source.policy});
    }
    chosen.task = plan_task(resolve_settings(sources));
    chosen.policy = fit_policy(std::move(chosen.policy), *chosen.task.spec, source.policy, notes_of_fit);
  }
  const std::optional<LeggedSettings>& legged = chosen.task.settings.legged;
  const auto own_robot = [&](const std::filesystem::path& run) {
    return legged && is_trained_robot(run, legged->control.robot);
  };
  // Notes about the run's robot matter only where it is the robot that is simulated.
  if (!source.run.empty() && own_robot(source.run)) chosen.notes = notes_of_robot;
  const std::filesystem::path beside = std::filesystem::path(config).parent_path();
  if (!config.empty() && own_robot(beside)) chosen.notes = check_trained_robot(beside, false);
  for (const auto& more : {chosen.task.spec->notes, notes_of_fit}) {
    chosen.notes.insert(chosen.notes.end(), more.begin(), more.end());
  }
  return chosen;
}

void refuse_other_task(const std::string& task, const std::string& run) {
  const std::filesystem::path config = std::filesystem::path(run) / "config.toml";
  std::error_code code;
  if (task.empty() || !std::filesystem::exists(config, code)) return;  // a missing run is reported by whoever reads it
  const std::string own = resolve_settings({config.string(), {}, {}}).task;
  if (own == task) return;
  throw Error("--task " + task + ": the run in " + run + " is of the task '" + own + "'; leave --task out");
}

}  // namespace stampede
