#pragma once
/// \file A picture in memory.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stampede {

/// Rows from the top, pixels from the left, three bytes each.
struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  ///< [height, width, 3]

  Image() = default;
  Image(int columns, int rows)
      : width(columns), height(rows), rgb(3 * static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows)) {}

  const std::uint8_t* pixel(int x, int y) const { return rgb.data() + offset(x, y); }
  std::uint8_t* pixel(int x, int y) { return rgb.data() + offset(x, y); }

 private:
  std::size_t offset(int x, int y) const {
    return 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x));
  }
};

}  // namespace stampede
