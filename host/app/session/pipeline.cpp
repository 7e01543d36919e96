/// \file A teacher's and a student's run, their evaluation, export and report.
#include "host/app/session/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <optional>
#include <utility>

#include "host/app/export/onnx.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/report/pipeline_page.hpp"
#include "host/app/report/pipeline_pictures.hpp"
#include "host/app/run/run_folder.hpp"
#include "host/app/run/system_info.hpp"
#include "host/app/session/distillation.hpp"
#include "host/app/session/evaluation_figures.hpp"
#include "host/app/session/motion.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/base/clock.hpp"
#include "host/base/error.hpp"
#include "host/base/memory.hpp"
#include "host/engine/loader.hpp"
#include "host/task/protocol.hpp"

namespace stampede {
namespace {

constexpr const char* kPipelineStages[] = {"teacher", "student", "evaluation", "export", "report"};

/// Whether a stage's results are there.
bool holds_results(const std::filesystem::path& folder, const std::string& stage) {
  if (stage == "teacher" || stage == "student") return RunFolder::holds_run(folder / stage);
  if (stage == "evaluation") return is_file(folder / "evaluation.json");
  if (stage == "export") return is_file(folder / "policy.onnx") && is_file(folder / "policy.safetensors");
  return is_file(folder / "report.html");
}

/// Throws Error that says what differs where a pipeline was begun otherwise than this call asks for.
void check_same(const std::filesystem::path& folder, const PipelineState& begun, const PipelineConfig& config) {
  const std::string what_to_do =
      "; put that back, or begin anew: in another folder with --run, or in this one with --force";
  const auto given = [](const std::string& seed) { return seed.empty() ? std::string("no --seed") : "--seed " + seed; };
  if (begun.seed != config.sources.seed) {
    throw Error(folder.string() + " was begun with " + given(begun.seed) + ", not with " + given(config.sources.seed) +
                what_to_do);
  }
  if (begun.set != config.sources.set) {
    const std::string before =
        begun.set.empty() ? "no --set" : fmt::format("--set {}", fmt::join(begun.set, " --set "));
    throw Error(folder.string() + " was begun with " + before + what_to_do);
  }
  const std::string key = first_difference(PipelineFolder::read_config(folder), config.text);
  if (key.empty()) return;
  throw Error(config.sources.file.string() + ": " + key + " differs from what " + folder.string() +
              " was begun with (its pipeline.toml)" + what_to_do);
}

bool is_same(const std::filesystem::path& folder, const PipelineConfig& config) {
  try {
    check_same(folder, PipelineFolder::read_state(folder), config);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// The folder of the pipeline that is to go on; empty where a new one is to begin.
std::filesystem::path started_folder(const PipelineConfig& config, const PipelineOptions& options) {
  if (options.force) return {};
  if (!options.run.empty()) return PipelineFolder::holds_pipeline(options.run) ? options.run : std::filesystem::path();
  const auto folders = numbered_folders("runs", config.name);
  for (auto it = folders.rbegin(); it != folders.rend(); ++it) {
    if (PipelineFolder::holds_pipeline(it->second) && is_same(it->second, config)) return it->second;
  }
  return {};
}

/// Makes student and teacher once, as they will be: what does not fit is refused now and not after the teacher's
/// training.
void rehearse(Engine& engine, const PipelineConfig& config) {
  const std::string name = config.sources.file.string() + ": [teacher]";
  const PlannedTask teacher = plan_task(config.teacher);
  const PlannedTask student = plan_task(with_teacher(config.student, config.teacher, "teacher", name));
  if (config.report.film != "none") check_drawable(student);
  const auto within = [&](const char* table, const auto& make) {
    within_memory(fmt::format("the environments of [{}]", table),
                  "choose a smaller train.num_envs, train.horizon or network there", make);
  };
  Policy untrained;
  within("teacher", [&] { untrained = engine.make_trainer(training_request(teacher))->policy(); });
  check_onnx_modules(untrained);
  untrained.facts = policy_facts(untrained, *teacher.spec);
  std::vector<std::string> notes;
  untrained = fit_teacher(std::move(untrained), student, name, notes);
  within("student",
         [&] { check_onnx_modules(engine.make_trainer(distillation_request(student, untrained))->policy()); });
}

/// The work of one call.
class PipelineSession {
 public:
  PipelineSession(const PipelineConfig& config, const PipelineOptions& options) : config_(config), options_(options) {}

  PipelineResult run() {
    const std::filesystem::path started = started_folder(config_, options_);
    if (!started.empty()) {
      folder_.emplace(PipelineFolder::open(started));
      state_ = PipelineFolder::read_state(started);
      check_same(started, state_, config_);
      check_teacher_is_there();
      if (!all_there()) load_engine();
    } else {
      load_engine();
      rehearse(*engine_, config_);
      begin();
    }
    PipelineResult result;
    result.interrupted = !all_there() && !run_stages();
    return finish(std::move(result));
  }

 private:
  void say(const std::string& line) const {
    if (options_.message) options_.message(line);
  }
  bool stop_asked() const { return options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed); }

  void load_engine() {
    const DeviceChoice choice = choose_device(options_.device);
    if (!choice.note.empty()) say(choice.note);
    engine_ = make_engine(choice, options_.threads);
  }

  void begin() {
    folder_.emplace(PipelineFolder::create(options_.run, config_.name, config_.text, options_.force));
    state_.config_file = config_.sources.file.string();
    state_.seed = config_.sources.seed;
    state_.set = config_.sources.set;
    for (const char* name : kPipelineStages) state_.stages.push_back({name, 0, false, 0, 0});
    folder_->start(config_.text, state_);
  }

  /// A teacher that is gone cannot be trained again beside a student that the first one taught.
  void check_teacher_is_there() const {
    if (!state_.stages.front().done || holds_results(folder_->path(), "teacher")) return;
    throw Error(folder_->file("teacher").string() +
                ": the teacher's run is gone, though pipeline.json says that it is done; --force begins anew");
  }

  bool is_there(const PipelineStage& stage) const { return stage.done && holds_results(folder_->path(), stage.name); }
  bool all_there() const {
    return std::all_of(state_.stages.begin(), state_.stages.end(),
                       [&](const PipelineStage& stage) { return is_there(stage); });
  }

  /// Runs the first stage that is not done and all behind it. Returns whether the end was reached.
  bool run_stages() {
    state_.calls.push_back(nlohmann::ordered_json::parse(system_json(*engine_, std::time(nullptr))));
    std::size_t next = 0;
    while (is_there(state_.stages[next])) ++next;
    if (next > 0) say("going on with the stage " + state_.stages[next].name + " of " + folder_->path().string());
    for (std::size_t i = next; i < state_.stages.size(); ++i) state_.stages[i].done = false;
    folder_->save(state_);
    for (; next < state_.stages.size(); ++next) {
      if (stop_asked() || !run_stage(state_.stages[next])) return false;
    }
    return true;
  }

  /// Returns false where it was interrupted.
  bool run_stage(PipelineStage& stage) {
    say("stage " + stage.name);
    const double begun = seconds_now();
    begun_ = begun;
    try {
      const bool whole = stage.name == "teacher"      ? train_teacher(stage)
                         : stage.name == "student"    ? teach_student(stage)
                         : stage.name == "evaluation" ? evaluate(stage)
                         : stage.name == "export"     ? export_policy()
                                                      : report(stage);
      stage.done = whole;
    } catch (...) {
      stage.seconds += seconds_now() - begun;
      folder_->save(state_);
      throw;
    }
    stage.seconds += seconds_now() - begun;
    folder_->save(state_);
    return stage.done;
  }

  TrainOptions options_of(const std::string& stage) const {
    TrainOptions own;
    own.run = folder_->file(stage);
    own.force = true;  // what is there was killed before its first checkpoint
    own.resumed_by = "stampede pipeline --config FILE --run " + folder_->path().string();
    own.stop = options_.stop;
    own.progress = options_.progress;
    own.message = options_.message;
    return own;
  }

  /// A run that has checkpoints goes on; any other begins.
  template <class Begin>
  bool train_or_resume(PipelineStage& stage, const Begin& begin) {
    const std::filesystem::path run = folder_->file(stage.name);
    const TrainOptions own = options_of(stage.name);
    const bool resume = RunFolder::holds_run(run) && !never_saved(run);
    const TrainResult result = resume ? resume_training(*engine_, run, own) : begin(own);
    stage.nonfinite = result.nonfinite;
    stage.contacts_over_slots = result.contacts_over_slots;
    if (result.finished && !result.interrupted) {
      say(fmt::format("{}: return {:.1f} +- {:.1f} over {} episodes", stage.name, result.evaluation.return_mean,
                      result.evaluation.return_std, result.evaluation.episodes));
    }
    return result.finished && !result.interrupted;
  }

  bool train_teacher(PipelineStage& stage) {
    return train_or_resume(stage,
                           [&](const TrainOptions& own) { return train(*engine_, plan_task(config_.teacher), own); });
  }

  bool teach_student(PipelineStage& stage) {
    return train_or_resume(stage, [&](const TrainOptions& own) {
      const Settings student = with_teacher(config_.student, folder_->file("teacher"), "[teacher]");
      return distill(*engine_, plan_task(student), own);
    });
  }

  /// The student's run, which knows where its teacher is now even if the folder was moved.
  RunContents load_student() const {
    RunContents student = load_run(folder_->file("student"));
    std::error_code code;
    student.task.settings.distill.value().teacher =
        std::filesystem::absolute(folder_->file("teacher"), code).lexically_normal().string();
    return student;
  }

  /// Teacher and student in the same episodes of the student's task.
  bool evaluate(PipelineStage& stage) {
    const RunContents student = load_student();
    std::vector<std::string> notes;
    const Policy teacher = find_teacher(student.task, notes);
    const int episodes = config_.evaluate.episodes;
    EvaluationRequest request = evaluation_request(student.task, episodes, randomises(student.task.settings));
    request.seed = evaluation_seed(kProtocolSeed);
    nlohmann::ordered_json found = {
        {"task", student.task.spec->name}, {"seed", kProtocolSeed}, {"policy_iteration", student.iteration}};
    stage.nonfinite = stage.contacts_over_slots = 0;
    const auto judge = [&](const char* who, const EvaluationRequest& asked, const Policy& policy) {
      const Evaluation evaluation =
          within_memory(fmt::format("the evaluation of {} episodes", episodes), "choose a smaller evaluate.episodes",
                        [&] { return engine_->evaluate(asked, policy); });
      found[who] = evaluation_json(*asked.task, evaluation);
      stage.nonfinite += evaluation.nonfinite;
      stage.contacts_over_slots += evaluation.contacts_over_slots;
      say(fmt::format("the {}'s return: {:.1f} +- {:.1f} over {} episodes", who, evaluation.return_mean,
                      evaluation.return_std, evaluation.episodes));
    };
    judge("teacher", teacher_evaluation(student.task, episodes), teacher);
    if (stop_asked()) return false;
    judge("student", request, student.policy);
    folder_->write("evaluation.json", found.dump(2) + "\n");
    return true;
  }

  bool export_policy() {
    const RunContents student = load_student();
    folder_->write("policy.onnx", to_onnx(student.policy, *student.task.spec));
    folder_->write("policy.safetensors", to_policy_safetensors(student.policy, *student.task.spec));
    return true;
  }

  bool report(PipelineStage& stage) {
    const RunContents student = load_student();
    const PipelinePictures pictures = draw_pictures(*engine_, student.task, student.policy, config_.report,
                                                    folder_->path(), [this] { return stop_asked(); });
    if (!pictures.note.empty()) say(pictures.note);
    if (stop_asked()) return false;
    PipelineState told = state_;
    for (PipelineStage& each : told.stages) {
      if (each.name == stage.name) each.seconds += seconds_now() - begun_, each.done = true;
    }
    folder_->write("report.html", pipeline_page(config_, told, folder_->path(), pictures));
    return true;
  }

  PipelineResult finish(PipelineResult result) const {
    result.run = folder_->path();
    result.stages = state_.stages;
    result.finished = all_there();
    if (is_file(folder_->file("report.html"))) result.report = folder_->file("report.html");
    if (is_file(folder_->file("evaluation.json"))) {
      result.evaluation =
          nlohmann::ordered_json::parse(read_file(folder_->file("evaluation.json"), kLargestText), nullptr, false);
    }
    result.processor =
        engine_ != nullptr ? processor_of(*engine_) : processor_of(choose_device(options_.device), options_.threads);
    return result;
  }

  const PipelineConfig& config_;
  const PipelineOptions& options_;
  std::unique_ptr<Engine> engine_;  ///< null where nothing was left to do
  std::optional<PipelineFolder> folder_;
  PipelineState state_;
  double begun_ = 0;  ///< when the current stage began [s]
};

}  // namespace

PipelineResult run_pipeline(const PipelineConfig& config, const PipelineOptions& options) {
  return PipelineSession(config, options).run();
}

}  // namespace stampede
