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
#include "host/app/session/evaluation_figures.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/base/memory.hpp"
#include "host/task/protocol.hpp"

namespace stampede {
namespace {

constexpr const char* kTeacherFile = "teacher.json";

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

/// Throws Error where the network's outputs mean other actions to the teacher than to the student.
void check_action_scale(const Policy& teacher, const ActionSpec& action, const std::string& name) {
  for (std::size_t i = 0; i < action.names.size(); ++i) {
    const float centre = teacher.action_centre[i], scale = teacher.action_scale[i];
    const auto near = [&](float a, float b) { return std::fabs(a - b) <= 1e-4f * std::max(1.0f, std::fabs(b)); };
    if (near(centre, action.centre[i]) && near(scale, action.scale[i])) continue;
    throw Error(
        fmt::format("{}: to the teacher the action '{}' is {:.5g} + {:.5g} x the network's output, to the student "
                    "{:.5g} + {:.5g} x "
                    "it; both must be the same",
                    name, action.names[i], centre, scale, action.centre[i], action.scale[i]));
  }
}

/// Throws Error where the teacher acts at other times than the student.
void check_control_step(const Policy& teacher, const TaskSpec& task, const std::string& name) {
  const auto found = teacher.facts.find("control_dt");
  if (found == teacher.facts.end()) return;
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  if (!json.is_number()) return;
  const double step = json.get<double>();
  if (std::fabs(step - task.control_dt) <= 1e-5 * task.control_dt) return;
  throw Error(fmt::format("{}: the teacher's control step is {} s, that of the task '{}' is {} s; they must be equal",
                          name, static_cast<float>(step), task.name, static_cast<float>(task.control_dt)));
}

bool sees_scan(const std::vector<std::string>& terms) {
  return std::find(terms.begin(), terms.end(), "height_scan") != terms.end();
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

/// The options with the teacher in them.
TrainOptions taught(const PlannedTask& student, const TrainOptions& options) {
  TrainOptions own = options;
  own.before = find_teacher(student, own.notes);
  own.more_files = [student, teacher = *own.before, options](Engine& engine) {
    return std::map<std::string, std::string>{{kTeacherFile, evaluate_teacher(engine, student, teacher, options)}};
  };
  return own;
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
  distill.teacher = std::filesystem::absolute(run, code).lexically_normal().string();
  distill.every = teacher.policy_observation.every;
  distill.delay = teacher.policy_observation.delay;
  distill.history = teacher.policy_observation.history;
  if (teacher.legged && student.legged) {
    distill.observations = teacher.legged->observations.policy;
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

Policy fit_teacher(Policy teacher, const PlannedTask& student, const std::string& name,
                   std::vector<std::string>& notes) {
  const std::shared_ptr<const TaskSpec> spec = teacher_spec(student);
  check_control_step(teacher, *spec, name);
  // Tasks of one kind are the same to a policy, whatever they are called: its numbers are compared by their names.
  teacher.task = spec->name;
  std::vector<std::string> differences;
  teacher = fit_policy(std::move(teacher), *spec, name, differences);
  for (const std::string& difference : differences) notes.push_back("the teacher: " + difference);
  check_action_scale(teacher, spec->action, name);
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
  return train(student, taught(student, options));
}
TrainResult distill(Engine& engine, const PlannedTask& student, const TrainOptions& options) {
  return train(engine, student, taught(student, options));
}

std::optional<double> return_of_teacher(const std::filesystem::path& run) {
  const std::filesystem::path file = run / kTeacherFile;
  std::error_code code;
  if (!std::filesystem::exists(file, code)) return std::nullopt;
  const auto json = nlohmann::json::parse(read_file(file.string(), kLargestText), nullptr, false);
  if (!json.is_object() || !json.contains("return_mean") || !json["return_mean"].is_number()) return std::nullopt;
  return json["return_mean"].get<double>();
}

}  // namespace stampede
