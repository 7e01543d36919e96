#pragma once
/// \file The picture of a walking task: how a policy follows commands and sets its feet.

#include <string>
#include <vector>

#include "host/engine/engine.hpp"

namespace stampede {

/// What an environment did, control step by control step.
struct Walk {
  double dt = 0.02;                             ///< [s]
  std::vector<double> velocity[3], command[3];  ///< forward, sideways [m/s], turning [rad/s]
  std::vector<std::vector<bool>> feet;          ///< [limb][step]: on the ground
  std::vector<std::string> limbs;               ///< their names
};

/// What the first environment of a traced evaluation of a walking task did until its episode ended.
Walk walk_of(const Evaluation& evaluation, const TaskSpec& task);

/// A PNG file's bytes: commands and velocities over time, and below the gait diagram, a bar where a foot is on the ground.
std::string draw_walk(const Walk& walk, const std::string& title);

}  // namespace stampede
