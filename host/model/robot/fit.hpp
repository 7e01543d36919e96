#pragma once
/// \file Simple shapes in place of meshes and ellipsoids.

#include <mujoco/mujoco.h>

#include <string>
#include <vector>

namespace stampede {

/// Replaces colliding meshes and ellipsoids of a description by spheres, capsules or boxes; `model` is what it compiles
/// to. A mesh is measured by its bounding box along its principal axes: it becomes a box where it fills nine tenths of
/// that, else a sphere where the longest side is below 1.25 of the shortest, else a capsule where the middle one is
/// below 1.6 of the shortest, else a box. One line in `changes` for each.
void fit_shapes(mjSpec* spec, const mjModel* model, std::vector<std::string>& changes);

}  // namespace stampede
