/// \file `stampede pipeline`: teacher, student, evaluation, export and report, in order.
#include <fmt/format.h>

#include "host/app/cli/command.hpp"
#include "host/app/cli/progress.hpp"
#include "host/app/session/pipeline.hpp"
#include "host/base/interrupt.hpp"

namespace stampede::cli {
namespace {

struct PipelineFlags {
  PipelineSources sources;
  std::string config, run;
  bool force = false;
};

Json json_of(const PipelineResult& result) {
  Json stages = Json::array();
  std::int64_t nonfinite = 0, over_slots = 0;
  for (const PipelineStage& stage : result.stages) {
    stages.push_back({{"name", stage.name}, {"seconds_total", stage.seconds}, {"done", stage.done}});
    nonfinite += stage.nonfinite;
    over_slots += stage.contacts_over_slots;
  }
  const auto path = [&](const char* name, const char* stage) {
    for (const PipelineStage& each : result.stages) {
      if (each.name == stage && each.done) return Json((result.run / name).string());
    }
    return Json(nullptr);
  };
  Json json = {{"run", result.run.string()},
               {"report", path("report.html", "report")},
               {"stages", stages},
               {"finished", result.finished},
               {"interrupted", result.interrupted},
               {"teacher_return_mean", nullptr},
               {"return_mean", nullptr},
               {"policy_onnx", path("policy.onnx", "export")},
               {"policy_safetensors", path("policy.safetensors", "export")},
               {"evaluation", path("evaluation.json", "evaluation")},
               {"nonfinite", nonfinite},
               {"contacts_over_slots", over_slots}};
  for (const auto& [who, key] : {std::pair{"teacher", "teacher_return_mean"}, std::pair{"student", "return_mean"}}) {
    const auto place = Json::json_pointer(std::string("/") + who + "/return_mean");
    if (result.evaluation.is_object() && result.evaluation.contains(place)) json[key] = result.evaluation.at(place);
  }
  return json;
}

std::string text_of(const PipelineResult& result, const Json& json) {
  std::string text;
  for (const PipelineStage& stage : result.stages) {
    text += fmt::format("{:<10} {}\n", stage.name,
                        stage.done ? fmt::format("{:.1f} s", stage.seconds) : std::string("not done yet"));
  }
  if (json["return_mean"].is_number() && json["teacher_return_mean"].is_number()) {
    text += fmt::format("return     {:.1f}; the teacher's {:.1f}\n", json["return_mean"].get<double>(),
                        json["teacher_return_mean"].get<double>());
  }
  for (const auto& [name, key] : {std::pair{"policy", "policy_onnx"}, std::pair{"report", "report"}}) {
    if (json[key].is_string()) text += fmt::format("{:<10} {}\n", name, json[key].get<std::string>());
  }
  return text;
}

/// The command that goes on with a pipeline.
std::string going_on(const PipelineFlags& flags, const PipelineResult& result) {
  std::string command = "stampede pipeline --config " + flags.config + " --run " + result.run.string();
  if (!flags.sources.seed.empty()) command += " --seed " + flags.sources.seed;
  for (const std::string& set : flags.sources.set) command += " --set '" + set + "'";
  return command;
}

Outcome run(const CommonFlags& common, PipelineFlags flags) {
  refuse_ranks("pipeline");
  if (flags.config.empty()) throw Error("pipeline needs --config FILE; configs/pendulum-pixels.toml is an example");
  flags.sources.file = flags.config;
  const PipelineConfig config = read_pipeline_config(flags.sources);
  ProgressLine line;
  PipelineOptions options;
  options.device = common.device;
  options.threads = common.threads;
  options.run = flags.run;
  options.force = flags.force;
  options.stop = &catch_interrupts();
  options.progress = [&line](const Progress& progress) { line.show(progress); };
  options.message = [&line](const std::string& text) {
    line.finish();
    say(text);
  };
  const PipelineResult result = run_pipeline(config, options);
  line.finish();

  Outcome outcome;
  outcome.processor = result.processor;
  outcome.json = json_of(result);
  outcome.text = text_of(result, outcome.json);
  if (result.interrupted) {
    outcome.status = Status::kInterrupted;
    say("interrupted and saved; `" + going_on(flags, result) + "` goes on");
  }
  return outcome;
}

}  // namespace

void add_pipeline(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<PipelineFlags>();
  CLI::App* command = add_command(app, chosen, "pipeline",
                                  "Train a teacher, teach a student, evaluate, export and report; goes on where it "
                                  "stopped",
                                  "stampede pipeline --config configs/pendulum-pixels.toml", common,
                                  [common, flags] { return run(*common, *flags); });
  command->add_option("--config", flags->config, "TOML file with the tables teacher, student, evaluate and report");
  command->add_option(
      "--run", flags->run,
      "the pipeline's folder (the newest runs/<file>-<n> begun with this configuration, else a new one)");
  command->add_flag("--force", flags->force, "begin anew: in a new folder, or in that of --run, which is emptied");
  command->add_option("--seed", flags->sources.seed, "of teacher and student (what the file says, else 1)");
  command->add_option("--set", flags->sources.set, "key=value, as in --set teacher.train.iterations=100; repeatable")
      ->allow_extra_args(false);
}

}  // namespace stampede::cli
