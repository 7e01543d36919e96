#pragma once
/// \file Changes to URDF files before MuJoCo compiles them: inertias and names.

#include "host/model/robot/description.hpp"

namespace stampede {

/// Gives each link the mass that the file gives it, and no other (none where it gives none: masses are not inferred
/// from shapes), and moves the masses of links without joints to the link that carries them, so that only their sum has
/// to be possible for a rigid body. Throws Error naming the link where it is not: a negative mass, or principal moments
/// of which one is larger than the other two together. The boundmass, boundinertia and balanceinertia of the file's
/// <mujoco><compiler> are applied to each link before, with a line in `changes` for each.
void settle_inertias(Description& description, std::vector<std::string>& changes);

/// Names shapes without a name after their links: `foot`, `foot_2`, and `foot_visual` for what does not collide.
void name_shapes(mjSpec* spec);

/// Number of limbs: of chains of joints that begin at the root or at what is fixed to it.
int moving_limbs(const Description& description);

}  // namespace stampede
