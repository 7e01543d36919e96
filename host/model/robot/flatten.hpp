#pragma once
/// \file Makes a description one file, to lie in one folder with all files that it reads: includes are put in, and
/// references lose their folders.

#include <filesystem>
#include <string>
#include <vector>

namespace stampede {

struct FlatDescription {
  std::string text;                            ///< to be written beside the assets, which keep their file names
  std::vector<std::filesystem::path> sources;  ///< what the text was made from, the description itself first
  std::vector<std::filesystem::path> assets;   ///< meshes, heightfields, textures, skins
  std::string refusal;                         ///< why it cannot be written so; else empty
};

/// Flattens the MJCF or URDF in `file`. `used` are the paths of the files that it was compiled with.
FlatDescription flatten_description(const std::filesystem::path& file, const std::vector<std::string>& used);

}  // namespace stampede
