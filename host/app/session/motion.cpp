/// \file What a policy does, as a film shows it.
#include "host/app/session/motion.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/app/draw/sketches.hpp"
#include "host/base/error.hpp"
#include "host/task/protocol.hpp"

namespace stampede {

void check_drawable(const PlannedTask& task) {
  if (task.settings.legged || task.info.sketch != nullptr) return;
  throw Error("--task " + task.settings.task +
              ": the task has no drawing; a function `sketch` beside its `observe` would be one");
}

EvaluationRequest film_request(PlannedTask task, double seconds, std::vector<float> command) {
  Settings& settings = task.settings;
  if (settings.legged) {
    settings.legged->control.episode = static_cast<float>(seconds);
    task.spec = specify(task, settings);
  }
  EvaluationRequest request = evaluation_request(task, 1, false);
  if (settings.legged) {
    request.commands = std::move(command);
    if (request.commands.empty()) request.commands = {0.6f * settings.legged->commands.x.high, 0, 0};
  }
  request.trace = true;
  return request;
}

Motion motion_of(const PlannedTask& task, const EvaluationRequest& request, const Evaluation& evaluation,
                 double seconds, double fps) {
  const auto find = [&](const char* name) -> const Tensor& {
    return *std::find_if(evaluation.trace.begin(), evaluation.trace.end(),
                         [&](const Tensor& tensor) { return tensor.name == name; });
  };
  const std::vector<float> states = floats_of(find("state")), active = floats_of(find("active"));
  const std::vector<float> observations = floats_of(find("observation"));
  const auto width = states.size() / active.size(), row = observations.size() / active.size();
  const ObservationGroup& group = request.task->policy();
  Motion motion;
  motion.name = task.settings.task;
  if (!group.picture.empty()) {
    motion.seen.height = group.picture[0], motion.seen.width = group.picture[1];
    if (task.robot != nullptr) motion.seen.black = request.task->legged->camera.far, motion.seen.white = 0;
  }
  for (int frame = 0;; ++frame) {
    const double time = frame / fps;
    const auto step = static_cast<std::size_t>(std::lround(time / request.task->control_dt));
    if (step >= active.size() || active[step] == 0.0f || time > seconds + 1e-9) break;
    const float* const state = states.data() + step * width;
    if (!group.picture.empty()) {
      const float* const behind = observations.data() + step * row + group.pixels();
      motion.seen.frames.emplace_back(behind - motion.seen.height * motion.seen.width, behind);
    }
    if (task.robot != nullptr) {
      motion.frames.emplace_back(state, state + request.task->legged->robot.nq);
    } else {
      motion.sketches.push_back(task.info.sketch(request.task->parameters, state));
    }
  }
  motion.nonfinite = evaluation.nonfinite;
  motion.over_slots = evaluation.contacts_over_slots;
  if (task.robot != nullptr) motion.model = std::shared_ptr<const mjModel_>(task.robot, task.robot->model.get());
  return motion;
}

int draw_motion(const Motion& motion, FilmOptions options, bool camera) {
  if (camera) options.beside = &motion.seen;
  return motion.model != nullptr ? draw_film(motion.model.get(), motion.frames, options)
                                 : draw_sketches(motion.sketches, options);
}

}  // namespace stampede
