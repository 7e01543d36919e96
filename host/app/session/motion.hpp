#pragma once
/// \file What a policy does, as a film shows it: an episode's states, frame by frame, drawn by MuJoCo or as sketches.

#include <memory>
#include <string>
#include <vector>

#include "envs/sketch.hpp"
#include "host/app/draw/film.hpp"
#include "host/engine/engine.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// What is drawn, frames 1 / fps apart: positions of a model, or sketches for a task without a robot.
struct Motion {
  std::string name;
  std::shared_ptr<const mjModel_> model;
  std::vector<std::vector<double>> frames;
  std::vector<Sketch> sketches;
  SeenPictures seen;  ///< where the policy sees pictures: the newest of each frame
  std::int64_t nonfinite = 0, over_slots = 0;
};

/// Throws Error where a task has neither a robot nor a sketch of itself.
void check_drawable(const PlannedTask& task);

/// What to evaluate for a film: one traced episode without randomisation; of a walking task `seconds` long and at one
/// command, forward, sideways [m/s] and turning [rad/s], by default straight ahead at 0.6 times the fastest.
EvaluationRequest film_request(PlannedTask task, double seconds, std::vector<float> command = {});

/// The motion in such an evaluation, up to the episode's end or to `seconds`.
Motion motion_of(const PlannedTask& task, const EvaluationRequest& request, const Evaluation& evaluation,
                 double seconds, double fps);

/// Writes the film, with what the policy sees beside it where `camera`. Returns the number of frames drawn. Throws
/// Error as draw_film and draw_sketches.
int draw_motion(const Motion& motion, FilmOptions options, bool camera = false);

}  // namespace stampede
