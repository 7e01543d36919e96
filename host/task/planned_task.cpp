#include "host/task/planned_task.hpp"

#include <utility>

#include "host/task/legged_spec.hpp"

namespace stampede {

PlannedTask plan_task(const Settings& settings) {
  PlannedTask task;
  task.settings = settings;
  task.info = task_of(settings);
  if (settings.legged) {
    task.robot = std::make_shared<const CompiledRobot>(compile_legged_robot(task.info, *settings.legged));
  }
  task.spec = specify(task, settings);
  return task;
}

std::shared_ptr<const TaskSpec> specify(const PlannedTask& task, const Settings& changed) {
  if (changed.legged) {
    return std::make_shared<const TaskSpec>(make_legged_spec(task.info, *changed.legged, *task.robot));
  }
  TaskSpec spec = task.info.specify(changed.environment);
  spec.name = changed.task;
  return std::make_shared<const TaskSpec>(std::move(spec));
}

TrainingRequest training_request(const PlannedTask& task, bool timing) {
  const Settings& settings = task.settings;
  return {task.spec, settings.seed, settings.train, settings.algorithm, settings.network, timing};
}

}  // namespace stampede
