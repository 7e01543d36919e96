#pragma once
/// \file Small grey pictures of planar scenes, as a camera that stands still sees them: rods with round ends on black,
/// with smooth edges. A pixel's brightness is the share of it that a rod covers, estimated from the distance of its
/// centre to the rod's edge.

#include "kernels/lanes.hpp"
#include "kernels/math.hpp"

namespace stampede {

/// A picture of the plane around the origin. Pixels are squares.
struct PixelView {
  int height = 0, width = 0;  ///< [pixels]; 0: there is no picture
  float half_width = 1;       ///< what lies between the middle and the left and right edges [m]

  STAMPEDE_FN float size() const { return 2 * half_width / static_cast<float>(width); }  ///< of a pixel [m]
  bool operator==(const PixelView&) const = default;
};

/// Brightness of what is part of the world, and of what moves.
inline constexpr float kGroundGrey = 0.35f, kMovingGrey = 1.0f;

/// Numbers that a rod is stored as: x1, y1, x2, y2, radius [m], brightness.
inline constexpr int kRodNumbers = 6;

/// Element i: (environment, pixel) of environments x `pixels`, a multiple of kMaxLanes; the upper line comes first.
struct DrawPixels {
  PixelView view;
  const float* rods;  ///< [environment][count][kRodNumbers], the hindmost first
  int count;
  float* picture;  ///< [environment][height][width], from 0, black, to 1

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index pixels = static_cast<Index>(view.height) * view.width;
    const Index environment = first / pixels;
    const float size = view.size();
    // The pixels' numbers are small, so that floats divide them exactly enough.
    const Real number = to_real<Real>(as_signed(lane_indices<Real>(first - environment * pixels)));
    const Real line = to_real<Real>(to_int((number + Real(0.5f)) * Real(1.0f / static_cast<float>(view.width))));
    const Real column = number - line * Real(static_cast<float>(view.width));
    const Real x = (column + Real(0.5f - 0.5f * static_cast<float>(view.width))) * Real(size);
    const Real y = (Real(0.5f * static_cast<float>(view.height) - 0.5f) - line) * Real(size);
    Real grey(0.0f);
    const float* rod = rods + environment * count * kRodNumbers;
    STAMPEDE_NO_UNROLL
    for (int i = 0; i < count; ++i, rod += kRodNumbers) {
      const float along_x = rod[2] - rod[0], along_y = rod[3] - rod[1];
      const float square = along_x * along_x + along_y * along_y, inverse = square > 0.0f ? 1.0f / square : 0.0f;
      const Real from_x = x - Real(rod[0]), from_y = y - Real(rod[1]);
      const Real share =
          clamp((from_x * Real(along_x) + from_y * Real(along_y)) * Real(inverse), Real(0.0f), Real(1.0f));
      const Real off_x = from_x - share * Real(along_x), off_y = from_y - share * Real(along_y);
      const Real inside = Real(rod[4]) - sqrt(off_x * off_x + off_y * off_y);
      const Real covered = clamp(inside * Real(1.0f / size) + Real(0.5f), Real(0.0f), Real(1.0f));
      grey = grey + covered * (Real(rod[5]) - grey);
    }
    store(picture + first, grey);
  }
};

}  // namespace stampede
