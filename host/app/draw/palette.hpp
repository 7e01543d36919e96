#pragma once
/// \file 255 colours for many pictures: median cut (P. Heckbert, Color image quantization for frame buffer display,
/// SIGGRAPH 1982), of a histogram with 6 bits a channel.

#include <array>
#include <cstdint>
#include <vector>

#include "host/app/draw/image.hpp"

namespace stampede {

/// A table of colours, and the search for the one nearest to any other colour.
class Palette {
 public:
  /// At most `size` colours that serve all of `samples`. Throws Error where these hold no pixel.
  explicit Palette(const std::vector<Image>& samples, int size = 255);

  /// Red, green and blue of each colour.
  const std::vector<std::array<std::uint8_t, 3>>& colours() const { return colours_; }

  /// The index of the colour nearest to `rgb`, where channels count by how strongly the eye sees them.
  std::uint8_t nearest(const std::uint8_t* rgb);

 private:
  std::vector<std::array<std::uint8_t, 3>> colours_;
  std::vector<std::int16_t> found_;  ///< by histogram cell; -1: not asked for yet
};

}  // namespace stampede
