#pragma once
/// \file A depth camera on a robot's base, as plain numbers.

#include "kernels/physics/spatial.hpp"

namespace stampede {

/// What a camera is.
struct DepthCamera {
  int width = 0, height = 0;              ///< [pixels]; 0: there is no camera
  float half_width = 1, half_height = 1;  ///< tangent of half its field of view, sideways and upwards
  float near = 0, far = 2;                ///< range of the depth [m]
  int every = 1;                          ///< control steps from one frame to the next
  int latency = 0;                        ///< frames
  int late = 0;                           ///< most control steps by which an episode's frames are seen later still
  float noise = 0;                        ///< standard deviation of a pixel's depth [m]
  float dropped = 0;                      ///< share of pixels that see nothing: their depth is `far`
  float edges = 0;                        ///< share of the pixels at an edge that mix what lies on both sides of it
  Vec3<float> position{0, 0, 0};          ///< in the base's axes [m]
  Mat3<float> axes{};                     ///< forward (the optical axis), left, up, in the base's axes
  float position_error = 0;               ///< half-width of each environment's own error along each axis [m]
  float angle_error = 0;                  ///< and about each axis [rad]

  STAMPEDE_FN Index pixels() const { return static_cast<Index>(width) * height; }
  /// From one environment's clean picture to the next: the pack behind a pixel may be read.
  STAMPEDE_FN Index row() const { return pixels() + kMaxLanes; }
  /// Frames that are kept: the current one, and as many as may come before that which is seen.
  STAMPEDE_FN int frames() const { return latency + (late + every - 1) / every + 1; }
};

}  // namespace stampede
