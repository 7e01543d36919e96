#pragma once
/// \file A task, planned: its settings, and what follows from them, made once. A command that needs a task makes one of
/// these; code that simulates, learns, evaluates, draws or exports gets the plain TaskSpec in it.
///
///     TOML, flags --resolve_settings--> Settings --plan_task--> PlannedTask { settings, info, robot, spec }

#include <memory>

#include "host/engine/training_request.hpp"
#include "host/model/robot/load.hpp"
#include "host/task/settings_io.hpp"

namespace stampede {

/// A task that is ready for a command.
struct PlannedTask {
  Settings settings;
  TaskInfo info;
  std::shared_ptr<const CompiledRobot> robot;  ///< of walking tasks; else null
  std::shared_ptr<const TaskSpec> spec;
};

/// Compiles the task's robot, where it has one, and makes the spec. Throws Error where something does not fit the
/// robot.
PlannedTask plan_task(const Settings& settings);

/// The spec of the same task with other settings. They must lead to the same robot, as it is not compiled again.
std::shared_ptr<const TaskSpec> specify(const PlannedTask& task, const Settings& changed);

/// What a backend's trainer is asked for.
TrainingRequest training_request(const PlannedTask& task, bool timing = false);

/// Of a student's task, whose settings have a table [distill]: the spec in which its teacher sees the same states
/// beside it, through the privileged group "teacher" ...
std::shared_ptr<const TaskSpec> distillation_spec(const PlannedTask& student);
/// ... and that in which the teacher acts alone: the policy's group is what the teacher sees.
std::shared_ptr<const TaskSpec> teacher_spec(const PlannedTask& student);

/// What a backend's trainer is asked for to teach the student: by a teacher, or by what was recorded.
TrainingRequest distillation_request(const PlannedTask& student, const Policy& teacher);
TrainingRequest cloning_request(const PlannedTask& student, Demonstrations demonstrations);

}  // namespace stampede
