#include "host/task/planned_task.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/base/error.hpp"
#include "host/task/legged_spec.hpp"

namespace stampede {
namespace {

/// Sets how a group is read. The names of earlier readings' numbers say how many readings ago it was: "NAME@-1".
void read_as(ObservationGroup& group, const GroupSettings& settings) {
  group.every = settings.every;
  group.delay = settings.delay;
  group.history = settings.history;
  const std::vector<std::string> of_one = std::move(group.names);
  group.names.clear();
  for (int before = settings.history - 1; before >= 0; --before) {
    for (const std::string& name : of_one) {
      group.names.push_back(before > 0 ? name + "@-" + std::to_string(before) : name);
    }
  }
}

/// The mirror map of a row of `history` readings, made of that of a single one.
MirrorMap repeated(const MirrorMap& map, int history) {
  MirrorMap all;
  for (int k = 0; k < history; ++k) {
    const int begin = k * static_cast<int>(map.place.size());
    for (const int place : map.place) all.place.push_back(begin + place);
    all.sign.insert(all.sign.end(), map.sign.begin(), map.sign.end());
  }
  return all;
}

/// The task with a camera: the policy sees its picture, and what was measured becomes the critic's. Throws Error where
/// the task cannot be drawn, or pictures of that size cannot be stored in whole packs.
void look_through_camera(TaskSpec& spec, const PixelSettings& pixels, const TaskInfo& info) {
  if (pixels.height == 0 && pixels.width == 0) return;
  if (info.sketch == nullptr) {
    throw Error("task '" + spec.name + "': pixels: it has no drawing for a camera to see; leave [pixels] out");
  }
  const int size = pixels.height * pixels.width;
  if (size == 0 || size % kMaxLanes != 0) {
    throw Error("task '" + spec.name + "': pixels.height = " + std::to_string(pixels.height) +
                " and pixels.width = " + std::to_string(pixels.width) + ": their product must be a multiple of " +
                std::to_string(kMaxLanes) + ", and not 0");
  }
  spec.pixels = {pixels.height, pixels.width, pixels.half_width};
  ObservationGroup camera;
  camera.name = "policy";
  camera.picture = {pixels.height, pixels.width};
  for (int line = 0; line < pixels.height; ++line) {
    for (int column = 0; column < pixels.width; ++column) {
      camera.names.push_back("pixel." + std::to_string(line) + "." + std::to_string(column));
    }
  }
  spec.observations.front().name = "critic";
  spec.observations.insert(spec.observations.begin(), std::move(camera));
}

/// How a distillation's teacher reads its observations.
GroupSettings reading_of(const DistillSettings& distill) { return {distill.every, distill.delay, distill.history}; }

/// Sets how the groups of observations are read; the same for the tasks of all kernels.
void read_groups(TaskSpec& spec, const Settings& settings) {
  read_as(spec.observations.front(), settings.policy_observation);
  if (settings.legged && !spec.policy().picture.empty() && !spec.policy().direct()) {
    throw Error("task '" + spec.name +
                "': policy_observation: a camera's pictures have a rate and a latency of their own (camera.rate, "
                "camera.latency), and with \"depth\" every = 1, delay = 0 and history = 1 would be right");
  }
  if (spec.mirror.present()) spec.mirror.policy = repeated(spec.mirror.policy, settings.policy_observation.history);
  if (spec.find_group("critic") != nullptr) {
    read_as(spec.observations.at(1), settings.critic_observation);
    if (spec.mirror.present()) spec.mirror.critic = repeated(spec.mirror.critic, settings.critic_observation.history);
  } else {
    const GroupSettings& critic = settings.critic_observation;
    if (critic.every != 1 || critic.delay != 0 || critic.history != 1) {
      throw Error("task '" + spec.name +
                  "': critic_observation: its critic sees what the policy sees; policy_observation would be right");
    }
  }
}

}  // namespace

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
  if (!changed.legged && task.info.specify == nullptr) {
    throw Error("task '" + changed.task + "': no task '" + changed.kernel +
                "' is compiled in; resolve_settings fills in Settings::kernel");
  }
  TaskSpec spec = changed.legged ? make_legged_spec(task.info, *changed.legged, *task.robot)
                                 : task.info.specify(changed.environment);
  spec.name = changed.task;
  if (!changed.legged) look_through_camera(spec, changed.pixels, task.info);
  read_groups(spec, changed);
  return std::make_shared<const TaskSpec>(std::move(spec));
}

std::shared_ptr<const TaskSpec> distillation_spec(const PlannedTask& student) {
  const DistillSettings& distill = student.settings.distill.value();
  Settings changed = student.settings;
  std::optional<ObservationGroup> measured;
  if (changed.legged) {
    changed.legged->observations.critic = distill.observations;
    changed.legged->symmetry.mirror = false;
    changed.critic_observation = reading_of(distill);
  } else {
    changed.policy_observation = changed.critic_observation = {};
    changed.pixels = {};
    measured = specify(student, changed)->policy();
    changed.policy_observation = student.settings.policy_observation;
    changed.pixels = student.settings.pixels;
  }
  TaskSpec spec = *specify(student, changed);
  if (measured) {
    read_as(*measured, reading_of(distill));
    spec.observations.resize(1);
    spec.observations.push_back(std::move(*measured));
  }
  spec.observations.back().name = "teacher";
  return std::make_shared<const TaskSpec>(std::move(spec));
}

std::shared_ptr<const TaskSpec> teacher_spec(const PlannedTask& student) {
  const DistillSettings& distill = student.settings.distill.value();
  Settings changed = student.settings;
  if (changed.legged) {
    changed.legged->observations.policy = distill.observations;
    changed.legged->symmetry.mirror = false;
  }
  changed.policy_observation = reading_of(distill);
  changed.critic_observation = {};
  changed.pixels = {};
  return specify(student, changed);
}

namespace {

/// What both kinds of distillation are asked for.
TrainingRequest request_to_distil(const PlannedTask& student) {
  const DistillSettings& distill = student.settings.distill.value();
  TrainingRequest request = training_request(student);
  request.distill = distill;
  request.algorithm.kind = "distillation";
  request.algorithm.epochs = distill.epochs;
  request.algorithm.minibatch = distill.minibatch;
  request.algorithm.minibatches = 0;  // those of fine-tuning
  request.algorithm.learning_rate = distill.learning_rate;
  request.algorithm.schedule = distill.schedule;
  request.algorithm.max_gradient_norm = distill.max_gradient_norm;
  return request;
}

}  // namespace

TrainingRequest distillation_request(const PlannedTask& student, const Policy& teacher) {
  TrainingRequest request = request_to_distil(student);
  request.task = distillation_spec(student);
  request.teacher = std::make_shared<const Policy>(teacher);
  return request;
}

TrainingRequest cloning_request(const PlannedTask& student, Demonstrations demonstrations) {
  TrainingRequest request = request_to_distil(student);
  request.demonstrations = std::make_shared<const Demonstrations>(std::move(demonstrations));
  return request;
}

TrainingRequest training_request(const PlannedTask& task, bool timing) {
  const Settings& settings = task.settings;
  TrainingRequest request;
  request.task = task.spec;
  request.seed = settings.seed;
  request.train = settings.train;
  request.algorithm = settings.algorithm;
  request.network = settings.network;
  request.timing = timing;
  return request;
}

}  // namespace stampede
