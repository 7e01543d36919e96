/// \file `stampede eval`: evaluates a deterministic policy in the way that is fixed for its task
/// (host/task/protocol.hpp).
#include <fmt/format.h>

#include "host/app/cli/policy_source.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/session/evaluate.hpp"
#include "host/base/files.hpp"

namespace stampede::cli {
namespace {

struct EvalFlags {
  PolicyFlags source;
  std::string trace, randomise, simulator = "stampede";
  std::int64_t episodes = 0;
  bool episodes_given = false;
  bool force = false;
};

Outcome run(const CommonFlags& common, const EvalFlags& flags) {
  const auto [policy, planned, notes] = choose_policy(flags.source, "eval");
  const TaskSpec& task = *planned.spec;
  EvaluateOptions options;
  if (flags.episodes_given) options.episodes = flags.episodes;
  if (!flags.source.settings.seed.empty()) options.seed = planned.settings.seed;
  options.randomise = flags.randomise;
  options.simulator = flags.simulator;
  options.trace = !flags.trace.empty();
  const EvaluationPlan plan = plan_evaluation(planned, options);
  if (!flags.trace.empty()) refuse_to_overwrite("--trace", flags.trace, flags.force);

  Outcome outcome;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  const Evaluation evaluation = evaluate(*engine, planned, policy, plan);
  if (!flags.trace.empty()) {
    write_file(flags.trace, to_safetensors(evaluation.trace, policy_facts(policy, task)));
  }
  outcome.json = {
      {"task", task.name}, {"simulator", flags.simulator}, {"randomise", plan.randomise}, {"seed", plan.seed}};
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
