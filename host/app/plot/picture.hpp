#pragma once
/// \file Drawing charts with cairo: lines, words and axes on a white page.

#include <cairo/cairo.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stampede {

struct Colour {
  double red, green, blue;
};
inline constexpr Colour kInk{0.13, 0.15, 0.18}, kQuiet{0.42, 0.45, 0.50}, kGrid{0.90, 0.91, 0.93};
inline constexpr Colour kLine{0.08, 0.36, 0.66}, kFaint{0.70, 0.80, 0.90}, kMark{0.84, 0.33, 0.10};
/// Colours that colour-blind people can tell apart too (Okabe and Ito, 2008).
inline constexpr Colour kSeries[] = {{0.00, 0.45, 0.70}, {0.84, 0.37, 0.00}, {0.00, 0.62, 0.45}, {0.80, 0.47, 0.65},
                                     {0.90, 0.62, 0.00}, {0.34, 0.71, 0.91}, {0.45, 0.45, 0.45}, {0.10, 0.10, 0.10}};
inline constexpr int kSeriesColours = 8;

enum class Align { kLeft, kCentre, kRight };

/// A page, measured in points; the picture has 1.5 pixels for each point, for screens of high resolution.
class Picture {
 public:
  Picture(double width, double height);

  void write(double x, double y, const std::string& text, double size, Colour colour, Align align, bool bold = false);
  /// The text runs upwards, with its middle at (x, y).
  void write_upwards(double x, double y, const std::string& text, double size, Colour colour);
  void line(const std::vector<std::pair<double, double>>& points, double width, Colour colour, bool dashed = false);
  void dot(double x, double y, double radius, Colour colour);
  void bar(double x, double y, double width, double height, Colour colour);
  /// A PNG file's bytes.
  std::string png();

 private:
  struct Destroy {
    void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
    void operator()(cairo_t* context) const { cairo_destroy(context); }
  };

  void set(Colour colour);

  std::unique_ptr<cairo_surface_t, Destroy> surface_;
  std::unique_ptr<cairo_t, Destroy> context_;
};

/// Where numbers lie on the page: `low` at `from` and `high` at `to` [points].
struct Axis {
  double low, high, from, to;
  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

/// An axis for numbers from `low` to `high`, with a margin beyond both.
Axis padded_axis(double low, double high, double from, double to);

/// The rectangle of a chart on the page [points].
struct Frame {
  double left, top, right, bottom;
};

/// Grid lines with numbers for y on the left of the frame, ticks with numbers for x below it.
void draw_axes(Picture& picture, const Frame& frame, const Axis& x, const Axis& y, int rows);

/// The text with a typographic minus sign instead of a hyphen.
std::string with_minus(const std::string& text);

}  // namespace stampede
