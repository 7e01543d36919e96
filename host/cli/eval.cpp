/// \file `stampede eval`: the task's evaluation protocol with the deterministic policy.
#include <fmt/format.h>

#include "host/base/files.hpp"
#include "host/base/suggest.hpp"
#include "host/cli/command.hpp"
#include "host/export/onnx.hpp"
#include "host/export/policy_tensors.hpp"
#include "host/legged/protocol.hpp"
#include "host/train/run_contents.hpp"

namespace stampede::cli {
namespace {

struct EvalFlags {
  SettingsFlags settings;
  std::string run, policy, trace, randomise, simulator = "stampede";
  std::int64_t episodes = 0;
  bool episodes_given = false;
  bool force = false;
};

/// Refuses what no task of this version can do.
void check(const EvalFlags& flags, const Settings& settings) {
  if (flags.simulator != "stampede") {
    throw Error("--simulator " + flags.simulator + ": the task '" + settings.task +
                "' runs in stampede's own simulator only; " + "leave the flag out or write --simulator stampede");
  }
  if (!flags.randomise.empty() && flags.randomise != "off" && flags.randomise != "on") {
    throw Error("--randomise " + flags.randomise + ": must be on or off");
  }
  if (flags.randomise == "on" && !randomises(settings)) {
    throw Error("--randomise on: the task '" + settings.task +
                "' randomises nothing but its starts; write --randomise off");
  }
}

Outcome run(const CommonFlags& common, const EvalFlags& flags) {
  if (flags.run.empty() == flags.policy.empty()) {
    throw Error("eval needs either --run DIR or --policy FILE.onnx with --task T");
  }
  if (!flags.run.empty() && !flags.settings.config.empty()) {
    throw Error("--config with --run: the run has its own config.toml; leave --config out, or use --set");
  }
  // The policy first: a file that is none should not have to wait for an engine.
  SettingsSources sources = flags.settings.sources();
  Policy policy;
  if (!flags.run.empty()) {
    RunContents contents = load_run(flags.run);
    policy = std::move(contents.policy);
    if (!flags.settings.task.empty() && flags.settings.task != contents.settings.task) {
      throw Error("--task " + flags.settings.task + ": the run in " + flags.run + " is of the task '" +
                  contents.settings.task + "'; leave --task out");
    }
    sources.config_file = flags.run + "/config.toml";
  } else {
    policy = parse_onnx(read_file(flags.policy), flags.policy);
    if (flags.settings.task.empty() && flags.settings.config.empty() && !policy.task.empty()) {
      sources.flags.push_back({"task", Json(policy.task).dump(), "--policy " + flags.policy});
    }
  }
  const Settings settings = resolve_settings(sources);
  const TaskInfo& task = task_of(settings);
  if (!flags.policy.empty()) check_policy_fits(policy, task, flags.policy);
  check(flags, settings);
  if (!flags.trace.empty()) refuse_to_overwrite("--trace", flags.trace, flags.force);

  const bool randomise = flags.randomise.empty() ? randomises(settings) : flags.randomise == "on";
  int episodes = settings.run.eval_episodes;
  if (flags.episodes_given) {
    if (flags.episodes < 1 || flags.episodes > (1 << 20)) {
      throw Error("--episodes " + std::to_string(flags.episodes) + " is out of range; it must be from 1 to 1048576");
    }
    episodes = static_cast<int>(flags.episodes);
  }
  // A run's own seed is that of its training; the protocol's starts are the same for every run.
  const std::uint64_t seed = flags.settings.seed.empty() ? kProtocolSeed : settings.seed;
  EvaluationRequest request = evaluation_request(settings, episodes, randomise);
  request.seed = evaluation_seed(seed);
  request.trace = !flags.trace.empty();

  Outcome outcome;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  const Evaluation evaluation = engine->evaluate(request, policy);
  if (!flags.trace.empty()) {
    write_file(flags.trace, to_safetensors(evaluation.trace, policy_facts(policy, task, control_step(task, settings))));
  }
  outcome.json = {{"task", task.name},
                  {"simulator", "stampede"},
                  {"randomise", randomise},
                  {"seed", seed},
                  {"episodes", evaluation.episodes},
                  {"return_mean", number_or_null(evaluation.return_mean)},
                  {"return_std", number_or_null(evaluation.return_std)},
                  {"episode_length_mean", number_or_null(evaluation.episode_length_mean)},
                  {"steps", evaluation.steps}};
  outcome.text =
      fmt::format("return   {:.1f} +- {:.1f} over {} episodes of {:.1f} steps on average\n", evaluation.return_mean,
                  evaluation.return_std, evaluation.episodes, evaluation.episode_length_mean);
  if (!task.metric.empty()) {
    outcome.json[task.metric] = number_or_null(evaluation.metric);
    outcome.text += fmt::format("{}  {:.3f}\n", task.metric, evaluation.metric);
  }
  if (settings.plan != nullptr) show_legged(*settings.plan, evaluation.legged, outcome);
  if (!flags.trace.empty()) {
    outcome.json["trace"] = flags.trace;
    outcome.text += fmt::format("trace    {}\n", flags.trace);
  }
  outcome.json["nonfinite"] = evaluation.nonfinite;
  outcome.json["contacts_over_slots"] = evaluation.contacts_over_slots;
  return outcome;
}

}  // namespace

void add_eval(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* command = add_command(app, chosen, "eval", "Evaluate a policy without its noise",
                                  "stampede eval --run runs/pendulum-1 --episodes 1000", common,
                                  [common, flags] { return run(*common, *flags); });
  add_task_flag(*command, flags->settings);
  add_settings_flags(*command, flags->settings);
  command->add_option("--run", flags->run, "folder of a run; its newest checkpoint is evaluated");
  command->add_option("--policy", flags->policy, "policy file (.onnx)");
  command->add_option_function<std::int64_t>(
      "--episodes",
      [flags](const std::int64_t& episodes) {
        flags->episodes = episodes;
        flags->episodes_given = true;
      },
      "episodes (run.eval_episodes of the settings)");
  command->add_option("--trace", flags->trace, "keep every observation, action, reward and state (.safetensors)");
  command->add_option("--randomise", flags->randomise, "on or off (on where the task randomises)");
  command->add_option("--simulator", flags->simulator, "stampede")->capture_default_str();
  command->add_flag("--force", flags->force, "overwrite the trace's file");
}

}  // namespace stampede::cli
