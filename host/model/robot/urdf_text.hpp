#pragma once
/// \file A URDF's text as MuJoCo's parser takes it.

#include <string>
#include <vector>

namespace stampede {

/// The text with the first `<material>` of each `<visual>` only: several are common, and MuJoCo refuses them. What is taken
/// out becomes spaces, so that lines keep their numbers. One line in `changes` for each link that had more.
std::string with_single_materials(std::string text, std::vector<std::string>& changes);

}  // namespace stampede
