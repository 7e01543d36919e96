#pragma once
/// \file The picture of a learning curve.

#include <string>
#include <vector>

#include "host/app/run/metrics.hpp"

namespace stampede {

/// What the picture says besides the curve.
struct CurveText {
  std::string title;     ///< "pendulum"
  std::string subtitle;  ///< "ppo, seed 1"
  double final_return;   ///< of the evaluation after training; NaN: none
};

/// A PNG file's bytes: return over environment steps, of every iteration in a faint colour, and their moving average.
std::string draw_curve(const std::vector<CurvePoint>& points, const CurveText& text);

}  // namespace stampede
