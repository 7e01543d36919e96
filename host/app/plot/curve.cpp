/// \file The picture of a learning curve.
#include "host/app/plot/curve.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "host/app/plot/picture.hpp"
#include "host/app/plot/ticks.hpp"

namespace stampede {
namespace {

constexpr double kWidth = 640, kHeight = 400;
constexpr double kMarginLeft = 76, kMarginRight = 24, kMarginTop = 58, kMarginBottom = 54;

/// The vertical axis: all points and the final return, with a margin.
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

}  // namespace

std::string draw_curve(const std::vector<CurvePoint>& points, const CurveText& text) {
  Picture picture(kWidth, kHeight);
  const double last = points.empty() ? 1.0 : std::max(1.0, points.back().steps);
  const Axis x{0, last, kMarginLeft, kWidth - kMarginRight};
  const Axis y = vertical_axis(points, text.final_return);

  draw_axes(picture, {x.from, y.to, x.to, y.from}, x, y, 6);

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
