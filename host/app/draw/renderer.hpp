#pragma once
/// \file Pictures of a robot, drawn by MuJoCo's own renderer into memory.

#include <array>
#include <memory>
#include <vector>

#include "host/app/draw/image.hpp"

struct mjModel_;  // MuJoCo's mjModel and mjData
struct mjData_;

namespace stampede {

/// Where the camera is: so far from `target`, which is in the middle of the picture.
struct View {
  std::array<double, 3> target{};                              ///< world [m]
  double distance = 3;                                         ///< [m]
  double azimuth = kThreeQuarterView, elevation = kFromAbove;  ///< of the line of sight [degrees], as in MuJoCo

  static constexpr double kThreeQuarterView = 135, kFromAbove = -18;
};

/// A ball about one shape of the robot.
struct Ball {
  std::array<double, 3> centre{};  ///< world [m]
  double radius = 0;               ///< [m]
};

/// Draws states of one model. Belongs to the thread that made it.
///
/// A model that brings no sky, no light or a ground of one colour gets them from here; one that has them keeps its own.
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
  /// The state from a three-quarter view, as large as the picture holds it.
  Image frame(const mjData_* data);

  /// Balls about the shapes that are drawn of what moves; never none.
  std::vector<Ball> balls(const mjData_* data) const;
  /// The view that holds all of `balls` and as little else as it can.
  View fit(const std::vector<Ball>& balls, double azimuth, double elevation) const;
  /// The picture's half extent at the view's target, in its wider direction [m].
  double reach(const View& view) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace stampede
