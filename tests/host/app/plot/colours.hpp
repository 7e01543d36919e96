#pragma once
/// \file Where in a picture one of the charts' colours is.

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "host/app/plot/picture.hpp"
#include "tests/host/app/read_png.hpp"

namespace stampede::test {

inline bool is(const std::uint8_t* rgb, Colour colour) {
  return std::abs(rgb[0] - 255 * colour.red) <= 1 && std::abs(rgb[1] - 255 * colour.green) <= 1 &&
         std::abs(rgb[2] - 255 * colour.blue) <= 1;
}

inline Spot find_colour(const Image& image, Colour colour) {
  return find_pixels(image, [&](int x, int y) { return is(image.pixel(x, y), colour); });
}

}  // namespace stampede::test
