#pragma once
/// \file A description as one file beside all that it reads: includes put in, references without folders.

#include <filesystem>
#include <string>
#include <vector>

namespace stampede {

struct FlatDescription {
  std::string text;                            ///< to be written beside the assets, each under its own name
  std::vector<std::filesystem::path> sources;  ///< what the text was made from, the description itself first
  std::vector<std::filesystem::path> assets;   ///< meshes, heightfields, textures, skins
  std::string refusal;                         ///< why it cannot be written so; else empty
};

/// Flattens the MJCF or URDF in `file`. `used` are the paths of the files that it was compiled with.
FlatDescription flatten_description(const std::filesystem::path& file, const std::vector<std::string>& used);

}  // namespace stampede
