#include "host/app/plot/picture.hpp"

#include <algorithm>
#include <cmath>

#include "host/app/plot/ticks.hpp"
#include "host/base/error.hpp"

namespace stampede {
namespace {

constexpr double kScale = 1.5;

double step_of(const std::vector<double>& ticks, const Axis& axis) {
  return ticks.size() > 1 ? ticks[1] - ticks[0] : axis.high - axis.low;
}

}  // namespace

Picture::Picture(double width, double height)
    : surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(width * kScale),
                                          static_cast<int>(height * kScale))),
      context_(cairo_create(surface_.get())) {
  cairo_scale(context_.get(), kScale, kScale);
  cairo_set_source_rgb(context_.get(), 1, 1, 1);
  cairo_paint(context_.get());
  cairo_set_line_join(context_.get(), CAIRO_LINE_JOIN_ROUND);
  cairo_set_line_cap(context_.get(), CAIRO_LINE_CAP_ROUND);
}

void Picture::write(double x, double y, const std::string& text, double size, Colour colour, Align align, bool bold) {
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

void Picture::write_upwards(double x, double y, const std::string& text, double size, Colour colour) {
  cairo_save(context_.get());
  cairo_translate(context_.get(), x, y);
  cairo_rotate(context_.get(), -std::acos(0.0));
  write(0, 0, text, size, colour, Align::kCentre);
  cairo_restore(context_.get());
}

void Picture::line(const std::vector<std::pair<double, double>>& points, double width, Colour colour, bool dashed) {
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

void Picture::dot(double x, double y, double radius, Colour colour) {
  set(colour);
  cairo_arc(context_.get(), x, y, radius, 0, 4 * std::acos(0.0));
  cairo_fill(context_.get());
}

void Picture::bar(double x, double y, double width, double height, Colour colour) {
  set(colour);
  cairo_rectangle(context_.get(), x, y, width, height);
  cairo_fill(context_.get());
}

std::string Picture::png() {
  std::string bytes;
  const auto append = [](void* to, const unsigned char* data, unsigned length) {
    static_cast<std::string*>(to)->append(reinterpret_cast<const char*>(data), length);
    return CAIRO_STATUS_SUCCESS;
  };
  const cairo_status_t status = cairo_surface_write_to_png_stream(surface_.get(), append, &bytes);
  if (status != CAIRO_STATUS_SUCCESS) {
    throw Error(std::string("cannot draw the picture: ") + cairo_status_to_string(status), Status::kFailed);
  }
  return bytes;
}

void Picture::set(Colour colour) { cairo_set_source_rgb(context_.get(), colour.red, colour.green, colour.blue); }

Axis padded_axis(double low, double high, double from, double to) {
  const double air = high > low ? 0.08 * (high - low) : 0.5;
  return {low - air, high + air, from, to};
}

void draw_axes(Picture& picture, const Frame& frame, const Axis& x, const Axis& y, int rows) {
  const std::vector<double> across = nice_ticks(y.low, y.high, rows);
  const double y_largest = std::max(std::abs(y.low), std::abs(y.high));
  for (const double row : across) {
    picture.line({{frame.left, y.at(row)}, {frame.right, y.at(row)}}, 0.8, kGrid);
    picture.write(frame.left - 9, y.at(row) + 4, with_minus(tick_label(row, step_of(across, y), y_largest)), 11.5,
                  kQuiet, Align::kRight);
  }
  const std::vector<double> columns = nice_ticks(x.low, x.high, 6);
  for (const double column : columns) {
    picture.line({{x.at(column), frame.bottom}, {x.at(column), frame.bottom + 4}}, 0.8, kQuiet);
    picture.write(x.at(column), frame.bottom + 18, tick_label(column, step_of(columns, x), x.high), 11.5, kQuiet,
                  Align::kCentre);
  }
  picture.line({{frame.left, frame.bottom}, {frame.right, frame.bottom}}, 0.8, kQuiet);
}

std::string with_minus(const std::string& text) {
  return text.empty() || text[0] != '-' ? text : "\u2212" + text.substr(1);
}

}  // namespace stampede
