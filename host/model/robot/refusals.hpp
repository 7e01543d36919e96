#pragma once
/// \file Errors for what cannot be simulated as a description says.

#include "host/model/robot/constants.hpp"

namespace stampede {

/// Throws Error, with a line that names the element and says what would be right, where the model holds something that
/// is not simulated. Joints that form no serial limbs are refused by find_limbs, actuators by read_actuators, geoms by
/// read_shapes.
void refuse_what_is_not_simulated(const mjModel* model, const std::string& file, std::vector<std::string>& notes);

/// Throws Error naming the body that the description gives a negative mass: MuJoCo makes it 0 where something heavier
/// is fixed to it.
void refuse_negative_masses(mjSpec* spec, const std::string& file);

}  // namespace stampede
