/// \file A run from its first iteration to its exported policy.
#include "host/app/session/training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "host/app/export/onnx.hpp"
#include "host/app/export/policy_fit.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/export/safetensors.hpp"
#include "host/app/run/checkpoint.hpp"
#include "host/app/run/metrics.hpp"
#include "host/app/run/run_folder.hpp"
#include "host/app/run/system_info.hpp"
#include "host/app/run/trained_robot.hpp"
#include "host/app/session/distillation.hpp"
#include "host/app/session/divergence.hpp"
#include "host/app/session/finish.hpp"
#include "host/app/session/formula_notes.hpp"
#include "host/app/session/initial_policy.hpp"
#include "host/app/session/many_minibatches.hpp"
#include "host/app/session/old_checkpoint.hpp"
#include "host/app/session/ranks.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/app/session/sooner_on_cpu.hpp"
#include "host/app/session/validation.hpp"
#include "host/base/clock.hpp"
#include "host/base/error.hpp"
#include "host/base/memory.hpp"
#include "host/engine/in_flight.hpp"
#include "host/engine/loader.hpp"
#include "host/task/legged_spec.hpp"

namespace stampede {
namespace {

constexpr double kFewNonfinite = 10;  ///< up to so many never end a training: too few to judge their share
constexpr const char* kLessMemory = "choose a smaller train.num_envs (--num-envs), train.horizon or network";

/// The error of a training that diverged: to go on from its last checkpoint would lead there again.
struct Diverged : Error {
  explicit Diverged(const std::string& message) : Error(message, Status::kFailed) {}
};

/// The work of one call on a run, from the call's first iteration to the export.
class Session {
 public:
  Session(Engine& engine, const PlannedTask& task, const TrainOptions& options, RunFolder folder)
      : engine_(engine),
        task_(task),
        settings_(task_.settings),
        spec_(*task_.spec),
        options_(options),
        group_(options.ranks),
        folder_(std::move(folder)),
        stages_(options.pipeline(task_)),
        validation_(task_) {
    if (stages_.empty()) throw Error("the run has no stage; one at least would be right", Status::kFailed);
    std::set<std::string> names;
    for (const StageSpec& stage : stages_) {
      total_ += stage.iterations;
      if (stage.name.empty() || !names.insert(stage.name).second) {
        throw Error("the run's stages need a name each that no other has; '" + stage.name + "' is not one",
                    Status::kFailed);
      }
    }
  }

  /// Begins a new run: empties the folder, writes the configuration, then the first checkpoint. A process that is
  /// killed before the configuration is written leaves a folder for a new run; one that is killed later leaves a run
  /// that can go on. Of several ranks the first one does all this.
  void start() {
    enter(0, {}, options_.before);
    if (!is_first(group_)) return begin();
    std::map<std::string, std::string> files;
    if (options_.more_files) files = options_.more_files(engine_);
    Settings kept = settings_;
    if (kept.legged) {
      // Before the folder is emptied: the robot may be the copy of the run that is replaced.
      const KeptRobot robot = folder_.make_partial(kTrainedRobot, [&](const std::filesystem::path& partial) {
        return keep_robot(kept.legged->control.robot, *task_.robot, legged_load_options(*kept.legged), partial);
      });
      kept.legged->control.robot = robot.robot;
      if (!robot.note.empty()) say(robot.note);
    }
    folder_.start(kTrainedRobot);
    try {
      for (const auto& [name, bytes] : files) folder_.write(name, bytes, Durability::kDisk);
      folder_.write("config.toml", to_toml(kept), Durability::kDisk);
      if (kept.legged) folder_.settle_partial(kTrainedRobot);
      say_notes();
      begin();
    } catch (...) {
      folder_.abandon();
      throw;
    }
  }

  /// Writes the first checkpoint. The start follows from the configuration alone, so a run that was killed before this
  /// loses nothing.
  void begin() {
    if (trainer_ == nullptr) enter(0, {}, options_.before);
    save();
    settle();
  }

  /// Says what is simulated differently from the robot's file, what makes a GPU slow, and what the caller has to say.
  void say_notes() {
    for (const std::string& note : spec_.notes) say(note);
    const std::string of_minibatches = engine_.device() == "cuda" ? note_of_minibatches(settings_) : "";
    if (!of_minibatches.empty()) say(of_minibatches);
    for (const std::string& note : options_.notes) say(note);
  }

