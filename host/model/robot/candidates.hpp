#pragma once
/// \file The size that a robot's kernels are compiled for, and the order in which they look for contacts.

#include "host/engine/robot_model.hpp"

namespace stampede {

/// The smallest compiled size that holds so many limbs and joints. Throws Error, naming the sizes, where none does.
RobotSize fitting_size(int limbs, int joints);

/// Puts the candidates of a link behind each other, the feet's first, and notes how far each link's reach: what a kernel
/// skips them by. To be called once they are all there.
void arrange_candidates(RobotModel& robot);

}  // namespace stampede
