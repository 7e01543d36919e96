/// \file `stampede bench env`, `train`, `physics` and `robustness`; no other place but bench_busy.cpp times whole
/// systems.
#include <fmt/format.h>

#include <optional>

#include "host/app/cli/bench_busy.hpp"
#include "host/app/cli/command.hpp"
#include "host/app/session/distillation.hpp"
#include "host/base/clock.hpp"
#include "host/base/memory.hpp"
#include "host/model/robot/load.hpp"
#include "host/peers/measure.hpp"
#include "host/peers/mujoco_peer.hpp"
#include "host/peers/robustness.hpp"

namespace stampede::cli {
namespace {

struct BenchFlags {
  SettingsFlags settings;
  std::string teacher;
  double seconds = 3;
};

/// Runs `work`. Where memory runs out, the error names the number of environments and advises a smaller one.
template <class Work>
auto for_environments(std::int64_t num_envs, Work&& work) {
  return within_memory(fmt::format("{} environments", num_envs), "choose a smaller --num-envs",
                       std::forward<Work>(work));
}

void check(const BenchFlags& flags) {
  if (!(flags.seconds > 0 && flags.seconds <= 3600)) {
    throw Error("--seconds " + fmt::format("{}", flags.seconds) + " is out of range; it must be above 0, up to 3600");
  }
}

Outcome bench_env(const CommonFlags& common, const BenchFlags& flags) {
  check(flags);
  const PlannedTask task = plan_task(resolve_settings(flags.settings.sources()));
  const Settings& settings = task.settings;
  Outcome outcome;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  const EnvironmentBenchmark measured = for_environments(settings.train.num_envs, [&] {
    return engine->bench_environment({task.spec, settings.train.num_envs, settings.seed, flags.seconds});
  });
  const double rate = measured.seconds > 0 ? static_cast<double>(measured.steps) / measured.seconds : 0.0;
  const double per_core = rate / std::max(1, engine->threads());
  outcome.json = {{"task", settings.task},
                  {"num_envs", settings.train.num_envs},
                  {"steps", measured.steps},
                  {"episodes", measured.episodes},
                  {"seconds", measured.seconds},
                  {"steps_per_second", rate},
                  {"steps_per_second_per_core", per_core},
                  {"description", engine->description()},
                  {"nonfinite", measured.nonfinite},
                  {"contacts_over_slots", measured.contacts_over_slots}};
  outcome.text =
      fmt::format("{} x {}: {} steps/s, {} steps/s a core ({}, {} threads)\n", settings.train.num_envs, settings.task,
                  short_number(rate), short_number(per_core), engine->instruction_set(), engine->threads());
  return outcome;
}

/// The trainer that the flags ask for: of a policy or, with a teacher, of its student.
TrainingRequest request_of(const BenchFlags& flags, PlannedTask& task) {
  TrainingRequest request;
  if (flags.teacher.empty()) {
    task = plan_task(training_settings(flags.settings));
    request = training_request(task);
  } else {
    SettingsSources sources = flags.settings.sources();
    sources.default_algo = "online";
    task = plan_task(with_teacher(resolve_settings(sources), flags.teacher));
    std::vector<std::string> notes;
    request = distillation_request(task, find_teacher(task, notes));
    for (const std::string& note : notes) say(note);
  }
  request.timing = true;
  return request;
}

Outcome bench_train(const CommonFlags& common, const BenchFlags& flags) {
  check(flags);
  PlannedTask task;
  const TrainingRequest request = request_of(flags, task);
  const Settings& settings = task.settings;
  Outcome outcome;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  const std::unique_ptr<Stage> trainer =
      for_environments(settings.train.num_envs, [&] { return engine->make_trainer(request); });

  Report report;
  const auto iterate = [&] {
    trainer->enqueue_iteration();
    if (!trainer->fetch_report(report, true)) throw Error("the trainer lost a report", Status::kFailed);
  };
  iterate();  // not timed: fills caches, raises the processor's clock, makes what is made at first use
  const double peak = engine->fma_peak_gflops();
  const std::int64_t steps_before = report.steps;
  TimeShares shares;
  double update = 0;
  std::int64_t iterations = 0;
  const double started = seconds_now();
  double seconds = 0;
  do {
    iterate();
    shares.add(report);
    update += report["seconds_update"];
    ++iterations;
    seconds = seconds_now() - started;
  } while (seconds < flags.seconds);

  const double rate = static_cast<double>(report.steps - steps_before) / seconds;
  const double gflops = update > 0 ? trainer->update_flops() * static_cast<double>(iterations) / update * 1e-9 : 0.0;
  outcome.json = {{"task", settings.task},     {"algo", settings.algo},
                  {"preset", settings.preset}, {"num_envs", settings.train.num_envs},
                  {"iterations", iterations},  {"steps", report.steps - steps_before},
                  {"seconds", seconds},        {"steps_per_second", rate}};
  outcome.json.update(shares_json(shares));
  if (task.spec->constraints.list.empty()) outcome.json["share_constraints"] = 0.0;
  outcome.json.update({{"update_gflops", gflops},
                       {"fma_peak_gflops", peak},
                       {"description", engine->description()},
                       {"nonfinite", report.count("nonfinite")},
                       {"contacts_over_slots", report.count("contacts_over_slots")}});
  outcome.text = fmt::format("{} x {}, preset {}: {} steps/s; {}; update {:.1f} GFLOP/s", settings.train.num_envs,
                             settings.task, settings.preset, short_number(rate), shares.text(), gflops);
  if (peak > 0) outcome.text += fmt::format(" of {:.1f} ({:.0f} %)", peak, 100 * gflops / peak);
  outcome.text += "\n";
  return outcome;
}

/// Ground with four levels of each kind in `kinds`.
TerrainSettings bench_terrain(const std::string& kinds, std::uint64_t seed) {
  TerrainSettings settings;
  settings.levels = 4;
  settings.border = 2;
  settings.seed = seed;
  return with_kinds(settings, kinds);
}

struct PhysicsFlags {
  std::string robot;
  std::optional<double> dt;  ///< none: the file's
  std::string terrain;
  PhysicsBenchmarkRequest request;
};

Outcome bench_physics(const CommonFlags& common, const PhysicsFlags& flags) {
  if (flags.request.num_envs < 1 || flags.request.num_envs > (1 << 24)) {
    throw Error(fmt::format("--num-envs {} is out of range; it must be 1 to {}", flags.request.num_envs, 1 << 24));
  }
  if (flags.request.repetitions < 1 || flags.request.repetitions > 1000) {
    throw Error(fmt::format("--repetitions {} is out of range; it must be 1 to 1000", flags.request.repetitions));
  }
  LoadOptions options;
  options.timestep = flags.dt;
  const bool on_terrain = flags.request.scene == "terrain";
  if (!on_terrain && !flags.terrain.empty()) {
    throw Error(fmt::format("--terrain {} belongs to --scene terrain, not {}", flags.terrain, flags.request.scene));
  }
  if (on_terrain) options.terrain = bench_terrain(flags.terrain.empty() ? "all" : flags.terrain, flags.request.seed);
  const CompiledRobot compiled = load_robot(flags.robot, options);
  for (const std::string& note : compiled.notes) say(note);
  Outcome outcome;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  const PhysicsBenchmark b = for_environments(flags.request.num_envs, [&] {
    return measure_physics(*engine, compiled.robot, compiled.model.get(), flags.request);
  });
  const double per_core = b.steps_per_second / std::max(1, engine->threads());
  outcome.json = {{"robot", compiled.robot.name},
                  {"dt", compiled.robot.options.timestep},
                  {"scene", b.scene},
                  {"num_envs", flags.request.num_envs},
                  {"steps", b.steps},
                  {"seconds", b.seconds},
                  {"steps_per_second", b.steps_per_second},
                  {"steps_per_second_per_core", per_core},
                  {"contacts_mean", b.contacts_mean},
                  {"iterations_mean", b.iterations_mean},
                  {"iteration_cap_share", b.iteration_cap_share},
                  {"description", engine->description()}};
  outcome.text =
      fmt::format("{} x {} {}, dt {} s: {} steps/s, {} a core; {:.2f} contacts, {:.2f} iterations\n",
                  flags.request.num_envs, compiled.robot.name, b.scene, compiled.robot.options.timestep,
                  short_number(b.steps_per_second), short_number(per_core), b.contacts_mean, b.iterations_mean);
  if (flags.request.mujoco) {
    outcome.json["mujoco_version"] = mujoco_version();
    outcome.json["mujoco_steps_per_second"] = b.mujoco_steps_per_second;
    outcome.json["mujoco_default_steps_per_second"] = b.mujoco_default_steps_per_second;
    outcome.json["mujoco_contacts_mean"] = b.mujoco_contacts_mean;
    outcome.json["mujoco_iterations_mean"] = b.mujoco_iterations_mean;
    outcome.json["mujoco_nonfinite"] = b.mujoco_nonfinite;
    outcome.json["ratio"] = b.ratio;
    outcome.text +=
        fmt::format("MuJoCo {} on as many threads: {} steps/s; {:.2f} contacts, {:.2f} iterations; ratio {:.1f}\n",
                    mujoco_version(), short_number(b.mujoco_steps_per_second), b.mujoco_contacts_mean,
                    b.mujoco_iterations_mean, b.ratio);
    if (b.mujoco_nonfinite > 0) {
      outcome.text += fmt::format("MuJoCo's states became not finite in {} environments\n", b.mujoco_nonfinite);
    }
  }
  outcome.json["nonfinite"] = static_cast<std::int64_t>(b.nonfinite);
  outcome.json["contacts_over_slots"] = static_cast<std::int64_t>(b.over_slots);
  return outcome;
}

struct RobustnessFlags {
  std::string robot, terrain;
  RobustnessRequest request;
};

Outcome bench_robustness(const CommonFlags& common, const RobustnessFlags& flags) {
  if (flags.request.num_envs < 1 || flags.request.num_envs > (1 << 24) || flags.request.steps < 1) {
    throw Error(
        fmt::format("--num-envs {} and --steps {} must be at least 1", flags.request.num_envs, flags.request.steps));
  }
  LoadOptions options;
  if (!flags.terrain.empty()) options.terrain = bench_terrain(flags.terrain, flags.request.seed);
  const CompiledRobot compiled = load_robot(flags.robot, options);
  for (const std::string& note : compiled.notes) say(note);
  Outcome outcome;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  const Robustness r =
      for_environments(flags.request.num_envs, [&] { return test_robustness(*engine, compiled.robot, flags.request); });
  outcome.json = {{"robot", compiled.robot.name},
                  {"terrain", flags.terrain},
                  {"num_envs", flags.request.num_envs},
                  {"steps", static_cast<std::int64_t>(r.steps)},
                  {"seconds", r.seconds},
                  {"contacts_mean", r.contacts / r.steps},
                  {"iteration_cap_share", r.iteration_cap_share},
                  {"deepest", r.deepest},
                  {"fastest", r.fastest},
                  {"looks", static_cast<std::int64_t>(r.looks)},
                  {"nonfinite", static_cast<std::int64_t>(r.nonfinite)},
                  {"contacts_over_slots", static_cast<std::int64_t>(r.over_slots)}};
  outcome.text = fmt::format(
      "{} x {}: {} steps, {:.0f} non-finite, cap on iterations in {:.2g} % of steps, {:.0f} contacts over slots, "
      "{:.1f} cm under "
      "the ground at most\n",
      flags.request.num_envs, compiled.robot.name, short_number(r.steps), r.nonfinite, 100 * r.iteration_cap_share,
      r.over_slots, 100 * r.deepest);
  if (r.nonfinite > 0) outcome.status = Status::kFailed;
  return outcome;
}

}  // namespace

void add_bench(CLI::App& app, Chosen& chosen) {
  CLI::App* bench = app.add_subcommand("bench", "Measure speed");
  bench->require_subcommand(1);
  bench->footer("Example:\n  stampede bench env --task pendulum");
  add_bench_busy(*bench, chosen);
  {
    auto common = std::make_shared<CommonFlags>();
    auto flags = std::make_shared<BenchFlags>();
    CLI::App* command = add_command(*bench, chosen, "env", "Step environments with random actions, resets included",
                                    "stampede bench env --task pendulum --num-envs 65536", common,
                                    [common, flags] { return bench_env(*common, *flags); });
    add_task_flag(*command, flags->settings);
    add_settings_flags(*command, flags->settings);
    command->add_option("--num-envs", flags->settings.num_envs, "environments side by side");
    command->add_option("--seconds", flags->seconds, "how long to measure [s]")->capture_default_str();
  }
  {
    auto common = std::make_shared<CommonFlags>();
    auto flags = std::make_shared<BenchFlags>();
    CLI::App* command = add_command(*bench, chosen, "train", "Run whole training iterations",
                                    "stampede bench train --task pendulum --preset large", common,
                                    [common, flags] { return bench_train(*common, *flags); });
    add_task_flag(*command, flags->settings);
    add_settings_flags(*command, flags->settings);
    command->add_option(
        "--algo", flags->settings.algo,
        "reinforce, reinforce-baseline, actor-critic or ppo (ppo); with a teacher online, dagger or bc (online)");
    command->add_option("--teacher", flags->teacher, "folder of a teacher's run: measures its student's distillation");
    command->add_option("--preset", flags->settings.preset, "size of the networks (default)");
    command->add_option("--num-envs", flags->settings.num_envs, "environments side by side");
    command->add_option("--seconds", flags->seconds, "how long to measure [s]")->capture_default_str();
  }
  {
    auto common = std::make_shared<CommonFlags>();
    auto flags = std::make_shared<PhysicsFlags>();
    CLI::App* command = add_command(*bench, chosen, "physics", "Simulate robots alone, and MuJoCo beside them",
                                    "stampede bench physics --robot go2 --dt 0.005 --mujoco", common,
                                    [common, flags] { return bench_physics(*common, *flags); });
    command->add_option("--robot", flags->robot, "a robot's name, or its file (.xml, .urdf)")->required();
    command->add_option("--dt", flags->dt, "time step [s] (the file's)");
    command->add_option("--scene", flags->request.scene, "standing, trot, random, falling or terrain")
        ->capture_default_str();
    command->add_option("--terrain", flags->terrain, "kinds of ground of scene terrain (`stampede list`; all)");
    command->add_option("--num-envs", flags->request.num_envs, "robots side by side")->capture_default_str();
    command->add_option("--repetitions", flags->request.repetitions, "timed runs; the median counts")
        ->capture_default_str();
    command->add_option("--seed", flags->request.seed, "of starts and controls")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    command->add_flag("--mujoco", flags->request.mujoco, "the same with MuJoCo, on as many threads");
  }
  {
    auto common = std::make_shared<CommonFlags>();
    auto flags = std::make_shared<RobustnessFlags>();
    CLI::App* command =
        add_command(*bench, chosen, "robustness", "Treat robots roughly, for long, and count what goes wrong",
                    "stampede bench robustness --robot go2 --steps 100000", common,
                    [common, flags] { return bench_robustness(*common, *flags); });
    command->add_option("--robot", flags->robot, "a robot's name, or its file (.xml, .urdf)")->required();
    command->add_option("--num-envs", flags->request.num_envs, "robots side by side")->capture_default_str();
    command->add_option("--terrain", flags->terrain, "kinds of ground (`stampede list`), or all (the robot's own)");
    command->add_option("--steps", flags->request.steps, "time steps of each")->capture_default_str();
    command->add_option("--seed", flags->request.seed, "of controls and pushes")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
  }
}

}  // namespace stampede::cli