  /// A line for the user, which is also part of the result.
  void say(const std::string& note) {
    notes_.push_back(note);
    if (options_.message) options_.message(note);
  }

  /// Goes on from a checkpoint.
  void restore(const Checkpoint& checkpoint) {
    const std::string& file = checkpoint.file;
    check_same_places(checkpoint.policy.facts, facts_of(checkpoint.policy), file);
    enter(stage_of(checkpoint, file), checkpoint.before_stage, checkpoint.before);
    check_same_networks(checkpoint.policy, trainer_->policy(), file);
    const std::string note = note_of_ranks(ranks_in(checkpoint.state), ranks_of(group_), settings_.train.num_envs);
    if (!note.empty()) say(note);
    try {
      const bool alone = group_ == nullptr && ranks_in(checkpoint.state) == 1;
      trainer_->restore(alone ? checkpoint.state : state_of_rank(group_, checkpoint.state, trainer_->state()));
    } catch (const Error& error) {
      throw Error(file + ": " + error.what(), error.status());
    }
    for (const std::string& line : trainer_->mended()) {
      if (options_.message) options_.message(line);
    }
    counts_ = checkpoint.counts;
    if (validation_.every() > 0) validation_.restore(checkpoint.best);
    saved_ = counts_.iteration;
    write_system();
  }

  /// Iterations of all stages together.
  std::int64_t iterations() const { return total_; }

  /// Trains, evaluates and exports. Where that fails the run stays, and the error says how to go on.
  TrainResult run() {
    try {
      return work();
    } catch (const Diverged&) {
      throw;
    } catch (const Error& error) {
      throw Error(error.what() + how_to_go_on(), error.status());
    }
  }

 private:
  TrainResult work() {
    within_memory(memory_of_training(), std::string("free some, or begin anew: ") + kLessMemory, [this] { train(); });
    TrainResult result;
    result.task = task_;
    result.notes = notes_;
    result.run = folder_.path();
    result.processor = processor_of(engine_);
    result.finished = counts_.iteration >= total_;
    result.interrupted = stopped_ && !reached_;
    result.iterations = counts_.iteration;
    result.schedule = total_;
    result.ranks = ranks_of(group_);
    result.steps = counts_.steps;
    result.nonfinite = counts_.nonfinite;
    result.contacts_over_slots = counts_.contacts_over_slots;
    result.seconds_train = seconds_;
    result.shares = shares_;
    result.last = latest_;
    const auto steps_here = static_cast<double>(counts_.steps - first_.steps);
    result.steps_per_second = seconds_ > 0 ? steps_here / seconds_ : 0.0;
    if (!result.interrupted && is_first(group_)) finish(result);
    return result;
  }

  /// The newest checkpoint, once the one that is being written is there, and the command that goes on from it.
  std::string how_to_go_on() {
    if (!is_first(group_)) return "";  // rank 0 has the folder, and says it
    try {
      settle();
    } catch (const std::exception&) {  // the failure that is being told came first
    }
    const std::string own = "stampede train --resume " + folder_.path().string();
    return "; all up to " + newest_checkpoint(folder_.path()).string() + " is saved: `" +
           (options_.resumed_by.empty() ? own : options_.resumed_by) + "` goes on from there";
  }

  std::string memory_of_training() const {
    return fmt::format("{} environments and a horizon of {} steps", settings_.train.num_envs, settings_.train.horizon);
  }

  /// Enters a stage, which began where the run was at `begin`, with the policy that the one before ended with.
  void enter(std::size_t stage, const RunCounts& begin, std::optional<Policy> before) {
    stage_ = stage;
    before_stage_ = begin;
    before_ = std::move(before);
    trainer_ = within_memory(memory_of_training(), kLessMemory,
                             [&] { return stages_[stage].make(engine_, before_ ? &*before_ : nullptr); });
    check_onnx_modules(trainer_->policy());  // checked now, though policy.onnx is written at the run's end
    for (const MetricInfo& metric : *trainer_->metrics()) {
      if (seen_.find(metric.name) == seen_.size()) seen_.add(metric);
    }
  }

  /// The next stage begins with the policy of the one that has ended: its best one, where it was validated.
  void enter_next() {
    const std::optional<BestPolicy>& best = validation_.best();
    Policy policy = best && best->iteration > before_stage_.iteration ? best->policy : trainer_->policy();
    trainer_.reset();  // frees its memory before the next one needs some
    enter(stage_ + 1, counts_, std::move(policy));
    if (options_.message) options_.message("stage " + stages_[stage_].name);
  }

