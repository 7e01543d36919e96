#pragma once
/// \file Simple shapes in place of meshes and ellipsoids.

#include <mujoco/mujoco.h>

#include <string>
#include <vector>

namespace stampede {

/// Replaces colliding meshes and ellipsoids of a description by spheres, capsules or boxes; `model` is what it compiles to.
/// A mesh is measured by its bounding box along its principal axes: a box where it fills that to nine tenths, a sphere
/// where all sides are alike, a capsule where two are, else a box. One line in `changes` for each.
void fit_shapes(mjSpec* spec, const mjModel* model, std::vector<std::string>& changes);

}  // namespace stampede
