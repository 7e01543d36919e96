#pragma once
/// \file MuJoCo in the place of our physics, for walking tasks: the same observations, rewards and constraints.

#include <memory>

#include "host/engine/simulation.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// MuJoCo on the task's robot, for so many threads; what the comparisons of `stampede parity` switch off in MuJoCo
/// (self-collision, condim above 3) is off here, too.
std::unique_ptr<ExternalPhysics> make_mujoco_physics(const PlannedTask& task, int threads);

}  // namespace stampede