  /// Which stage a checkpoint is in. Throws Error where the run has none of that name.
  std::size_t stage_of(const Checkpoint& checkpoint, const std::string& file) const {
    if (checkpoint.stage.empty()) return 0;  // of an earlier version
    std::string names;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      if (stages_[i].name == checkpoint.stage) return i;
      names += (names.empty() ? "'" : ", '") + stages_[i].name + "'";
    }
    throw Error(file + ": is in the stage '" + checkpoint.stage + "', but the run has " + names +
                "; go on with the command that began it");
  }

  /// Where the stage ends, in iterations of the run.
  std::int64_t stage_end() const { return before_stage_.iteration + stages_[stage_].iterations; }

  void write_system() { folder_.write("system.json", system_json(engine_, began_), Durability::kProcess); }

  bool stop_asked() const { return options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed); }

  std::int64_t checkpoint_every() const {
    if (settings_.run.checkpoint_every > 0) return settings_.run.checkpoint_every;
    return std::max<std::int64_t>(1, stages_[stage_].iterations / 10);
  }

  /// Whether run.checkpoint_seconds have passed since the last checkpoint. Not before that is written: on a slow disk
  /// the training would only wait for it.
  bool overdue() const {
    const auto seconds = static_cast<double>(settings_.run.checkpoint_seconds);
    if (seconds <= 0 || seconds_now() - saved_at_ < seconds) return false;
    return !writing_.valid() || writing_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

  void train() {
    std::int64_t target = std::max<std::int64_t>(counts_.iteration, total_);
    if (options_.stop_after > 0) target = std::min(target, counts_.iteration + options_.stop_after);
    first_ = counts_;
    started_ = seconds_now();
    if (counts_.iteration < target) {
      if (is_first(group_)) metrics_.emplace(folder_.path(), counts_.iteration);
      for (;;) {
        train_stage(std::min(target, stage_end()), target);
        if (saved_ < counts_.iteration) save();
        if (counts_.iteration >= target || counts_.iteration < stage_end() || decide().stop) break;
        enter_next();
      }
      metrics_.reset();
    }
    if (decide().stop) settle();
    reached_ = counts_.iteration >= target;
    seconds_ = seconds_now() - started_;
  }

  /// The stage's iterations, up to the run's iteration `end` or until somebody asks to stop.
  void train_stage(std::int64_t end, std::int64_t target) {
    std::int64_t enqueued = counts_.iteration;
    const std::int64_t &done = counts_.iteration, every = checkpoint_every();
    saved_at_ = seconds_now();
    while (done < end) {
      // No iteration behind a checkpoint or a validation starts before what that needs is fetched.
      const std::int64_t validate = validation_.every();
      std::int64_t boundary = std::min(end, (done / every + 1) * every);
      if (validate > 0) boundary = std::min(boundary, (done / validate + 1) * validate);
      while (enqueued < boundary && enqueued - done < kIterationsInFlight) {
        const Decision next = decide();
        if (next.stop || (enqueued > done && next.save)) break;
        trainer_->enqueue_iteration();
        ++enqueued;
      }
      if (enqueued == done) return;  // asked to stop, and no iteration is running
      Report report;
      if (!trainer_->fetch_report(report, true)) {
        throw Error("the trainer lost the report of iteration " + std::to_string(done + 1), Status::kFailed);
      }
      take(report, target);
      if (done != enqueued) continue;
      if (validate > 0 && (done % validate == 0 || done == stage_end())) this->validate();
      if (done % every == 0 || done == end || decide().save) save();
    }
  }

  /// Whether to stop and whether to save now: the same on all ranks.
  Decision decide() {
    const Decision decision = decide_together(group_, {stop_asked(), is_first(group_) && overdue()});
    stopped_ = stopped_ || decision.stop;
    return decision;
  }

  /// Lets the policy act, and keeps it if it is the best so far.
  void validate() {
    if (!is_first(group_)) return;
    const double begun = seconds_now();
    const double found = within_memory(fmt::format("a validation of {} episodes", settings_.run.validation_episodes),
                                       "choose a smaller run.validation_episodes", [&] {
                                         return validation_.consider(engine_, trainer_->policy(), counts_.iteration);
                                       });
    started_ += seconds_now() - begun;  // it is no part of the training's time
    if (!options_.message) return;
    const bool best = validation_.best() && validation_.best()->iteration == counts_.iteration;
    options_.message(fmt::format("validation after iteration {}: return {:.1f}{}", counts_.iteration, found,
                                 best ? ", the best so far" : ""));
  }

  /// Processes an iteration's report.
  void take(Report& report, std::int64_t target) {
    // A stage's reports count from its own beginning, the run's from its first stage; and a stage counts as if it had
    // always had as many ranks.
    counts_.steps += report.steps / report.iteration;
    report.iteration = ++counts_.iteration;
    report.steps = counts_.steps;
    counts_.contacts_over_slots = before_stage_.contacts_over_slots + report.count("contacts_over_slots");
    const std::int64_t nonfinite = before_stage_.nonfinite + report.count("nonfinite");
    if (nonfinite > std::exchange(counts_.nonfinite, nonfinite)) keep_last_finite();
    if (report.iteration == 1) unlearnt_ = {static_cast<double>(nonfinite), static_cast<double>(report.steps)};
    count_through(report, "nonfinite", counts_.nonfinite);
    count_through(report, "contacts_over_slots", counts_.contacts_over_slots);
    if (metrics_) metrics_->write(report);
    shares_.add(report);
    remember(report);
    formulas_.add(report, options_.message);
    check(report);
    if (!options_.progress) return;
    const double elapsed = seconds_now() - started_;
    const double both = report["seconds_rollout"] + report["seconds_update"];
    const auto done_here = static_cast<double>(counts_.iteration - first_.iteration);
    options_.progress(Progress{report, latest_, total_,
                               elapsed > 0 ? static_cast<double>(counts_.steps - first_.steps) / elapsed : 0.0,
                               both > 0 ? report["seconds_update"] / both : 0.0,
                               elapsed / done_here * static_cast<double>(target - counts_.iteration)});
  }

  /// Replaces a count since the stage's beginning by that since the run's.
  static void count_through(Report& report, const char* name, std::int64_t total) {
    if (report.table->find(name) < report.table->size()) report.set(name, static_cast<double>(total));
  }

  /// Stores each metric's last finite value.
  void remember(const Report& report) {
    if (latest_.table != report.table) latest_.values.clear();  // another stage has other metrics
    latest_.iteration = report.iteration;
    latest_.steps = report.steps;
    latest_.table = report.table;
    latest_.values.resize(report.values.size(), std::numeric_limits<double>::quiet_NaN());
    for (std::size_t i = 0; i < report.values.size(); ++i) {
      if (std::isfinite(report.values[i])) latest_.values[i] = report.values[i];
    }
  }

  /// Writes a file with the last finite states of environments whose state became non-finite.
  void keep_last_finite() {
    const std::vector<Tensor> tensors = trainer_->last_finite();
    if (tensors.empty()) return;
    const std::map<std::string, std::string> facts = {{"task", settings_.task},
                                                      {"iteration", std::to_string(counts_.iteration)}};
    folder_.write("nonfinite.safetensors", to_safetensors(tensors, facts), Durability::kProcess);
  }

  /// Throws Error where the training has diverged. The last checkpoint holds a state from before: a diverged one is
  /// never saved.
  void check(const Report& report) {
    const auto fail = [&](const std::string& what) {
      settle();
      const std::string hint = saved_ > 0 && is_first(group_)
                                   ? "; the last good state is " + newest_checkpoint(folder_.path()).string()
                                   : std::string();
      const Share now{static_cast<double>(counts_.nonfinite), static_cast<double>(report.steps)};
      throw Diverged("training diverged in iteration " + std::to_string(counts_.iteration) + ": " + what + hint + "; " +
                     advice_on_divergence(task_, now, unlearnt_));
    };
    for (std::size_t i = 0; i < report.values.size(); ++i) {
      const MetricInfo& metric = (*report.table)[i];
      if (metric.must_be_finite && !std::isfinite(report.values[i])) fail(metric.name + " is not finite");
    }
    const double most = static_cast<double>(settings_.run.nonfinite_share) * static_cast<double>(report.steps);
    if (!(static_cast<double>(counts_.nonfinite) <= std::max(kFewNonfinite, most))) {
      fail(std::to_string(counts_.nonfinite) + " of " + std::to_string(report.steps) + " states were not finite");
    }
  }

  /// Starts to write a checkpoint; the next iterations run while it is written.
  void save() {
    settle();
    Checkpoint checkpoint;
    checkpoint.task = settings_.task;
    checkpoint.counts = counts_;
    checkpoint.stage = stages_[stage_].name;
    checkpoint.before_stage = before_stage_;
    checkpoint.before = before_;
    checkpoint.best = validation_.best();
    if (checkpoint.best) checkpoint.best->policy.facts = facts_of(checkpoint.best->policy);
    checkpoint.state = collect_states(group_, trainer_->state());
    checkpoint.policy = trainer_->policy();
    checkpoint.policy.facts = facts_of(checkpoint.policy);
    saved_ = counts_.iteration;
    saved_at_ = seconds_now();
    if (!is_first(group_)) return;
    write_system();  // again: by now the device's libraries may have chosen algorithms
    writing_ = std::async(std::launch::async,
                          [run = folder_.path(), checkpoint = std::move(checkpoint),
                           kept = settings_.run.checkpoints_kept] { save_checkpoint(run, checkpoint, kept); });
  }

  /// The names of what the policy and the critic take and give, in order: a checkpoint stores their numbers by
  /// position.
  std::map<std::string, std::string> facts_of(const Policy& policy) const {
    std::map<std::string, std::string> facts = policy_facts(policy, spec_);
    if (spec_.legged != nullptr) {
      const ObservationGroup* critic = spec_.find_group("critic");
      facts["critic_observation_names"] =
          nlohmann::json(critic != nullptr ? critic->names : std::vector<std::string>()).dump();
    }
    return facts;
  }

  /// Waits until the last checkpoint is written; throws the Error where that failed.
  void settle() {
    if (writing_.valid()) writing_.get();
  }

  /// Exports the policy as it stands, or the best one, and evaluates it.
  void finish(TrainResult& result) {
    const std::optional<BestPolicy>& best = validation_.best();
    result.policy_iteration = best ? best->iteration : counts_.iteration;
    finish_run(engine_, task_, folder_, best ? best->policy : trainer_->policy(), seen_, result);
    settle();
  }

  Engine& engine_;
  PlannedTask task_;
  const Settings& settings_;
  const TaskSpec& spec_;
  const TrainOptions& options_;
  RankGroup* group_;  ///< null: this process is the only rank
  RunFolder folder_;
  std::optional<Metrics> metrics_;  ///< of the first rank, while it trains
  std::unique_ptr<Stage> trainer_;  ///< the current stage
  std::vector<StageSpec> stages_;
  Validation validation_;
  std::int64_t total_ = 0;        ///< iterations of all stages
  std::size_t stage_ = 0;         ///< the one that the run is in ...
  RunCounts before_stage_;        ///< ... where it began ...
  std::optional<Policy> before_;  ///< ... and the policy that the one before ended with
  RunCounts counts_, first_;      ///< how far the run is, and was before this call
  std::int64_t saved_ = 0;        ///< the run's iterations at the last checkpoint
  std::vector<std::string> notes_;
  std::future<void> writing_;  ///< the checkpoint that is being written
  bool stopped_ = false;       ///< whether a rank was asked to stop
  bool reached_ = false;       ///< whether this call's iterations are done
  FormulaNotes formulas_;
  Report latest_;     ///< each metric's last finite value
  MetricTable seen_;  ///< metrics of all stages that this call was in
  const std::time_t began_ = std::time(nullptr);
  double started_ = 0, seconds_ = 0;
  TimeShares shares_;
  double saved_at_ = 0;  ///< when the last checkpoint was fetched [s]
  Share unlearnt_;       ///< non-finite states, and steps, of the first rollout: before anything is learnt
};

std::unique_ptr<Engine> engine_for(const TrainOptions& options, const PlannedTask& task) {
  const int shared = options.ranks != nullptr ? options.ranks->threads() : available_cores();
  const int threads = options.threads > 0 ? options.threads : shared;
  const DeviceChoice choice =
      choose_device(options.device, probe_gpu,
                    sooner_on_cpu(task, threads)
                        ? "by a model of its speed, the GPU would take longer for this training (--device cuda uses it)"
                        : "",
                    options.ranks);
  if (!choice.note.empty() && options.message) options.message(choice.note);
  return make_engine(choice, threads);
}

/// What else the ranks must agree on: what the call is to do.
RankFacts facts_of_call(const TrainOptions& options, const std::optional<Checkpoint>& checkpoint) {
  return {{"--stop-after", std::to_string(options.stop_after)},
          {"the policy that it begins with, by a digest", digest_of(options.before)},
          {"the checkpoint's iteration", checkpoint ? std::to_string(checkpoint->counts.iteration) : "none"}};
}

/// Lets the engine learn with the other ranks, once they agree on what that is.
void join(Engine& engine, const PlannedTask& task, const TrainOptions& options, const RankFacts& of_call) {
  if (options.ranks == nullptr) return;
  if (task.settings.distill) {
    throw Error("algo = \"" + task.settings.algo + "\" teaches a student, which runs in one process; " +
                std::to_string(ranks_of(options.ranks)) + " were started together");
  }
  RankFacts facts = facts_of_rank(task.settings, engine);
  facts.insert(facts.end(), of_call.begin(), of_call.end());
  check_agreement(options.ranks, facts);
  engine.join(*options.ranks);
}

void check(const TrainOptions& options) {
  if (options.stop_after < 0) {
    throw Error("--stop-after " + std::to_string(options.stop_after) + " is out of range; it must be 1 or more");
  }
}

/// `get_engine` makes the engine for the task only when it is needed: the folder is checked before that, as this takes
/// no time.
template <class GetEngine>
TrainResult train_with(GetEngine&& get_engine, const PlannedTask& task, const TrainOptions& options) {
  check(options);
  RunFolder folder = is_first(options.ranks) ? RunFolder::create(options.run, task.settings.task, options.force)
                                             : RunFolder::nowhere();
  Engine& engine = get_engine(task);
  join(engine, task, options, facts_of_call(options, {}));
  Session session(engine, task, options, std::move(folder));
  session.start();
  return session.run();
}

template <class GetEngine>
TrainResult resume_with(GetEngine&& get_engine, const std::filesystem::path& directory, const TrainOptions& options) {
  check(options);
  RunFolder folder = is_first(options.ranks) ? RunFolder::resume(directory) : RunFolder::nowhere();
  const std::vector<std::string> notes = check_trained_robot(directory, true);
  const PlannedTask task = plan_task(resolve_settings({(directory / "config.toml").string(), {}, {}}));
  std::optional<Checkpoint> checkpoint;
  if (!never_saved(directory)) {
    checkpoint = load_newest_checkpoint(directory, task.settings.task);
    read_parts(directory, *checkpoint);
    name_constraint_maxima(checkpoint->state, *task.spec, directory);
  }
  TrainOptions own = options;
  const bool taught = task.settings.distill && task.settings.distill->dataset.empty();
  if (!checkpoint) own.before = taught ? find_teacher(task, own.notes) : kept_initial_policy(directory);
  Engine& engine = get_engine(task);
  join(engine, task, options, facts_of_call(own, checkpoint));
  Session session(engine, task, own, std::move(folder));
  for (const std::string& note : notes) session.say(note);
  session.say_notes();
  if (checkpoint) {
    session.restore(*checkpoint);
  } else {
    session.begin();
  }
  if (options.message) {
    options.message("going on from iteration " + std::to_string(checkpoint ? checkpoint->counts.iteration : 0) +
                    " of " + std::to_string(session.iterations()));
  }
  return session.run();
}

}  // namespace

TrainResult train(Engine& engine, const PlannedTask& task, const TrainOptions& options) {
  return train_with([&](const PlannedTask&) -> Engine& { return engine; }, task, options);
}

TrainResult train(const PlannedTask& task, const TrainOptions& options) {
  std::unique_ptr<Engine> engine;
  return train_with([&](const PlannedTask& planned) -> Engine& { return *(engine = engine_for(options, planned)); },
                    task, options);
}

TrainResult resume_training(Engine& engine, const std::filesystem::path& directory, const TrainOptions& options) {
  return resume_with([&](const PlannedTask&) -> Engine& { return engine; }, directory, options);
}

TrainResult resume_training(const std::filesystem::path& directory, const TrainOptions& options) {
  std::unique_ptr<Engine> engine;
  return resume_with([&](const PlannedTask& planned) -> Engine& { return *(engine = engine_for(options, planned)); },
                     directory, options);
}

}  // namespace stampede
