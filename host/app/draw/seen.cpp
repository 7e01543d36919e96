#include "host/app/draw/seen.hpp"

#include <algorithm>
#include <cmath>

namespace stampede {

int SeenPictures::drawn_width(int drawn_height) const {
  return std::max(2, 2 * static_cast<int>(std::lround(0.5 * drawn_height * width / height)));
}

Image SeenPictures::draw(int i, int drawn_height) const {
  const std::vector<float>& frame = frames.at(static_cast<std::size_t>(i));
  Image image(drawn_width(drawn_height), drawn_height);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const int line = y * height / image.height, column = x * width / image.width;
      const float number = frame[static_cast<std::size_t>(line * width + column)];
      const float share = std::clamp((number - black) / (white - black), 0.0f, 1.0f);
      std::fill_n(image.pixel(x, y), 3, static_cast<std::uint8_t>(std::lround(255 * share)));
    }
  }
  return image;
}

}  // namespace stampede
