#pragma once
/// \file Changes any description, MJCF or URDF, into the nearest MJCF that can be simulated.

#include "host/model/robot/description.hpp"
#include "host/model/robot/load.hpp"

namespace stampede {

/// A description that load_robot() takes as it is, and a line for each thing that was changed to make it so.
struct Imported {
  SpecHandle spec;
  std::vector<std::string> changes;
};

/// Bodies without joints are fused, colliding meshes and ellipsoids become spheres, capsules or boxes or are left out,
/// condim is 3 at most, the robot touches only the ground, which is made of what can be simulated (import_world.hpp).
/// What has no ground gets a plane and a pose with its lowest point on it; what has no actuators gets servos
/// (servos.hpp). Throws Error where that is not enough, and where a free robot is left with nothing to stand on.
Imported import_description(Description description, const LoadOptions& options);

/// Imports `file` and writes it to `out`, with paths relative to `out`. Returns the changes.
std::vector<std::string> import_robot(const std::filesystem::path& file, const std::filesystem::path& out,
                                      const LoadOptions& options);

}  // namespace stampede
