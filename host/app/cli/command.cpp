/// \file What the commands share.
#include "host/app/cli/command.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <utility>

#include "host/app/session/training.hpp"

namespace stampede::cli {

SettingsSources SettingsFlags::sources() const {
  SettingsSources sources;
  sources.config_file = config;
  sources.set = set;
  const auto add = [&](const char* key, const std::string& value, const char* flag, bool word) {
    if (value.empty()) return;
    // Words are quoted, so that a name such as `true` is read as a string.
    sources.flags.push_back({key, word ? Json(value).dump() : value, flag});
  };
  add("task", task, "--task", true);
  add("algo", algo, "--algo", true);
  add("preset", preset, "--preset", true);
  add("objective", objective, "--objective", true);
  add("control.robot", robot, "--robot", true);
  add("seed", seed, "--seed", false);
  add("train.num_envs", num_envs, "--num-envs", false);
  add("train.iterations", iterations, "--iterations", false);
  add("distill.finetune", finetune, "--finetune", false);
  return sources;
}

CLI::App* add_command(CLI::App& parent, Chosen& chosen, const std::string& name, const std::string& description,
                      const std::string& example, std::shared_ptr<CommonFlags> common, std::function<Outcome()> run) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->footer("Example:\n  " + example);
  command->add_flag("--json", common->json, "print one JSON object on stdout, everything else on stderr");
  command->add_option("--device", common->device, "auto, cpu, cuda, or cuda:N for GPU N of those that the process sees")
      ->capture_default_str();
  const CLI::Option* threads = command->add_option("--threads", common->threads, "host threads (all cores)");
  const std::string full = parent.get_parent() != nullptr ? parent.get_name() + " " + name : name;
  command->final_callback([&chosen, full, common, threads, run = std::move(run)] {
    chosen.name = full;
    chosen.common = common.get();
    chosen.run = [common, threads, run] {
      if (threads->count() > 0 && (common->threads < 1 || common->threads > 4096)) {
        throw Error("--threads " + std::to_string(common->threads) + " is out of range; it must be from 1 to 4096");
      }
      return run();
    };
  });
  return command;
}

void add_task_flag(CLI::App& command, SettingsFlags& flags) {
  command.add_option("--task", flags.task, "what is simulated; `stampede list` names all tasks");
}

void add_settings_flags(CLI::App& command, SettingsFlags& flags) {
  command.add_option("--seed", flags.seed, "of all random numbers (1)");
  command.add_option("--config", flags.config, "TOML file with settings");
  command.add_option("--set", flags.set, "key=value, as in --set algorithm.learning_rate=1e-3; repeatable")
      ->allow_extra_args(false);
}

void accept_shared_flags(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    accept_shared_flags(*command);
    if (!command->get_subcommands([](const CLI::App*) { return true; }).empty()) continue;
    for (const char* flag : {"--seed", "--config", "--set"}) {
      if (command->get_option_no_throw(flag) != nullptr) continue;
      command
          ->add_option_function<std::vector<std::string>>(
              flag, [](const auto&) {}, "has no effect here")
          ->allow_extra_args(false);
    }
    if (command->get_option_no_throw("--force") == nullptr) {
      command->add_flag_function(
          "--force", [](std::int64_t) {}, "has no effect here");
    }
  }
}

DeviceChoice name_device(const CommonFlags& common, Outcome& outcome) {
  DeviceChoice choice = choose_device(common.device);
  outcome.processor = processor_of(choice, common.threads);
  return choice;
}

std::unique_ptr<Engine> load_engine(const CommonFlags& common, Outcome& outcome) {
  const DeviceChoice choice = choose_device(common.device);
  if (!choice.note.empty()) say(choice.note);
  std::unique_ptr<Engine> engine = make_engine(choice, common.threads);
  outcome.processor = processor_of(*engine);
  return engine;
}

void refuse_ranks(const std::string& command) {
  const LaunchedRank launched = launched_rank();
  if (launched.rank.world_size == 1) return;
  throw Error(launched.variable + " says that " + std::to_string(launched.rank.world_size) +
              " processes were started together, but `stampede " + command +
              "` runs in one; only `stampede train` with an algorithm that learns by itself takes several");
}

