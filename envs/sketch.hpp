#pragma once
/// \file A drawing of one state of a task, in a plane: what `stampede play` shows of tasks that have no robot, and what
/// their cameras see.

#include "kernels/vocabulary.hpp"

namespace stampede {

/// A rod with round ends; a disc where both ends are one point. x to the right, y upwards [m].
struct Stroke {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  float width = 0;      ///< [m]
  bool ground = false;  ///< part of the world, which is drawn paler
};

/// Strokes, the hindmost first.
struct Sketch {
  static constexpr int kMost = 8;
  Stroke stroke[kMost];
  int strokes = 0;

  /// Adds one; more than kMost are left out.
  STAMPEDE_FN void add(const Stroke& more) {
    if (strokes < kMost) stroke[strokes++] = more;
  }
};

}  // namespace stampede
