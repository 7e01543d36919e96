#pragma once
/// \file A robot let fall, as a film shows it.

#include <cstdint>
#include <vector>

#include "host/engine/engine.hpp"

namespace stampede {

/// One robot's fall.
struct Fall {
  std::vector<std::vector<double>> qpos;  ///< of each frame [nq], 1 / fps apart, the start first
  SimulationCounts counts;
};

/// Lets the robot fall from where the scene `falling` puts it for this seed, its joints' targets at home.
Fall simulate_fall(Engine& engine, const RobotModel& robot, double seconds, double fps, std::uint64_t seed);

}  // namespace stampede
