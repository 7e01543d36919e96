#pragma once
/// \file Makes a URDF's text readable for MuJoCo's parser.

#include <string>
#include <vector>

namespace stampede {

/// The text with the first `<material>` of each `<visual>` only: several are common, and MuJoCo refuses them. What is
/// removed becomes spaces, so that lines keep their numbers. One line in `changes` for each link that had more.
std::string with_single_materials(std::string text, std::vector<std::string>& changes);

}  // namespace stampede
