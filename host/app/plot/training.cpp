#include "host/app/plot/training.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "host/app/plot/picture.hpp"
#include "host/app/plot/ticks.hpp"
#include "host/app/run/metrics.hpp"

namespace stampede {
namespace {

using Points = std::vector<std::pair<double, double>>;

/// A line and its name.
struct Series {
  std::string name;
  std::vector<double> x, y;
};

/// A chart of many lines, their names on its right.
void draw_lines(Picture& picture, const Frame& frame, const std::vector<Series>& all, const std::string& title) {
  double low = 0, high = 0, last = 1;
  for (const Series& series : all) {
    for (const double y : series.y) low = std::min(low, y), high = std::max(high, y);
    if (!series.x.empty()) last = std::max(last, series.x.back());
  }
  const Axis x{0, last, frame.left, frame.right};
  const Axis y = padded_axis(low, high, frame.bottom, frame.top);
  draw_axes(picture, frame, x, y, 5);
  picture.write(frame.left, frame.top - 10, title, 12.5, kInk, Align::kLeft, true);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Colour colour = kSeries[i % kSeriesColours];
    const bool dashed = i >= static_cast<std::size_t>(kSeriesColours);
    const std::vector<double> means = smoothed(all[i].y, std::max(1, static_cast<int>(all[i].y.size()) / 60));
    Points points;
    for (std::size_t k = 0; k < means.size(); ++k) points.emplace_back(x.at(all[i].x[k]), y.at(means[k]));
    picture.line(points, 1.6, colour, dashed);
    const double row = frame.top + 6 + 15 * static_cast<double>(i);
    picture.line({{frame.right + 14, row}, {frame.right + 34, row}}, 2.2, colour, dashed);
    picture.write(frame.right + 40, row + 4, all[i].name, 11, kInk, Align::kLeft);
  }
}

struct Panel {
  std::string heading;
  std::vector<Series> series;
  std::vector<std::string> names;  ///< of the series' metrics
  std::vector<double> scales;

  /// At least as high as the list of names on its right [points].
  double height() const { return std::max(150.0, 15 * static_cast<double>(series.size())); }
};

/// The panels in the order in which the table names them first.
std::vector<Panel> panels_of(const MetricTable& table) {
  std::vector<Panel> panels;
  for (const MetricInfo& metric : table) {
    if (metric.panel.empty()) continue;
    auto it =
        std::find_if(panels.begin(), panels.end(), [&](const Panel& panel) { return panel.heading == metric.panel; });
    if (it == panels.end()) it = panels.insert(it, Panel{metric.panel, {}, {}, {}});
    it->series.push_back({metric.short_name(), {}, {}});
    it->names.push_back(metric.name);
    it->scales.push_back(metric.panel_scale);
  }
  return panels;
}

/// Fills the panels' lines.
void read_lines(const std::filesystem::path& run, std::vector<Panel>& panels) {
  for (Panel& panel : panels) {
    const std::vector<std::vector<MetricPoint>> points = read_metrics(run, panel.names);
    for (std::size_t i = 0; i < panel.series.size(); ++i) {
      for (const MetricPoint& point : points[i]) {
        panel.series[i].x.push_back(point.iteration);
        panel.series[i].y.push_back(panel.scales[i] * point.value);
      }
    }
  }
}

}  // namespace

bool has_panels(const MetricTable& table) {
  return std::any_of(table.begin(), table.end(), [](const MetricInfo& metric) { return !metric.panel.empty(); });
}

std::string draw_training(const std::filesystem::path& run, const MetricTable& table, const std::string& title) {
  constexpr double kLeft = 76, kRight = 640, kTop = 76, kGap = 66;
  std::vector<Panel> panels = panels_of(table);
  read_lines(run, panels);
  double bottom = kTop - kGap;
  for (const Panel& panel : panels) bottom += kGap + panel.height();
  Picture picture(860, bottom + 56);
  picture.write(kLeft, 28, title, 15, kInk, Align::kLeft, true);
  double top = kTop;
  for (const Panel& panel : panels) {
    draw_lines(picture, {kLeft, top, kRight, top + panel.height()}, panel.series, panel.heading);
    top += panel.height() + kGap;
  }
  picture.write(0.5 * (kLeft + kRight), bottom + 42, "iteration", 12.5, kInk, Align::kCentre);
  return picture.png();
}

}  // namespace stampede
