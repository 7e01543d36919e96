#pragma once
/// \file Pictures of a robot, drawn by MuJoCo's own renderer into memory.

#include <array>
#include <memory>
#include <vector>

#include "host/app/draw/image.hpp"

struct mjModel_;  // MuJoCo's mjModel and mjData
struct mjData_;

namespace stampede {

/// Where the camera is: `distance` from `target`, which is in the middle of the picture.
struct View {
  std::array<double, 3> target{};                              ///< world [m]
  double distance = 3;                                         ///< [m]
  double azimuth = kThreeQuarterView, elevation = kFromAbove;  ///< of the line of sight [degrees], as in MuJoCo

  static constexpr double kThreeQuarterView = 135, kFromAbove = -18;
};

/// A ball that encloses one shape of the robot.
struct Ball {
  std::array<double, 3> centre{};  ///< world [m]
  double radius = 0;               ///< [m]
};

/// Draws states of one model. Belongs to the thread that made it.
///
/// A model without a sky or a light gets one from here, and ground of one colour a texture; what a model has is kept.
class Renderer {
 public:
  /// `model` must outlive the renderer. Throws Error where nothing can draw (GlContext) or the picture is too large for
  /// what does.
  Renderer(const mjModel_* model, int width, int height);
  ~Renderer();
  Renderer(const Renderer&) = delete;
  Renderer& operator=(const Renderer&) = delete;

  /// The state as `view` shows it. `data` must have its positions computed (mj_kinematics, mj_comPos, mj_camlight).
  Image frame(const mjData_* data, const View& view);
  /// The state from a three-quarter view, as large as it fits into the picture.
  Image frame(const mjData_* data);

  /// Balls that enclose the drawn shapes of moving bodies; at least one.
  std::vector<Ball> balls(const mjData_* data) const;
  /// The view that shows all of `balls` as large as they fit.
  View fit(const std::vector<Ball>& balls, double azimuth, double elevation) const;
  /// Half of what the picture covers at the distance of the view's target, in its wider direction [m].
  double reach(const View& view) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace stampede
