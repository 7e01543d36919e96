#pragma once
/// \file What URDF files need before MuJoCo compiles them.

#include "host/model/robot/description.hpp"

namespace stampede {

/// Gives each link the mass that the file gives it, and no other (none where it gives none: masses are not inferred from
/// shapes), and moves the masses of links without joints to the link that carries them, so that only their sum need be
/// that of a rigid body. Throws Error naming the link where it is not: a negative mass, or principal moments of which one
/// is larger than the other two together. The boundmass, boundinertia and balanceinertia of the file's <mujoco><compiler>
/// are applied to each link before, with a line in `changes` for each.
void settle_inertias(Description& description, std::vector<std::string>& changes);

/// Names shapes without a name after their links: `foot`, `foot_2`, and `foot_visual` for what is only looked at.
void name_shapes(mjSpec* spec);

/// Limbs: chains of joints that begin at the root or at what is fixed to it.
int moving_limbs(const Description& description);

}  // namespace stampede
