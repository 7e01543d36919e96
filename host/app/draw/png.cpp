/// \file PNG, written by cairo.
#include <cairo/cairo.h>

#include <algorithm>
#include <memory>

#include "host/app/draw/image_io.hpp"
#include "host/base/error.hpp"

namespace stampede {

std::string to_png(const Image& image) {
  struct Destroy {
    void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  };
  const std::unique_ptr<cairo_surface_t, Destroy> surface(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, image.width, image.height));
  cairo_status_t status = cairo_surface_status(surface.get());
  std::string bytes;
  if (status == CAIRO_STATUS_SUCCESS) {
    cairo_surface_flush(surface.get());
    unsigned char* pixels = cairo_image_surface_get_data(surface.get());
    const int stride = cairo_image_surface_get_stride(surface.get());
    for (int y = 0; y < image.height; ++y) {
      auto* row = reinterpret_cast<std::uint32_t*>(pixels + static_cast<std::ptrdiff_t>(y) * stride);
      for (int x = 0; x < image.width; ++x) {
        const std::uint8_t* rgb = image.pixel(x, y);
        row[x] = static_cast<std::uint32_t>(rgb[0]) << 16 | static_cast<std::uint32_t>(rgb[1]) << 8 | rgb[2];
      }
    }
    cairo_surface_mark_dirty(surface.get());
    const auto append = [](void* to, const unsigned char* data, unsigned length) {
      static_cast<std::string*>(to)->append(reinterpret_cast<const char*>(data), length);
      return CAIRO_STATUS_SUCCESS;
    };
    status = cairo_surface_write_to_png_stream(surface.get(), append, &bytes);
  }
  if (status != CAIRO_STATUS_SUCCESS) {
    throw Error("cannot make a PNG of " + std::to_string(image.width) + " x " + std::to_string(image.height) + ": " +
                    cairo_status_to_string(status) + "; choose a smaller --width or --height",
                Status::kFailed);
  }
  return bytes;
}

Image side_by_side(const std::vector<Image>& images) {
  int width = 0;
  for (const Image& image : images) width += image.width;
  Image strip(width, images.empty() ? 0 : images.front().height);
  int left = 0;
  for (const Image& image : images) {
    if (image.height != strip.height) throw Error("pictures side by side must be of one height", Status::kFailed);
    for (int y = 0; y < strip.height; ++y) {
      std::copy_n(image.pixel(0, y), 3 * static_cast<std::size_t>(image.width), strip.pixel(left, y));
    }
    left += image.width;
  }
  return strip;
}

}  // namespace stampede
