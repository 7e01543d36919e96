#pragma once
/// \file Makes a walking task's LeggedEvaluation from what each step recorded (LeggedFigure); definitions in
/// docs/walking.md.

#include <algorithm>
#include <cmath>

#include "envs/legged/plan.hpp"
#include "host/engine/engine.hpp"
#include "host/simulate/environments.hpp"

namespace stampede {

class WalkingFigures {
 public:
  WalkingFigures(const EvaluationRequest& request, const EpisodeSteps& steps)
      : request_(request), legged_(*request.task->legged), steps_(steps) {}

  LeggedEvaluation sum_up() const {
    LeggedEvaluation result;
    follow_commands(result);
    count_falls(result);
    if (legged_.constants.levels > 0 && !request_.commands.empty()) count_crossings(result);
    return result;
  }

 private:
  double figure(LeggedFigure which, Index t, Index env) const {
    const Index row = t * kLeggedFigures + static_cast<Index>(which);
    return static_cast<double>(steps_.figures[static_cast<std::size_t>(row * steps_.stride + env)]);
  }

  void follow_commands(LeggedEvaluation& result) const {
    const double weight = static_cast<double>(legged_.constants.weight);
    const auto skipped =
        static_cast<float>(1.0f / legged_.constants.control_dt);  // the first second after a command changed
    double tracked = 0, travelling = 0;
    steps_.for_each([&](Index t, Index env) {
      const auto now = [&](LeggedFigure which) { return figure(which, t, env); };
      const double x = now(LeggedFigure::kVelocityX), y = now(LeggedFigure::kVelocityY);
      const double wanted_x = now(LeggedFigure::kCommandX), wanted_y = now(LeggedFigure::kCommandY);
      if (now(LeggedFigure::kCommandAge) > static_cast<double>(skipped)) {
        ++tracked;
        result.tracking_error_linear += std::hypot(x - wanted_x, y - wanted_y);
        result.tracking_error_angular += std::fabs(now(LeggedFigure::kYawRate) - now(LeggedFigure::kCommandYaw));
      }
      if (const double speed = std::hypot(x, y); std::hypot(wanted_x, wanted_y) > 0.3 && speed > 0.01) {
        ++travelling;
        result.cost_of_transport += now(LeggedFigure::kPower) / (weight * speed);
      }
    });
    // Where no step was counted, these are 0 / 0: NaN.
    result.tracking_error_linear /= tracked;
    result.tracking_error_angular /= tracked;
    result.cost_of_transport /= travelling;
  }

  void count_falls(LeggedEvaluation& result) const {
    double survivors = 0;
    for (std::size_t env = 0; env < steps_.metric.size(); ++env) {
      const float fell = steps_.metric[env];
      result.fall_rate += static_cast<double>(fell) / static_cast<double>(steps_.count);
      if (fell == 0.0f && steps_.length[env] >= static_cast<float>(steps_.steps)) ++survivors;
    }
    result.survival = survivors / static_cast<double>(steps_.count);
  }

  /// Counts the episodes that were told to walk straight and far enough to leave the tile, and those that left it, also
  /// where they fell on the next one.
  void count_crossings(LeggedEvaluation& result) const {
    const LeggedConstants& c = legged_.constants;
    const float half = 0.5f * c.tile, seconds = c.control_dt * static_cast<float>(c.max_steps);
    std::vector<double> farthest(static_cast<std::size_t>(steps_.count), 0.0);
    steps_.for_each([&](Index t, Index env) {
      double& so_far = farthest[static_cast<std::size_t>(env)];
      so_far = std::max(so_far, figure(LeggedFigure::kDistance, t, env));
    });
    result.crossings.resize(legged_.spawn.size() / 3);
    for (Index env = 0; env < steps_.count; ++env) {
      const float* const command = request_.commands.data() + 3 * env;
      if (command[2] != 0.0f || std::hypot(command[0], command[1]) * seconds < 1.2f * half) continue;
      LeggedEvaluation::Crossing& crossing = result.crossings[static_cast<std::size_t>(legged_.tile_of(env))];
      ++crossing.trials;
      if (farthest[static_cast<std::size_t>(env)] > static_cast<double>(half)) ++crossing.crossed;
    }
  }

  const EvaluationRequest& request_;
  const LeggedSpec& legged_;
  const EpisodeSteps& steps_;
};

}  // namespace stampede
