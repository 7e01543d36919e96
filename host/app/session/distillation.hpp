#pragma once
/// \file A student's run: where its teacher or its data set comes from, and the stages that teach it. The run is a
/// training like any other (training.hpp), with other stages: its folder, checkpoints, `--resume`, evaluation and
/// export are the same.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/app/session/training.hpp"

namespace stampede {

/// The student's settings with what they need to know of its teacher: what it sees, and how it reads that.
/// `teacher`: folder of the teacher's run, with config.toml and checkpoints or policy.onnx. Throws Error where
/// there is no such run, or it is of another kind of task; `flag` is what messages name.
Settings with_teacher(Settings student, const std::filesystem::path& teacher, const std::string& flag = "--teacher");

/// The same where the teacher's settings are known and its run, which will be in the folder `run`, need not be there
/// yet. `name` is what messages call the teacher.
Settings with_teacher(Settings student, const Settings& teacher, const std::filesystem::path& run,
                      const std::string& name);

/// A teacher's policy with its numbers in the order of the student's task. Differences that may be, such as another
/// stiffness, add a line each to `notes`. Throws Error that names the first of the others: robots, joints,
/// observations, action scales, control steps.
Policy fit_teacher(Policy teacher, const PlannedTask& student, const std::string& name,
                   std::vector<std::string>& notes);

/// The settings of a student that learns from a data set instead (docs/data_sets.md), by behaviour cloning. Throws
/// Error where they ask for another algorithm.
Settings with_data_set(Settings student, const std::filesystem::path& file);

/// The policy of the teacher that the student's settings name, fitted (fit_teacher).
Policy find_teacher(const PlannedTask& student, std::vector<std::string>& notes);

/// The request that evaluates the teacher, seeing what it was trained to see, in the student's task: by its protocol,
/// in the same episodes as the student.
EvaluationRequest teacher_evaluation(const PlannedTask& student, int episodes);

/// "distillation", and "finetuning" where the settings ask for it.
std::vector<StageSpec> distillation_stages(const PlannedTask& student);

/// Evaluates the teacher in the student's task, or reads the data set that the settings name, then teaches the student
/// as `train` trains. Throws Error that names the first thing in which the data set and the task differ: joints,
/// observations, robots, action scales, control steps.
TrainResult distill(const PlannedTask& student, const TrainOptions& options = {});
TrainResult distill(Engine& engine, const PlannedTask& student, const TrainOptions& options);

/// What the evaluation of the teacher found when the run began; nothing where its folder does not say.
std::optional<double> return_of_teacher(const std::filesystem::path& run);
/// The mean return of the data set's episodes; nothing where the run did not learn from one.
std::optional<double> return_of_data_set(const std::filesystem::path& run);

}  // namespace stampede
