#pragma once
/// \file What URDF files need before MuJoCo compiles them.

#include "host/robot/description.hpp"

namespace stampede {

/// Gives each link the mass that the file gives it, and no other (none where it gives none: masses are not inferred from
/// shapes), and moves the masses of links without joints to the link that carries them, so that only their sum need be
/// that of a rigid body. Throws Error naming the link where it is not: a negative mass, or principal moments of which one
/// is larger than the other two together.
void settle_inertias(Description& description);

/// Limbs: chains of joints that begin at the root or at what is fixed to it.
int moving_limbs(const Description& description);

}  // namespace stampede
