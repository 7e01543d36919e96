#pragma once
/// \file What a policy's camera sees, as pictures that people look at.

#include <vector>

#include "host/app/draw/image.hpp"

namespace stampede {

/// Pictures that a camera took, one for each frame of a film.
struct SeenPictures {
  int width = 0, height = 0;               ///< [pixels]
  float black = 0, white = 1;              ///< the numbers that are drawn in these; of depths the nearest is white
  std::vector<std::vector<float>> frames;  ///< [height][width] each

  bool present() const { return !frames.empty(); }
  /// How wide a frame is where it is drawn `drawn_height` pixels high; an even number.
  int drawn_width(int drawn_height) const;
  /// Frame `i` in greys, its pixels as squares.
  Image draw(int i, int drawn_height) const;
};

}  // namespace stampede
