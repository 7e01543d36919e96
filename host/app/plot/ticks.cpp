/// \file Round numbers for an axis.
#include "host/app/plot/ticks.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace stampede {

std::vector<double> nice_ticks(double low, double high, int count) {
  if (!(high > low) || !std::isfinite(low) || !std::isfinite(high)) return {low};
  const double rough = (high - low) / std::max(1, count);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power * (1 + 1e-9)) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  const auto first = static_cast<long long>(std::ceil(low / step - 1e-9));
  const auto last = static_cast<long long>(std::floor(high / step + 1e-9));
  for (long long i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::string tick_label(double value, double step, double largest) {
  double factor = 1;
  const char* unit = "";
  if (largest >= 1e9) {
    factor = 1e9;
    unit = " G";
  } else if (largest >= 1e6) {
    factor = 1e6;
    unit = " M";
  } else if (largest >= 1e4) {
    factor = 1e3;
    unit = " k";
  }
  if (std::abs(value) < 1e-9 * step) return "0";
  const int digits = static_cast<int>(std::max(0.0, std::ceil(-std::log10(step / factor) - 1e-9)));
  char text[64];
  std::snprintf(text, sizeof text, "%.*f%s", digits, value / factor, unit);
  return text;
}

std::vector<double> smoothed(const std::vector<double>& values, int radius) {
  std::vector<double> sums(values.size() + 1, 0.0), means(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) sums[i + 1] = sums[i] + values[i];
  const auto reach = static_cast<std::size_t>(std::max(0, radius));
  for (std::size_t i = 0; i < values.size(); ++i) {
    // As far to one side as to the other, so that the average does not lag behind at the ends.
    const std::size_t here = std::min({reach, i, values.size() - 1 - i});
    means[i] = (sums[i + here + 1] - sums[i - here]) / static_cast<double>(2 * here + 1);
  }
  return means;
}

}  // namespace stampede
