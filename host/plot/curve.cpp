/// \file The picture of a learning curve.
#include "host/plot/curve.hpp"

#include <cairo/cairo.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>

#include "host/base/error.hpp"
#include "host/plot/ticks.hpp"

namespace stampede {
namespace {

// The picture in its own units, drawn larger for sharp screens.
constexpr double kWidth = 640, kHeight = 400, kScale = 1.5;
constexpr double kMarginLeft = 76, kMarginRight = 24, kMarginTop = 58, kMarginBottom = 54;

struct Colour {
  double red, green, blue;
};
constexpr Colour kInk{0.13, 0.15, 0.18}, kQuiet{0.42, 0.45, 0.50}, kGrid{0.90, 0.91, 0.93};
constexpr Colour kLine{0.08, 0.36, 0.66}, kFaint{0.70, 0.80, 0.90}, kMark{0.84, 0.33, 0.10};

struct Destroy {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};

enum class Align { kLeft, kCentre, kRight };

class Picture {
 public:
  Picture()
      : surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(kWidth * kScale),
                                            static_cast<int>(kHeight * kScale))),
        context_(cairo_create(surface_.get())) {
    cairo_scale(context_.get(), kScale, kScale);
    cairo_set_source_rgb(context_.get(), 1, 1, 1);
    cairo_paint(context_.get());
    cairo_set_line_join(context_.get(), CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(context_.get(), CAIRO_LINE_CAP_ROUND);
  }

  void write(double x, double y, const std::string& text, double size, Colour colour, Align align, bool bold = false) {
    cairo_t* c = context_.get();
    cairo_select_font_face(c, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c, size);
    cairo_text_extents_t extents;
    cairo_text_extents(c, text.c_str(), &extents);
    if (align == Align::kCentre) x -= extents.x_advance / 2;
    if (align == Align::kRight) x -= extents.x_advance;
    set(colour);
    cairo_move_to(c, x, y);
    cairo_show_text(c, text.c_str());
  }

  void write_upwards(double x, double y, const std::string& text, double size, Colour colour) {
    cairo_save(context_.get());
    cairo_translate(context_.get(), x, y);
    cairo_rotate(context_.get(), -std::acos(0.0));
    write(0, 0, text, size, colour, Align::kCentre);
    cairo_restore(context_.get());
  }

  void line(const std::vector<std::pair<double, double>>& points, double width, Colour colour, bool dashed = false) {
    if (points.empty()) return;
    cairo_t* c = context_.get();
    const double dashes[] = {4, 4};
    cairo_set_dash(c, dashes, dashed ? 2 : 0, 0);
    cairo_set_line_width(c, width);
    set(colour);
    cairo_move_to(c, points[0].first, points[0].second);
    for (const auto& [x, y] : points) cairo_line_to(c, x, y);
    cairo_stroke(c);
    cairo_set_dash(c, dashes, 0, 0);
  }

  void dot(double x, double y, double radius, Colour colour) {
    set(colour);
    cairo_arc(context_.get(), x, y, radius, 0, 4 * std::acos(0.0));
    cairo_fill(context_.get());
  }

  std::string png() {
    std::string bytes;
    const auto append = [](void* to, const unsigned char* data, unsigned length) {
      static_cast<std::string*>(to)->append(reinterpret_cast<const char*>(data), length);
      return CAIRO_STATUS_SUCCESS;
    };
    const cairo_status_t status = cairo_surface_write_to_png_stream(surface_.get(), append, &bytes);
    if (status != CAIRO_STATUS_SUCCESS) {
      throw Error(std::string("cannot draw the learning curve: ") + cairo_status_to_string(status), Status::kFailed);
    }
    return bytes;
  }

 private:
  void set(Colour colour) { cairo_set_source_rgb(context_.get(), colour.red, colour.green, colour.blue); }

  std::unique_ptr<cairo_surface_t, Destroy> surface_;
  std::unique_ptr<cairo_t, Destroy> context_;
};

/// Where numbers lie on the picture.
struct Axis {
  double low, high, from, to;
  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

/// The vertical axis: all points and the final return, with some air.
Axis vertical_axis(const std::vector<CurvePoint>& points, double final_return) {
  double low = INFINITY, high = -INFINITY;
  const auto include = [&](double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  };
  for (const CurvePoint& point : points) include(point.return_mean);
  include(final_return);
  if (!(low <= high)) low = 0, high = 1;
  const double air = high > low ? 0.06 * (high - low) : std::max(1.0, 0.1 * std::abs(high));
  return {low - air, high + air, kHeight - kMarginBottom, kMarginTop};
}

/// The text with a typographic minus sign instead of a hyphen.
std::string with_minus(const std::string& text) {
  return text.empty() || text[0] != '-' ? text : "\u2212" + text.substr(1);
}

double step_of(const std::vector<double>& ticks, const Axis& axis) {
  return ticks.size() > 1 ? ticks[1] - ticks[0] : axis.high - axis.low;
}

}  // namespace

std::string draw_curve(const std::vector<CurvePoint>& points, const CurveText& text) {
  Picture picture;
  const double last = points.empty() ? 1.0 : std::max(1.0, points.back().steps);
  const Axis x{0, last, kMarginLeft, kWidth - kMarginRight};
  const Axis y = vertical_axis(points, text.final_return);

  const std::vector<double> rows = nice_ticks(y.low, y.high, 6);
  const double y_largest = std::max(std::abs(y.low), std::abs(y.high));
  for (const double row : rows) {
    picture.line({{x.from, y.at(row)}, {x.to, y.at(row)}}, 0.8, kGrid);
    picture.write(x.from - 9, y.at(row) + 4, with_minus(tick_label(row, step_of(rows, y), y_largest)), 11.5, kQuiet,
                  Align::kRight);
  }
  const std::vector<double> columns = nice_ticks(x.low, x.high, 6);
  for (const double column : columns) {
    picture.line({{x.at(column), y.from}, {x.at(column), y.from + 4}}, 0.8, kQuiet);
    picture.write(x.at(column), y.from + 18, tick_label(column, step_of(columns, x), last), 11.5, kQuiet,
                  Align::kCentre);
  }
  picture.line({{x.from, y.from}, {x.to, y.from}}, 0.8, kQuiet);

  std::vector<double> values;
  for (const CurvePoint& point : points) values.push_back(point.return_mean);
  const std::vector<double> means = smoothed(values, std::max(1, static_cast<int>(points.size()) / 40));
  std::vector<std::pair<double, double>> raw, mean;
  for (std::size_t i = 0; i < points.size(); ++i) {
    raw.emplace_back(x.at(points[i].steps), y.at(values[i]));
    mean.emplace_back(x.at(points[i].steps), y.at(means[i]));
  }
  picture.line(raw, 1.0, kFaint);
  picture.line(mean, 2.2, kLine);
  if (points.size() == 1) picture.dot(raw[0].first, raw[0].second, 3, kLine);

  if (std::isfinite(text.final_return)) {
    const double level = y.at(text.final_return);
    picture.line({{x.from, level}, {x.to, level}}, 1.0, kMark, true);
    picture.dot(x.to, level, 3.5, kMark);
    char number[64];
    std::snprintf(number, sizeof number, "%.1f", text.final_return);
    picture.write(x.to, 44, "final policy without noise: " + with_minus(number), 11.5, kMark, Align::kRight);
  }
  picture.write(x.from, 26, text.title, 15, kInk, Align::kLeft, true);
  picture.write(x.from, 44, text.subtitle, 11.5, kQuiet, Align::kLeft);
  picture.write((x.from + x.to) / 2, kHeight - 14, "environment steps", 12.5, kInk, Align::kCentre);
  picture.write_upwards(20, (y.from + y.to) / 2, "return of an episode", 12.5, kInk);
  return picture.png();
}

}  // namespace stampede
