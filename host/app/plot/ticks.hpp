#pragma once
/// \file Round numbers for an axis.

#include <string>
#include <vector>

namespace stampede {

/// Multiples of 1, 2 or 5 times a power of ten that lie in [low, high], about `count` of them. Ascending.
std::vector<double> nice_ticks(double low, double high, int count);

/// A number as an axis shows it: with as many digits behind the point as ticks at the distance `step` need, and in
/// thousands, millions or billions if `largest`, the axis's largest number, is large enough: "-0.2", "250", "20 k",
/// "1.5 M".
std::string tick_label(double value, double step, double largest);

/// A moving average over points i-radius .. i+radius, fewer at the ends.
std::vector<double> smoothed(const std::vector<double>& values, int radius);

}  // namespace stampede