void say(const std::string& line) {
  static const std::shared_ptr<spdlog::logger> log = [] {
    auto made = std::make_shared<spdlog::logger>("stampede", std::make_shared<spdlog::sinks::stderr_sink_st>());
    made->set_pattern("stampede: %v");
    return made;
  }();
  log->info(line);
}

void refuse_to_overwrite(const std::string& flag, const std::string& path, bool force) {
  std::error_code code;
  if (!force && std::filesystem::exists(path, code)) {
    throw Error(flag + " " + path + ": exists already; --force overwrites it");
  }
}

Settings training_settings(const SettingsFlags& flags) { return stampede::training_settings(flags.sources()); }

Json shares_json(const TimeShares& shares) {
  Json json = Json::object();
  for (const std::string part : {"physics", "pictures", "teacher", "inference", "constraints", "update"}) {
    json["share_" + part] = number_or_null(shares.of(part));
  }
  return json;
}

namespace {

/// How many episodes crossed their tile: a line for each kind of ground, its levels side by side.
std::string text_of_crossings(const std::vector<KindCrossing>& crossings) {
  std::string text;
  for (std::size_t i = 0; i < crossings.size();) {
    const TerrainKind kind = crossings[i].kind;
    std::string shares;
    for (; i < crossings.size() && crossings[i].kind == kind; ++i) {
      shares += fmt::format(" {:3.0f}", 100 * crossings[i].share());
    }
    text += fmt::format("  crossed {:<12}{} % (levels from the easiest)\n",
                        kTerrainKinds[static_cast<std::size_t>(kind)].name, shares);
  }
  return text;
}

/// A line for each constraint.
std::string text_of_constraints(const TaskSpec& task, const std::vector<ConstraintFigures>& figures) {
  std::string text;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const ConstraintSpec& info = task.constraints.list[i];
    const ConstraintFigures& c = figures[i];
    text += fmt::format("  {:<5} {:<20} limit {:<8.4g} violated {:7.3f} %, p99 {:.4g}", info.kind, info.name,
                        info.limit, 100 * c.violated, c.p99);
    if (c.applied < 1) {
      text += fmt::format("; applied to {:.1f} % of the steps", 100 * c.applied);
      if (c.applied > 0) text += fmt::format(", violated in {:.3f} % of those", 100 * c.violated_when_applied);
    }
    text += "\n";
  }
  return text;
}

/// A line for each formula that was not finite.
std::string text_of_formulas(const FormulaSpec& formulas, const LeggedEvaluation& evaluation) {
  std::string text;
  for (std::size_t i = 0; i < evaluation.formulas_not_finite.size(); ++i) {
    const double share = evaluation.formulas_not_finite[i];
    if (!(share > 0)) continue;
    text += fmt::format("the formula of {} is not finite in {:.3g} % of the steps: there it counts as 0\n",
                        formulas.names[i], 100 * share);
  }
  return text;
}

}  // namespace

std::string text_of_legged(const TaskSpec& task, const Evaluation& evaluation) {
  const LeggedEvaluation& legged = evaluation.legged;
  return fmt::format("tracking {} m/s, {} rad/s{}; falls {:.2f} %; cost of transport {}\n",
                     fixed(legged.tracking_error_linear, 3), fixed(legged.tracking_error_angular, 3),
                     std::isfinite(legged.tracking_error_linear) ? "" : " (no episode lasted a second)",
                     100 * legged.fall_rate, fixed(legged.cost_of_transport, 2)) +
         fmt::format("survival {:.2f} % of the episodes lasted to their time limit\n", 100 * legged.survival) +
         text_of_constraints(task, evaluation.constraints) +
         text_of_crossings(crossings_by_kind(*task.legged, legged)) + text_of_formulas(task.legged->formulas, legged);
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return "-";
  for (const auto& [factor, unit] : {std::pair{1e9, " G"}, std::pair{1e6, " M"}, std::pair{1e3, " k"}}) {
    // What would be rounded to 1e+03 of a unit is written as 1 of the next.
    if (std::abs(value) >= 0.9995 * factor) return fmt::format("{:.3g}{}", value / factor, unit);
  }
  return fmt::format("{:.3g}", value);
}

std::string fixed(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "-";
}

}  // namespace stampede::cli
