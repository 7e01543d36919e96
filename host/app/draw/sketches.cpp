#include "host/app/draw/sketches.hpp"

#include <cairo/cairo.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "host/app/draw/image.hpp"
#include "host/base/error.hpp"

namespace stampede {
namespace {

constexpr double kAir = 0.06;  ///< margin on each side, as a share of the picture's width or height

/// The part of the plane that the picture shows.
struct Window {
  double x = 0, y = 0;  ///< its middle [m]
  double pixels = 1;    ///< for each metre
};

Window window_of(const std::vector<Sketch>& sketches, const FilmOptions& options) {
  double low[2], high[2];
  std::fill(low, low + 2, std::numeric_limits<double>::infinity());
  std::fill(high, high + 2, -std::numeric_limits<double>::infinity());
  for (std::size_t frame = 0; frame < sketches.size(); ++frame) {
    const Sketch& sketch = sketches[frame];
    for (int i = 0; i < sketch.strokes; ++i) {
      const Stroke& stroke = sketch.stroke[i];
      const double half = 0.5 * static_cast<double>(stroke.width);
      const double ends[2][2] = {{static_cast<double>(stroke.x1), static_cast<double>(stroke.y1)},
                                 {static_cast<double>(stroke.x2), static_cast<double>(stroke.y2)}};
      for (const auto& end : ends) {
        for (int k = 0; k < 2; ++k) {
          if (!std::isfinite(end[k] + half)) {
            throw Error("frame " + std::to_string(frame) + " holds a number that is not finite", Status::kFailed);
          }
          low[k] = std::min(low[k], end[k] - half);
          high[k] = std::max(high[k], end[k] + half);
        }
      }
    }
  }
  Window window;
  if (!(low[0] <= high[0])) return window;  // nothing was drawn
  window.x = 0.5 * (low[0] + high[0]);
  window.y = 0.5 * (low[1] + high[1]);
  const double room = 1 - 2 * kAir;
  window.pixels = std::min(room * options.width / std::max(high[0] - low[0], 1e-6),
                           room * options.height / std::max(high[1] - low[1], 1e-6));
  return window;
}

struct Destroy {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};

Image draw(const Sketch& sketch, const Window& window, int width, int height) {
  const std::unique_ptr<cairo_surface_t, Destroy> surface(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height));
  const std::unique_ptr<cairo_t, Destroy> context(cairo_create(surface.get()));
  cairo_t* cr = context.get();
  cairo_set_source_rgb(cr, 1, 1, 1);
  cairo_paint(cr);
  cairo_translate(cr, 0.5 * width, 0.5 * height);
  cairo_scale(cr, window.pixels, -window.pixels);
  cairo_translate(cr, -window.x, -window.y);
  cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
  int moving = 0;
  for (int i = 0; i < sketch.strokes; ++i) {
    const Stroke& stroke = sketch.stroke[i];
    if (stroke.ground) {
      cairo_set_source_rgb(cr, 0.62, 0.65, 0.70);
    } else if (moving++ % 2 == 0) {
      cairo_set_source_rgb(cr, 0.08, 0.36, 0.66);
    } else {
      cairo_set_source_rgb(cr, 0.84, 0.33, 0.10);
    }
    cairo_set_line_width(cr, static_cast<double>(stroke.width));
    cairo_move_to(cr, static_cast<double>(stroke.x1), static_cast<double>(stroke.y1));
    cairo_line_to(cr, static_cast<double>(stroke.x2), static_cast<double>(stroke.y2));
    cairo_stroke(cr);
  }
  cairo_surface_flush(surface.get());
  const unsigned char* pixels = cairo_image_surface_get_data(surface.get());
  if (pixels == nullptr) throw Error("a picture cannot be drawn: out of memory", Status::kFailed);
  const int row = cairo_image_surface_get_stride(surface.get());
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint32_t rgb = 0;
      std::memcpy(&rgb, pixels + y * row + 4 * x, sizeof rgb);
      std::uint8_t* to = image.pixel(x, y);
      to[0] = static_cast<std::uint8_t>(rgb >> 16);
      to[1] = static_cast<std::uint8_t>(rgb >> 8);
      to[2] = static_cast<std::uint8_t>(rgb);
    }
  }
  return image;
}

}  // namespace

int draw_sketches(const std::vector<Sketch>& sketches, const FilmOptions& options) {
  check_film(options);
  if (sketches.empty()) throw Error("a motion without a frame cannot be drawn", Status::kFailed);
  const Window window = window_of(sketches, options);
  const auto count = static_cast<int>(sketches.size());
  const auto evenly = [&](int moments) {
    moments = std::min(moments, count);
    std::vector<int> chosen;
    for (int m = 0; m < moments; ++m) chosen.push_back(moments > 1 ? m * (count - 1) / (moments - 1) : 0);
    return chosen;
  };
  return write_film(
      count, evenly,
      [&](int i) { return draw(sketches[static_cast<std::size_t>(i)], window, options.width, options.height); },
      options);
}

}  // namespace stampede
