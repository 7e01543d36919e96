/// \file Pieces of HTML pages that stand alone.
#include "host/app/report/html.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "host/app/plot/picture.hpp"
#include "host/app/plot/ticks.hpp"

namespace stampede {
namespace {

// Of a chart [units of its viewBox].
constexpr double kChartWidth = 520, kChartHeight = 260;
constexpr Frame kChartFrame{62, 12, 508, 214};

double step_between(const std::vector<double>& ticks) { return ticks.size() > 1 ? ticks[1] - ticks[0] : 1; }

/// Grid lines, numbers and what the axes are.
std::string svg_axes(const Axis& x, const Axis& y, const ChartText& text) {
  std::string svg;
  const std::vector<double> rows = nice_ticks(y.low, y.high, 5), columns = nice_ticks(x.low, x.high, 6);
  for (const double row : rows) {
    const std::string label = tick_label(row, step_between(rows), std::max(std::fabs(y.low), std::fabs(y.high)));
    svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>", x.from, y.at(row), x.to);
    svg += fmt::format("<text class=\"tick end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", x.from - 7, y.at(row) + 4,
                       with_minus(label));
  }
  for (const double column : columns) {
    const std::string label = tick_label(column, step_between(columns), std::max(std::fabs(x.low), std::fabs(x.high)));
    svg += fmt::format("<text class=\"tick middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", x.at(column), y.from + 17,
                       with_minus(label));
  }
  svg += fmt::format("<path class=\"axis\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>", x.from, y.from, x.to);
  svg += fmt::format("<text class=\"name middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", 0.5 * (x.from + x.to),
                     kChartHeight - 10, escape_html(text.x));
  svg += fmt::format("<text class=\"name middle\" transform=\"translate(14 {:.1f}) rotate(-90)\">{}</text>",
                     0.5 * (y.from + y.to), escape_html(text.y));
  return svg;
}

std::string svg_line(const ChartLine& line, const Axis& x, const Axis& y) {
  const std::string look = fmt::format("style=\"--c:var(--c{})\"{}", line.colour % kChartColours,
                                       line.colour >= kChartColours ? " stroke-dasharray=\"5 4\"" : "");
  std::string path, dots;
  for (const auto& [px, py] : line.points) {
    if (!std::isfinite(px) || !std::isfinite(py)) continue;
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.at(px), y.at(py));
    dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" {}/>", x.at(px), y.at(py), look);
  }
  const bool alone = path.find('L') == std::string::npos;
  return fmt::format("<path class=\"line\" {} d=\"{}\"/>", look, path) + (line.dots || alone ? dots : "");
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return safe;
}

std::string data_url(std::string_view type, std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string url = "data:" + std::string(type) + ";base64,";
  url.reserve(url.size() + (bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) url += k <= left ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return url;
}

std::string line_chart(const std::vector<ChartLine>& lines, const ChartText& text, const ChartSpan& span) {
  double left = INFINITY, right = -INFINITY, low = INFINITY, high = -INFINITY;
  for (const ChartLine& line : lines) {
    for (const auto& [x, y] : line.points) {
      if (!std::isfinite(x) || !std::isfinite(y)) continue;
      left = std::min(left, x), right = std::max(right, x);
      low = std::min(low, y), high = std::max(high, y);
    }
  }
  if (!(left <= right)) return "";
  if (left == right) left -= 0.5, right += 0.5;
  Axis y = padded_axis(low, high, kChartFrame.bottom, kChartFrame.top);
  if (std::isfinite(span.low)) y.low = std::min(low, span.low);
  if (std::isfinite(span.high)) y.high = std::max(high, span.high);
  const Axis x{left, right, kChartFrame.left, kChartFrame.right};
  std::string svg = svg_axes(x, y, text), names;
  for (const ChartLine& line : lines) {
    if (line.points.empty()) continue;
    svg += svg_line(line, x, y);
    if (line.name.empty()) continue;  // the heading says it
    names += fmt::format("<span style=\"--c:var(--c{})\"{}>{}</span>", line.colour % kChartColours,
                         line.colour >= kChartColours ? " class=\"dashed\"" : "", escape_html(line.name));
  }
  return fmt::format(
      "<figure class=\"chart\"><figcaption>{0}</figcaption><svg viewBox=\"0 0 {1} {2}\" role=\"img\" "
      "aria-label=\"{0}: {4} over {5}\">{3}</svg>{6}</figure>\n",
      escape_html(text.title), kChartWidth, kChartHeight, svg, escape_html(text.y), escape_html(text.x),
      names.empty() ? names : "<p class=\"names\">" + names + "</p>");
}

std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points, std::size_t most) {
  const std::size_t together = (points.size() + most - 1) / std::max<std::size_t>(1, most);
  if (together <= 1) return points;
  std::vector<std::pair<double, double>> means;
  for (std::size_t i = 0; i < points.size(); i += together) {
    const std::size_t end = std::min(points.size(), i + together);
    double x = 0, y = 0;
    for (std::size_t k = i; k < end; ++k) x += points[k].first, y += points[k].second;
    means.emplace_back(x / static_cast<double>(end - i), y / static_cast<double>(end - i));
  }
  return means;
}

}  // namespace stampede
