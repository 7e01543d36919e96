#pragma once
/// \file The size that a robot's kernels are compiled for, and the order in which they look for contacts.

#include "host/engine/robot_model.hpp"

namespace stampede {

/// The smallest compiled size that holds so many limbs and joints. Throws Error, naming the sizes, where none does.
RobotSize fitting_size(int limbs, int joints);

/// Sorts the candidates by link, the farthest from the base first, and sets `of_link` and `reach` on each link's first:
/// a kernel skips a link's candidates where the ground is beyond that reach. To be called when all candidates are
/// there.
void arrange_candidates(RobotModel& robot);

}  // namespace stampede
