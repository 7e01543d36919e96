/// \file `stampede eval`: evaluates a deterministic policy in the way that is fixed for its task
/// (host/task/protocol.hpp).
#include <fmt/format.h>

#include "host/app/cli/policy_source.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/base/files.hpp"
#include "host/base/memory.hpp"
#include "host/base/suggest.hpp"
#include "host/peers/mujoco_physics.hpp"
#include "host/task/protocol.hpp"

namespace stampede::cli {
namespace {

struct EvalFlags {
  PolicyFlags source;
  std::string trace, randomise, simulator = "stampede";
  std::int64_t episodes = 0;
  bool episodes_given = false;
  bool force = false;
};

/// Throws Error for flags that have no meaning for the task.
void check(const EvalFlags& flags, const Settings& settings) {
  if (flags.simulator != "stampede" && flags.simulator != "mujoco") {
    throw Error("--simulator " + flags.simulator + ": must be stampede or mujoco");
  }
  if (flags.simulator == "mujoco" && !settings.legged) {
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
  const auto [policy, planned, notes] = choose_policy(flags.source, "eval");
  const Settings& settings = planned.settings;
  const TaskSpec& task = *planned.spec;
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
  // A run's own seed is that of its training. Without --seed every run is evaluated from the same starts.
  const std::uint64_t seed = flags.source.settings.seed.empty() ? kProtocolSeed : settings.seed;
  EvaluationRequest request = evaluation_request(planned, episodes, randomise);
  request.seed = evaluation_seed(seed);
  request.trace = !flags.trace.empty();

  Outcome outcome;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  std::unique_ptr<ExternalPhysics> mujoco;
  if (flags.simulator == "mujoco") {
    mujoco = make_mujoco_physics(planned, engine->threads());
    request.external = mujoco.get();
  }
  const Evaluation evaluation =
      within_memory(fmt::format("the evaluation of {} episodes{}", episodes, request.trace ? " with a trace" : ""),
                    request.trace ? "choose fewer --episodes or leave --trace out" : "choose fewer --episodes",
                    [&] { return engine->evaluate(request, policy); });
  if (!flags.trace.empty()) {
    write_file(flags.trace, to_safetensors(evaluation.trace, policy_facts(policy, task)));
  }
  outcome.json = {{"task", task.name}, {"simulator", flags.simulator}, {"randomise", randomise}, {"seed", seed}};
  outcome.json.update(evaluation_json(task, evaluation));
  outcome.text =
      fmt::format("return   {} +- {} over {} episodes of {} steps on average\n", fixed(evaluation.return_mean, 1),
                  fixed(evaluation.return_std, 1), evaluation.episodes, fixed(evaluation.episode_length_mean, 1));
  if (!task.metric.empty()) outcome.text += fmt::format("{}  {}\n", task.metric, fixed(evaluation.metric, 3));
  if (task.legged != nullptr) outcome.text += text_of_legged(task, evaluation);
  if (!flags.trace.empty()) {
    outcome.json["trace"] = flags.trace;
    outcome.text += fmt::format("trace    {}\n", flags.trace);
  }
  outcome.json["notes"] = notes;
  return outcome;
}

}  // namespace

void add_eval(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* command = add_command(app, chosen, "eval", "Evaluate a policy without its noise",
                                  "stampede eval --run runs/pendulum-1 --episodes 1000", common,
                                  [common, flags] { return run(*common, *flags); });
  add_policy_flags(*command, flags->source);
  command->add_option_function<std::int64_t>(
      "--episodes",
      [flags](const std::int64_t& episodes) {
        flags->episodes = episodes;
        flags->episodes_given = true;
      },
      "episodes (run.eval_episodes of the settings)");
  command->add_option("--trace", flags->trace, "keep every observation, action, reward and state (.safetensors)");
  command->add_option("--randomise", flags->randomise, "on or off (on where the task randomises)");
  command->add_option("--simulator", flags->simulator, "stampede or mujoco")->capture_default_str();
  command->add_flag("--force", flags->force, "overwrite the trace's file");
}

}  // namespace stampede::cli
