#pragma once
/// \file A PNG file's bytes as pixels, read by cairo.

#include <cairo/cairo.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "host/app/draw/image.hpp"

namespace stampede::test {

/// What the bytes show; where they are no PNG: a failure, and a picture of no size.
inline Image read_png(const std::string& bytes) {
  struct Source {
    const std::string& bytes;
    std::size_t at = 0;
  } source{bytes};
  const auto read = [](void* from, unsigned char* to, unsigned length) {
    auto* s = static_cast<Source*>(from);
    if (length > s->bytes.size() - s->at) return CAIRO_STATUS_READ_ERROR;
    std::memcpy(to, s->bytes.data() + s->at, length);
    s->at += length;
    return CAIRO_STATUS_SUCCESS;
  };
  cairo_surface_t* surface = cairo_image_surface_create_from_png_stream(read, &source);
  Image image;
  if (cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS) {
    image = Image(cairo_image_surface_get_width(surface), cairo_image_surface_get_height(surface));
    for (int y = 0; y < image.height; ++y) {
      const auto* row = reinterpret_cast<const std::uint32_t*>(cairo_image_surface_get_data(surface) +
                                                               y * cairo_image_surface_get_stride(surface));
      for (int x = 0; x < image.width; ++x) {
        for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = static_cast<std::uint8_t>(row[x] >> (16 - 8 * c));
      }
    }
  } else {
    ADD_FAILURE() << "not a PNG: " << cairo_status_to_string(cairo_surface_status(surface));
  }
  cairo_surface_destroy(surface);
  return image;
}

/// The rectangle about some pixels, both ends included, and how many they are.
struct Spot {
  int count = 0, left = 0, right = -1, top = 0, bottom = -1;

  double width() const { return right - left + 1; }
  double height() const { return bottom - top + 1; }
  double x() const { return 0.5 * (left + right); }  ///< of its middle
  double y() const { return 0.5 * (top + bottom); }
};

/// The pixels for which `wanted(x, y)`.
template <class Wanted>
Spot find_pixels(const Image& image, Wanted&& wanted) {
  Spot spot;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      if (!wanted(x, y)) continue;
      if (spot.count++ == 0) spot = {1, x, x, y, y};
      spot.left = std::min(spot.left, x), spot.right = std::max(spot.right, x);
      spot.bottom = y;
    }
  }
  return spot;
}

/// Where two pictures of one size differ.
inline Spot find_differences(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  if (a.width != b.width || a.height != b.height) return {};
  return find_pixels(a, [&](int x, int y) { return !std::equal(a.pixel(x, y), a.pixel(x, y) + 3, b.pixel(x, y)); });
}

}  // namespace stampede::test
