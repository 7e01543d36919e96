/// \file A student's run.
#include "host/app/session/distillation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "host/app/export/onnx.hpp"
#include "host/app/export/policy_fit.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/run/checkpoint.hpp"
#include "host/app/run/run_folder.hpp"
#include "host/app/session/demonstrations.hpp"
#include "host/app/session/evaluation_figures.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/base/memory.hpp"
#include "host/task/protocol.hpp"

namespace stampede {
namespace {

constexpr const char* kTeacherFile = "teacher.json";
constexpr const char* kDataSetFile = "data_set.json";

/// The policy of a run's newest checkpoint; of a folder without checkpoints, that of its policy.onnx. That has no
/// standard deviations; `settings` of the student give some.
Policy read_policy(const std::filesystem::path& run, const Settings& settings, std::vector<std::string>& notes) {
  const std::filesystem::path exported = run / "policy.onnx";
  std::error_code code;
  if (newest_checkpoint(run).empty() && std::filesystem::exists(exported, code)) {
    if (settings.distill->loss == "kl") {
      throw Error("distill.loss = \"kl\" needs the teacher's standard deviations, which " + exported.string() +
                  " does not hold; a run with checkpoints, or another loss, would be right");
    }
    Policy policy = parse_onnx(read_file(exported.string(), kLargestOnnx), exported.string());
    std::fill(policy.log_std.begin(), policy.log_std.end(), std::log(settings.network.initial_std));
    notes.push_back("the teacher is " + exported.string() +
                    ", which holds no standard deviations; the student begins " + "with network.initial_std");
    return policy;
  }
  if (newest_checkpoint(run).empty()) {
    throw Error("--teacher " + run.string() + ": the run has no policy yet, neither a checkpoint nor policy.onnx; " +
                "`stampede train --resume " + run.string() + "` goes on with it");
  }
  RunContents contents = load_run(run, {}, "--teacher");
  notes.insert(notes.end(), contents.notes.begin(), contents.notes.end());
  return std::move(contents.policy);
}

/// Whether any of these terms is measured at the scan's points.
bool sees_scan(const std::vector<std::string>& terms) {
  return std::any_of(terms.begin(), terms.end(),
                     [](const std::string& term) { return term == "height_scan" || term == "clearance"; });
}

/// The teacher's evaluation in the student's task, as a file of the run. Also says its result.
std::string evaluate_teacher(Engine& engine, const PlannedTask& student, const Policy& teacher,
                             const TrainOptions& options) {
  const EvaluationRequest request = teacher_evaluation(student, student.settings.run.eval_episodes);
  const Evaluation evaluation =
      within_memory(fmt::format("the evaluation of {} episodes", request.episodes),
                    "choose a smaller run.eval_episodes", [&] { return engine.evaluate(request, teacher); });
  nlohmann::ordered_json found = {{"teacher", student.settings.distill->teacher}};
  found.update(evaluation_json(*request.task, evaluation));
  if (options.message) {
    options.message(fmt::format("the teacher's return in this task: {:.1f} +- {:.1f} over {} episodes",
                                evaluation.return_mean, evaluation.return_std, evaluation.episodes));
  }
  return found.dump(2) + "\n";
}

/// The options of a run that learns from a data set, which is read once to tell of it before anything is begun.
TrainOptions shown(const PlannedTask& student, const TrainOptions& options) {
  TrainOptions own = options;
  const DataSet set = within_memory("the data set", "record fewer --episodes", [&] {
    DataSet read = find_data_set(student);
    demonstrations_in(read, student, own.notes);
    return read;
  });
  const nlohmann::ordered_json found = {{"dataset", student.settings.distill->dataset},
                                        {"sequences", set.sequences},
                                        {"steps", set.steps},
                                        {"return_mean", set.return_mean}};
  own.more_files = [text = found.dump(2) + "\n"](Engine&) {
    return std::map<std::string, std::string>{{kDataSetFile, text}};
  };
  return own;
}

/// The options with the teacher in them.
TrainOptions taught(const PlannedTask& student, const TrainOptions& options) {
  TrainOptions own = options;
  own.before = find_teacher(student, own.notes);
  own.more_files = [student, teacher = *own.before, options](Engine& engine) {
    return std::map<std::string, std::string>{{kTeacherFile, evaluate_teacher(engine, student, teacher, options)}};
  };
  return own;
}

TrainOptions prepared(const PlannedTask& student, const TrainOptions& options) {
  return student.settings.distill->dataset.empty() ? taught(student, options) : shown(student, options);
}

/// `return_mean` in a JSON file of a run; nothing where it does not say.
std::optional<double> return_in(const std::filesystem::path& file) {
  std::error_code code;
  if (!std::filesystem::exists(file, code)) return std::nullopt;
  const auto json = nlohmann::json::parse(read_file(file.string(), kLargestText), nullptr, false);
  if (!json.is_object() || !json.contains("return_mean") || !json["return_mean"].is_number()) return std::nullopt;
  return json["return_mean"].get<double>();
}

}  // namespace

Settings with_teacher(Settings student, const Settings& teacher, const std::filesystem::path& run,
                      const std::string& name) {
  if (!student.distill) {
    throw Error("algo = \"" + student.algo + "\" teaches no student; online, dagger or bc would be right");
  }
  if (teacher.kernel != student.kernel) {
    throw Error(name + ": the teacher's task '" + teacher.task + "' is of another kind ('" + teacher.kernel +
                "') than the student's, '" + student.task + "' ('" + student.kernel + "')");
  }
  DistillSettings& distill = *student.distill;
  std::error_code code;
  distill.dataset.clear();
  distill.teacher = std::filesystem::absolute(run, code).lexically_normal().string();
  distill.every = teacher.policy_observation.every;
  distill.delay = teacher.policy_observation.delay;
  distill.history = teacher.policy_observation.history;
  if (teacher.legged && student.legged) {
    distill.observations = teacher.legged->observations.policy;
    if (std::find(distill.observations.begin(), distill.observations.end(), "depth") != distill.observations.end()) {
      throw Error(name + ": the teacher sees \"depth\", as students do; one that sees \"height_scan\" would be right");
    }
    // One scan is simulated for both. Where both see it, differences are found by find_teacher.
    if (sees_scan(distill.observations) && !sees_scan(student.legged->observations.policy)) {
      student.legged->scan = teacher.legged->scan;
    }
  }
  return student;
}

Settings with_teacher(Settings student, const std::filesystem::path& teacher, const std::string& flag) {
  const std::string name = flag + " " + teacher.string();
  if (!student.distill) return with_teacher(std::move(student), Settings(), teacher, name);  // which refuses it
  if (!RunFolder::holds_run(teacher)) {
    throw Error(name + ": holds no run; name a folder that `stampede train` wrote");
  }
  return with_teacher(std::move(student), resolve_settings({(teacher / "config.toml").string(), {}, {}}), teacher,
                      name);
}

Settings with_data_set(Settings student, const std::filesystem::path& file) {
  if (!student.distill || student.algo != "bc") {
    throw Error("--dataset with algo = \"" + student.algo +
                "\": a data set has no teacher to be asked or to act; bc, " + "behaviour cloning, learns from one");
  }
  DistillSettings& distill = *student.distill;
  std::error_code code;
  distill.dataset = std::filesystem::absolute(file, code).lexically_normal().string();
  distill.teacher.clear();
  // Nobody but the student acts, and no rollout is learned from.
  distill.beta = 0.0f;
  distill.rollouts_kept = 1;
  return student;
}

Policy fit_teacher(Policy teacher, const PlannedTask& student, const std::string& name,
                   std::vector<std::string>& notes) {
  const std::shared_ptr<const TaskSpec> spec = teacher_spec(student);
  check_control_step(teacher, *spec, name, "the teacher");
  // Tasks of one kind are the same to a policy, whatever they are called: its numbers are compared by their names.
  teacher.task = spec->name;
  std::vector<std::string> differences;
  teacher = fit_policy(std::move(teacher), *spec, name, differences);
  for (const std::string& difference : differences) notes.push_back("the teacher: " + difference);
  check_action_scale(teacher, *spec, name, "the teacher");
  return teacher;
}

Policy find_teacher(const PlannedTask& student, std::vector<std::string>& notes) {
  const std::filesystem::path run = student.settings.distill.value().teacher;
  if (!RunFolder::holds_run(run)) {
    throw Error("distill.teacher = \"" + run.string() + "\" holds no run; begin anew with --teacher");
  }
  Policy teacher = read_policy(run, student.settings, notes);
  return fit_teacher(std::move(teacher), student, "--teacher " + run.string(), notes);
}

EvaluationRequest teacher_evaluation(const PlannedTask& student, int episodes) {
  PlannedTask task = student;
  task.spec = teacher_spec(student);
  EvaluationRequest request = evaluation_request(task, episodes, randomises(student.settings));
  request.seed = evaluation_seed(kProtocolSeed);
  return request;
}

std::vector<StageSpec> distillation_stages(const PlannedTask& student) {
  const DistillSettings& distill = student.settings.distill.value();
  std::vector<StageSpec> stages = {
      {"distillation", student.settings.train.iterations, [student](Engine& engine, const Policy* before) {
         if (!student.settings.distill->dataset.empty()) {
           std::vector<std::string> said_before;
           return engine.make_trainer(
               cloning_request(student, demonstrations_in(find_data_set(student), student, said_before)));
         }
         if (before == nullptr) throw Error("a distillation needs a teacher; `stampede distill --teacher RUN` has one");
         return engine.make_trainer(distillation_request(student, *before));
       }}};
  if (distill.finetune > 0) {
    stages.push_back({"finetuning", distill.finetune, [student](Engine& engine, const Policy* before) {
                        TrainingRequest request = training_request(student);
                        request.train.iterations = student.settings.distill->finetune;
                        request.initial = std::make_shared<const Policy>(*before);
                        return engine.make_trainer(request);
                      }});
  }
  return stages;
}

TrainResult distill(const PlannedTask& student, const TrainOptions& options) {
  return train(student, prepared(student, options));
}
TrainResult distill(Engine& engine, const PlannedTask& student, const TrainOptions& options) {
  return train(engine, student, prepared(student, options));
}

std::optional<double> return_of_teacher(const std::filesystem::path& run) { return return_in(run / kTeacherFile); }
std::optional<double> return_of_data_set(const std::filesystem::path& run) { return return_in(run / kDataSetFile); }

}  // namespace stampede
