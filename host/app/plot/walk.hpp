#pragma once
/// \file The picture of a walking task: how a policy follows commands and sets its feet.

#include <string>
#include <vector>

#include "host/engine/engine.hpp"

namespace stampede {

/// An episode of one environment, control step by control step.
struct Walk {
  double dt = 0.02;                             ///< [s]
  std::vector<double> velocity[3], command[3];  ///< forward, sideways [m/s], turning [rad/s]
  std::vector<std::vector<bool>> feet;          ///< [limb][step]: whether the foot is on the ground
  std::vector<std::string> limbs;               ///< their names
};

/// The episode of the first environment in a traced evaluation of a walking task.
Walk walk_of(const Evaluation& evaluation, const TaskSpec& task);

/// A PNG file's bytes: commands and velocities over time; below them the gait diagram, with a bar where a foot is on
/// the ground.
std::string draw_walk(const Walk& walk, const std::string& title);

}  // namespace stampede
