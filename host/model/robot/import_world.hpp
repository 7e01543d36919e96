#pragma once
/// \file Changes a description's world into ground that can be simulated.

#include <mujoco/mujoco.h>

#include <string>
#include <vector>

namespace stampede {

/// Whether a free joint moves the robot.
bool moves_freely(const mjModel* model);
/// Whether a body is a part of the world: the world itself and, where the robot moves freely, all that stands still.
bool is_of_world(const mjModel* model, int body);

/// Removes what the robot could touch and cannot be simulated: all that is no plane, heightfield or box, boxes that do
/// not lie along the world's axes, turned heightfields, second planes and second heightfields. Where the base is fixed
/// they stay visible, and do not touch the robot. Heightfields with oblong cells become ones with square cells. One
/// line in `changes` for each. `model` is compiled from the description.
void settle_world(mjSpec* spec, const mjModel* model, std::vector<std::string>& changes);

}  // namespace stampede
