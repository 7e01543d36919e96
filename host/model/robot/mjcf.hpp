#pragma once
/// \file A description as it is simulated, written as MJCF, for MuJoCo's programs of any version.

#include <filesystem>
#include <string>

struct mjSpec_;

namespace stampede {

/// The text, with all digits, and with paths of assets relative to the folder of `out`. `file`: where the description
/// comes from. Of it the paths of assets are absolute (settle_assets). Compiles it anew. Throws Error.
std::string to_mjcf(mjSpec_* spec, const std::filesystem::path& file, const std::filesystem::path& out);

}  // namespace stampede
