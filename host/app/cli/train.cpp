/// \file `stampede train` and `stampede distill`: train or teach a policy, evaluate and export it.
#include <fmt/format.h>

#include <cmath>
#include <exception>
#include <limits>
#include <memory>

#include "host/app/cli/command.hpp"
#include "host/app/cli/progress.hpp"
#include "host/app/run/metrics.hpp"
#include "host/app/session/chosen_policy.hpp"
#include "host/app/session/distillation.hpp"
#include "host/app/session/initial_policy.hpp"
#include "host/app/session/training.hpp"
#include "host/base/interrupt.hpp"

namespace stampede::cli {
namespace {

struct TrainFlags {
  SettingsFlags settings;
  std::string run, resume, teacher, dataset, init;
  std::int64_t stop_after = 0;
  bool stop_after_given = false;
  bool force = false;
};

Json json_of(const TrainResult& result) {
  const bool evaluated = result.evaluation.episodes > 0;
  const double none = std::numeric_limits<double>::quiet_NaN();
  const auto path = [](const std::filesystem::path& file) {
    return file.empty() ? Json(nullptr) : Json(file.string());
  };
  const Settings& settings = result.task.settings;
  Json json = {{"task", settings.task},
               {"algo", settings.algo},
               {"preset", settings.preset},
               {"objective", settings.legged ? Json(settings.legged->objective) : Json(nullptr)},
               {"seed", settings.seed},
               {"ranks", result.ranks},
               {"num_envs", settings.train.num_envs},
               {"steps", result.steps},
               {"iterations", result.iterations},
               {"finished", result.finished},
               {"policy_iteration", result.policy_iteration},
               {"interrupted", result.interrupted},
               {"seconds_train", result.seconds_train},
               {"steps_per_second", result.steps_per_second}};
  json.update(shares_json(result.shares));
  json.update({{"return_mean", number_or_null(evaluated ? result.evaluation.return_mean : none)},
               {"return_std", number_or_null(evaluated ? result.evaluation.return_std : none)},
               {"episode_length_mean", number_or_null(evaluated ? result.evaluation.episode_length_mean : none)},
               {"episodes", result.evaluation.episodes}});
  const std::string& metric = result.task.spec->metric;
  if (!metric.empty()) json[metric] = number_or_null(evaluated ? result.evaluation.metric : none);
  if (result.task.spec->legged != nullptr && evaluated) {
    json.update(legged_json(*result.task.spec, result.evaluation));
  }
  if (!result.last.values.empty()) json["metrics"] = Json::parse(to_json_line(result.last));
  if (settings.distill) {
    json["teacher_return_mean"] = number_or_null(result.teacher_return_mean.value_or(none));
    json["data_return_mean"] = number_or_null(result.data_return_mean.value_or(none));
    const bool learned = !result.last.values.empty() && result.last.table->find("loss") < result.last.table->size();
    json["loss"] = number_or_null(learned ? result.last["loss"] : none);
  }
  json["run"] = result.run.string();
  json["policy_onnx"] = path(result.policy_onnx);
  json["policy_safetensors"] = path(result.policy_safetensors);
  json["curve"] = path(result.curve);
  json["nonfinite"] = result.nonfinite;
  json["contacts_over_slots"] = result.contacts_over_slots;
  json["notes"] = result.notes;
  return json;
}

std::string text_of(const TrainResult& result) {
  std::string text = fmt::format("trained  {}: iteration {} of {}, {} steps", result.task.settings.task,
                                 result.iterations, result.schedule, short_number(static_cast<double>(result.steps)));
  if (result.steps_per_second > 0) {
    text += fmt::format(", {:.2f} s at {} steps/s", result.seconds_train, short_number(result.steps_per_second));
  }
  if (result.ranks > 1) {
    text += fmt::format(", by {} ranks of {} environments", result.ranks, result.task.settings.train.num_envs);
  }
  text += "\n";
  if (const std::string shares = result.shares.text(); !shares.empty()) text += "time     " + shares + "\n";
  if (result.evaluation.episodes > 0) {
    text += fmt::format("return   {} +- {} over {} episodes (deterministic policy)\n",
                        fixed(result.evaluation.return_mean, 1), fixed(result.evaluation.return_std, 1),
                        result.evaluation.episodes);
    if (result.policy_iteration < result.iterations) {
      text += fmt::format("best     in validation: the policy after iteration {}\n", result.policy_iteration);
    }
    if (result.teacher_return_mean) text += fmt::format("teacher  {}\n", fixed(*result.teacher_return_mean, 1));
    if (result.data_return_mean) text += fmt::format("data set {}\n", fixed(*result.data_return_mean, 1));
    if (result.task.spec->legged != nullptr) text += text_of_legged(*result.task.spec, result.evaluation);
    text += fmt::format("policy   {}\n", result.policy_onnx.string());
    text += fmt::format("curve    {}\n", result.curve.string());
  }
  if (result.nonfinite > 0) text += fmt::format("states that were not finite and were reset: {}\n", result.nonfinite);
  if (!result.finished) text += fmt::format("go on    stampede train --resume {}\n", result.run.string());
  return text;
}

/// Throws Error for flags that contradict --resume: a run goes on in its folder, with its own settings.
void refuse_beside_resume(const TrainFlags& flags) {
  const SettingsFlags& settings = flags.settings;
  const std::pair<const char*, bool> others[] = {{"--seed", !settings.seed.empty()},
                                                 {"--config", !settings.config.empty()},
                                                 {"--set", !settings.set.empty()},
                                                 {"--algo", !settings.algo.empty()},
                                                 {"--preset", !settings.preset.empty()},
                                                 {"--objective", !settings.objective.empty()},
                                                 {"--robot", !settings.robot.empty()},
                                                 {"--num-envs", !settings.num_envs.empty()},
                                                 {"--iterations", !settings.iterations.empty()},
                                                 {"--teacher", !flags.teacher.empty()},
                                                 {"--dataset", !flags.dataset.empty()},
                                                 {"--init", !flags.init.empty()},
                                                 {"--finetune", !settings.finetune.empty()},
                                                 {"--run", !flags.run.empty()},
                                                 {"--force", flags.force}};
  for (const auto& [flag, given] : others) {
    if (given) {
      throw Error(std::string(flag) + " with --resume: a run goes on with what its config.toml says; leave " + flag +
                  " out, or edit " + flags.resume + "/config.toml");
    }
  }
}

/// The run that the flags ask for: a training, or, with `teaches`, a distillation.
TrainResult start(const TrainFlags& flags, const TrainOptions& options, bool teaches) {
  if (!teaches) {
    const PlannedTask task = plan_task(training_settings(flags.settings));
    return train(task, flags.init.empty() ? options : beginning_with(flags.init, task, "--init", options));
  }
  if (!flags.teacher.empty() && !flags.dataset.empty()) {
    throw Error("--dataset with --teacher: a student learns from one of them; leave the other out");
  }
  SettingsSources sources = flags.settings.sources();
  sources.default_algo = flags.dataset.empty() ? "online" : "bc";
  const Settings settings = resolve_settings(sources);
  // A flag replaces what a file's settings name.
  std::string teacher = flags.teacher, dataset = flags.dataset;
  if (teacher.empty() && dataset.empty() && settings.distill) {
    teacher = settings.distill->teacher;
    dataset = settings.distill->dataset;
  }
  if (!dataset.empty()) return distill(plan_task(with_data_set(settings, dataset)), options);
  if (teacher.empty()) {
    throw Error("distill needs a teacher or a data set: --teacher RUN, the folder of its run, or --dataset FILE");
  }
  return distill(plan_task(with_teacher(settings, teacher)), options);
}

/// Trains or teaches, alone or as one of the ranks of `group`.
Outcome run_ranks(const CommonFlags& common, const TrainFlags& flags, bool teaches, RankGroup* group) {
  const bool speaks = group == nullptr || group->rank().index == 0;
  ProgressLine line;
  TrainOptions options;
  options.ranks = group;
  options.device = common.device;
  options.threads = common.threads;
  options.run = flags.run;
  options.force = flags.force;
  options.stop_after = flags.stop_after;
  if (flags.stop_after_given && flags.stop_after < 1) {
    throw Error("--stop-after " + std::to_string(flags.stop_after) + " is out of range; it must be 1 or more");
  }
  options.stop = &catch_interrupts();
  if (speaks) {
    options.progress = [&line](const Progress& progress) { line.show(progress); };
    options.message = say;
  }

  TrainResult result;
  if (!flags.resume.empty()) {
    refuse_beside_resume(flags);
    refuse_other_task(flags.settings.task, flags.resume);
    result = resume_training(flags.resume, options);
  } else {
    result = start(flags, options, teaches);
  }
  line.finish();

  if (group != nullptr) group->part();

  Outcome outcome;
  outcome.silent = !speaks;
  outcome.processor = result.processor;
  outcome.json = json_of(result);
  outcome.text = text_of(result);
  if (result.interrupted) {
    outcome.status = Status::kInterrupted;
    if (speaks) say("interrupted and saved; `stampede train --resume " + result.run.string() + "` goes on");
  }
  return outcome;
}

Outcome run(const CommonFlags& common, const TrainFlags& flags, bool teaches) {
  if (teaches) refuse_ranks("distill");
  const std::unique_ptr<RankGroup> group = join_ranks();
  if (group == nullptr) return run_ranks(common, flags, teaches, nullptr);
  const auto failed = [&group](const Error& error) {
    Outcome outcome;
    outcome.silent = false;
    const Error ours = group->fail(error, outcome.silent);
    if (!outcome.silent) throw ours;
    outcome.status = ours.status();
    return outcome;
  };
  try {
    return run_ranks(common, flags, teaches, group.get());
  } catch (const Error& error) {
    return failed(error);
  } catch (const std::exception& error) {
    return failed(Error(error.what(), Status::kFailed));
  }
}

/// Flags that both commands have.
void add_run_flags(CLI::App& command, const std::shared_ptr<TrainFlags>& flags) {
  add_task_flag(command, flags->settings);
  add_settings_flags(command, flags->settings);
  command.add_option("--preset", flags->settings.preset, "size of the networks (default)");
  command.add_option("--objective", flags->settings.objective,
                     "of walking tasks: cat, shaped or early-termination (cat)");
  command.add_option("--robot", flags->settings.robot,
                     "of walking tasks: another robot's name, or its file (the task's)");
  command.add_option("--num-envs", flags->settings.num_envs, "environments side by side");
  command.add_option("--iterations", flags->settings.iterations, "the schedule's length");
  command.add_option("--run", flags->run, "folder of the run (a new runs/<task>-<n>)");
  command.add_flag("--force", flags->force, "replace the run that is in the folder");
  command.add_option("--resume", flags->resume, "go on with the run in this folder, with what its config.toml says");
  command.add_option_function<std::int64_t>(
      "--stop-after",
      [flags](const std::int64_t& iterations) {
        flags->stop_after = iterations;
        flags->stop_after_given = true;
      },
      "stop after so many iterations of this call");
}

}  // namespace

void add_train(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* command = add_command(app, chosen, "train", "Train a policy, evaluate and export it",
                                  "stampede train --task pendulum --seed 3\n  stampede train --resume runs/pendulum-1",
                                  common, [common, flags] { return run(*common, *flags, false); });
  add_run_flags(*command, flags);
  command->add_option("--algo", flags->settings.algo, "reinforce, reinforce-baseline, actor-critic or ppo (ppo)");
  command->add_option("--init", flags->init, "policy to begin with: its file, or the folder of its run");
}

void add_distill(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* command = add_command(app, chosen, "distill", "Teach a student what a trained policy does",
                                  "stampede distill --teacher runs/go2-rough-1 --task go2-blind\n"
                                  "  stampede distill --dataset swings.safetensors --task pendulum\n"
                                  "  stampede distill --resume runs/go2-blind-1",
                                  common, [common, flags] { return run(*common, *flags, true); });
  command->add_option("--teacher", flags->teacher, "folder of the teacher's run");
  command->add_option("--dataset", flags->dataset, "data set that `stampede record` wrote, in place of a teacher");
  add_run_flags(*command, flags);
  command->add_option("--algo", flags->settings.algo, "online, dagger or bc (online)");
  command->add_option("--finetune", flags->settings.finetune, "iterations of PPO for the student afterwards (0)");
}

}  // namespace stampede::cli
