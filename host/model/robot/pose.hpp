#pragma once
/// \file Poses of frames in other frames, in double, and MuJoCo's arrays as vectors and rotations.

#include <algorithm>
#include <cmath>

#include "kernels/physics/spatial.hpp"

namespace stampede {

/// Where a frame is in another: origin, and axes as columns.
struct Pose {
  Vec3<double> origin{0, 0, 0};
  Mat3<double> axes{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
};

inline Mat3<double> transposed(const Mat3<double>& m) {
  return {{m.x.x, m.y.x, m.z.x}, {m.x.y, m.y.y, m.z.y}, {m.x.z, m.y.z, m.z.z}};
}

/// Pose `b`, given in frame `a`, in the frame that `a` is given in.
inline Pose operator*(const Pose& a, const Pose& b) { return {a.origin + a.axes * b.origin, a.axes * b.axes}; }
inline Vec3<double> operator*(const Pose& a, Vec3<double> point) { return a.origin + a.axes * point; }

/// Pose `b`, given in the same frame as `a`, in frame `a`.
inline Pose seen_from(const Pose& a, const Pose& b) {
  return {multiply_transposed(a.axes, b.origin - a.origin), transposed(a.axes) * b.axes};
}
/// A point, likewise.
inline Vec3<double> seen_from(const Pose& a, Vec3<double> point) {
  return multiply_transposed(a.axes, point - a.origin);
}

inline double length(Vec3<double> v) { return std::sqrt(dot(v, v)); }

/// Three numbers of an array.
inline Vec3<double> vector_at(const double* x) { return {x[0], x[1], x[2]}; }
/// Four numbers as a unit quaternion, w first.
inline Quat<double> quaternion_at(const double* q) {
  const double scale = 1 / std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  return {q[0] * scale, q[1] * scale, q[2] * scale, q[3] * scale};
}
inline Pose pose_at(const double* position, const double* quaternion) {
  return {vector_at(position), quaternion_at(quaternion).matrix()};
}

/// Whether a frame's axes lie along those of the frame that it is given in, in any order and direction.
inline bool along_axes(const Mat3<double>& m) {
  for (const double largest : {std::max({std::abs(m.x.x), std::abs(m.y.x), std::abs(m.z.x)}),
                               std::max({std::abs(m.x.y), std::abs(m.y.y), std::abs(m.z.y)}),
                               std::max({std::abs(m.x.z), std::abs(m.y.z), std::abs(m.z.z)})}) {
    if (!(largest > 1 - 1e-9)) return false;
  }
  return true;
}

/// A right-handed frame whose z axis is the unit vector `z`.
inline Mat3<double> axes_about(Vec3<double> z) {
  Vec3<double> x = std::abs(z.x) < 0.6 ? Vec3<double>{1, 0, 0} : Vec3<double>{0, 1, 0};
  x = x - z * dot(z, x);
  x = x * (1 / length(x));
  return {x, cross(z, x), z};
}

}  // namespace stampede
