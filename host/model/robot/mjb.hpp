#pragma once
/// \file A compiled model as MuJoCo's binary file, for programs that use the same version of MuJoCo.

#include <string>

struct mjModel_;

namespace stampede {

/// The file's bytes.
std::string to_mjb(const mjModel_* model);

}  // namespace stampede
