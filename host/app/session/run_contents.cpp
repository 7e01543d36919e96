/// \file A run, read back.
#include "host/app/session/run_contents.hpp"

#include "host/app/export/policy_fit.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/run/checkpoint.hpp"
#include "host/app/run/run_folder.hpp"
#include "host/app/run/trained_robot.hpp"
#include "host/base/error.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

RunContents load_run(const std::filesystem::path& run, SettingsSources more, const std::string& flag) {
  if (!RunFolder::holds_run(run)) {
    throw Error(flag + " " + run.string() + ": holds no run; name a folder that `stampede train` wrote");
  }
  RunContents contents;
  contents.notes = check_trained_robot(run, false);
  if (never_saved(run)) {
    throw Error(flag + " " + run.string() + ": holds no checkpoint yet; `stampede train --resume " + run.string() +
                "` goes on with the run");
  }
  const std::string config = (run / "config.toml").string();
  const Settings trained = resolve_settings({config, {}, {}});
  Checkpoint checkpoint = load_newest_checkpoint(run, trained.task);
  more.config_file = config;
  contents.task = plan_task(resolve_settings(more));
  contents.iteration = checkpoint.counts.iteration;
  if (checkpoint.best && trained.run.validate_every > 0) {
    contents.iteration = checkpoint.best->iteration;
    checkpoint.policy = std::move(checkpoint.best->policy);
  }
  // Checkpoints of earlier versions hold no facts: they are taken from the run's configuration.
  if (checkpoint.policy.facts.count("action_names") == 0) {
    checkpoint.policy.facts = policy_facts(checkpoint.policy, *plan_task(trained).spec);
  }
  contents.policy = fit_policy(std::move(checkpoint.policy), *contents.task.spec, newest_checkpoint(run).string(),
                               contents.notes_of_fit);
  return contents;
}

bool never_saved(const std::filesystem::path& run) {
  std::error_code code;
  return newest_checkpoint(run).empty() && !std::filesystem::exists(run / "metrics.jsonl", code);
}

std::uint64_t evaluation_seed(std::uint64_t seed) {
  // The finaliser of SplitMix64 (Steele, Lea and Flood 2014) on the seed: far away from the small numbers that users
  // choose.
  std::uint64_t z = seed + 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

}  // namespace stampede
