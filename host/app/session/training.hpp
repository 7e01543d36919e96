#pragma once
/// \file A run from its first iteration to its exported policy: run folder, stages, checkpoints, evaluation, pictures.
/// `stampede train` only reads its flags and calls this, and so may a program of 30 lines (docs/example/).

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/app/session/stages.hpp"
#include "host/app/session/time_shares.hpp"
#include "host/engine/engine.hpp"
#include "host/engine/loader.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// How far a training is; reported after each iteration.
struct Progress {
  const Report& report;
  const Report& latest;     ///< each metric's last finite value; NaN: there was none yet
  std::int64_t iterations;  ///< of all stages together
  double steps_per_second;  ///< of this call so far
  double share_update;      ///< of the iteration's time, in [0, 1]; the rest is rollout
  double seconds_left;      ///< [s] to the end of this call's iterations
};

/// Options of a call that are not settings of the run.
struct TrainOptions {
  std::string device = "auto";              ///< auto, cpu or cuda
  int threads = 0;                          ///< 0: all cores
  std::filesystem::path run;                ///< the run folder; empty: a new runs/<task>-<n>
  bool force = false;                       ///< replace a run that is there
  std::string resumed_by;                   ///< the command that goes on with the run; empty: train --resume
  std::int64_t stop_after = 0;              ///< iterations of this call; 0: to the end of the schedule
  const std::atomic<bool>* stop = nullptr;  ///< true: stop after the current iteration and save
  RankGroup* ranks = nullptr;               ///< the processes that train the run together; null: this one does
  Pipeline pipeline = stages_of;
  std::optional<Policy> before;  ///< what the first stage gets as the policy of the one before: a teacher, or what a
                                 ///< training begins with (initial_policy.hpp)
  /// Makes more files of a new run, their bytes by name, before its folder is emptied; called once the folder is taken.
  std::function<std::map<std::string, std::string>(Engine&)> more_files;
  std::vector<std::string> notes;  ///< lines that the user should know of, said when the run begins
  std::function<void(const Progress&)> progress;
  std::function<void(const std::string&)> message;  ///< a line for people
};

/// The result of a call.
struct TrainResult {
  PlannedTask task;
  std::vector<std::string> notes;  ///< differences that the user should know of; passed to `message` before
  std::filesystem::path run;
  Processor processor;
  bool finished = false;                   ///< the schedule's end is reached
  bool interrupted = false;                ///< `stop` was set; then there is no evaluation and no export
  std::int64_t iterations = 0, steps = 0;  ///< since the start of the run
  std::int64_t schedule = 0;               ///< iterations of all its stages
  int ranks = 1;                           ///< processes that trained in this call, with train.num_envs each
  std::int64_t nonfinite = 0, contacts_over_slots = 0;
  double seconds_train = 0, steps_per_second = 0;  ///< of this call
  TimeShares shares;                               ///< of this call's iterations
  Report last;  ///< each metric's last finite value (NaN: there was none yet); empty where this call ran no iteration
  Evaluation evaluation;              ///< of the deterministic policy
  std::int64_t policy_iteration = 0;  ///< after which it was the policy; not the last one where the best is kept
  std::optional<double> teacher_return_mean;  ///< of a distillation by a teacher
  std::optional<double> data_return_mean;     ///< of one from a data set
  std::filesystem::path policy_onnx, policy_safetensors, curve;
};

/// Trains from the start. Throws Error: status 2 for bad input, 1 where the training diverged. Of several ranks each
/// calls it; only that of rank 0 writes files, evaluates and tells the options' functions anything.
TrainResult train(const PlannedTask& task, const TrainOptions& options = {});

/// Goes on with the run in `directory`, with what its config.toml says, from its newest checkpoint, bit for bit, or
/// from the start where it was killed before its first. A finished run is evaluated and exported again. `run` and
/// `force` of the options have no meaning here.
TrainResult resume_training(const std::filesystem::path& directory, const TrainOptions& options = {});

/// The same on an engine that the caller has; the options' `device` and `threads` have no meaning here.
TrainResult train(Engine& engine, const PlannedTask& task, const TrainOptions& options);
TrainResult resume_training(Engine& engine, const std::filesystem::path& directory, const TrainOptions& options);

}  // namespace stampede
