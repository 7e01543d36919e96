#pragma once
/// \file Pieces of HTML pages that stand alone: text, data: URLs, line charts as inline SVG. Colours are CSS's, so that
/// a page fits into light and dark surroundings.

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stampede {

/// The text with `<`, `>`, `&` and quotes as entities; control characters but tabs and newlines become spaces.
std::string escape_html(std::string_view text);

/// `data:<type>;base64,...`.
std::string data_url(std::string_view type, std::string_view bytes);

/// A line of a chart.
struct ChartLine {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< those that are not finite are left out
  int colour = 0;                                 ///< of kChartColours; dashed from there on
  bool dots = false;                              ///< a dot at each point
};

/// Colours of charts: the page's style defines `--c0` ... `--c7`.
inline constexpr int kChartColours = 8;

/// The words of a chart.
struct ChartText {
  std::string title, x, y;  ///< heading, and what the axes are, with units
};

/// What the vertical axis must show at least; NaN: what the points need.
struct ChartSpan {
  double low = std::numeric_limits<double>::quiet_NaN(), high = std::numeric_limits<double>::quiet_NaN();
};

/// A figure with a chart and the names of its lines. Empty where no line has a point.
std::string line_chart(const std::vector<ChartLine>& lines, const ChartText& text, const ChartSpan& span = {});

/// At most `most` points, each the mean of as many neighbours.
std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points, std::size_t most);

}  // namespace stampede
