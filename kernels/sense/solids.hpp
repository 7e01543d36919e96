#pragma once
/// \file Rays against the robot's own shapes: capsules (a sphere is one without length), cylinders and boxes.

#include "kernels/sense/rays.hpp"

namespace stampede {

enum class SolidShape : int { kNone, kCapsule, kCylinder, kBox };

/// A shape of a robot's link, in the link's frame.
template <class T>
struct Solid {
  SolidShape shape = SolidShape::kNone;
  int limb = -1, link = 0;  ///< link 0: the base, i: the link that joint i - 1 of the limb moves
  Vec3<T> centre{};         ///< [m]
  Mat3<T> axes{};           ///< its own axes, the length of capsules and cylinders along z
  Vec3<T> half{};  ///< box: half its sides; else x: its radius, z: half its length, of a capsule without caps [m]

  /// No point of it is farther from its centre [m].
  STAMPEDE_FN T reach() const {
    if (shape == SolidShape::kCapsule) return half.x + half.z;
    if (shape == SolidShape::kCylinder) return sqrt(half.x * half.x + half.z * half.z);
    return sqrt(dot(half, half));
  }
  /// Whether a point in the link's frame is inside.
  STAMPEDE_FN bool holds(Vec3<T> point) const {
    const Vec3<T> p = multiply_transposed(axes, point - centre);
    const T radial = p.x * p.x + p.y * p.y, beyond = max(abs(p.z) - half.z, T(0));
    if (shape == SolidShape::kBox) return abs(p.x) <= half.x && abs(p.y) <= half.y && beyond == T(0);
    if (shape == SolidShape::kCylinder) return radial <= half.x * half.x && beyond == T(0);
    return radial + beyond * beyond <= half.x * half.x;
  }
};

/// Where a ray that comes from outside enters a solid, or `otherwise` where it misses it or that is nearer. The ray is
/// in the solid's axes, seen from its centre; `half` is as in Solid.
template <class Real>
STAMPEDE_FN Real meet_solid(SolidShape shape, const Ray<Real>& ray, Vec3<float> half, Real otherwise) {
  const Vec3<Real>&o = ray.origin, &d = ray.direction;
  if (shape == SolidShape::kBox) {
    const Vec3<Real> inverse{detail::steep_reciprocal(d.x), detail::steep_reciprocal(d.y),
                             detail::steep_reciprocal(d.z)};
    return detail::enter_box(o, inverse, Vec3<Real>(half), otherwise);
  }
  const Real none(0.0f), radius(half.x), length(half.z);
  // Into the round side, as if it had no ends; then, beyond the ends, into the end on that side.
  const Real a = max(d.x * d.x + d.y * d.y, Real(1e-12f)), b = o.x * d.x + o.y * d.y;
  const Real c = o.x * o.x + o.y * o.y - radius * radius;
  const Real root = b * b - a * c;
  const Real side = (-b - sqrt(max(root, none))) * reciprocal(a), z = o.z + side * d.z;
  const Real end = select(z < none, -length, length);
  Real t;
  MaskOf<Real> hit;
  if (shape == SolidShape::kCapsule) {
    const Real up = o.z - end, square = dot(d, d), along = b + up * d.z;
    const Real cap_root = along * along - square * (c + up * up);
    t = (-along - sqrt(max(cap_root, none))) * reciprocal(square);
    hit = cap_root >= none;
  } else {
    t = (end - o.z) * detail::steep_reciprocal(d.z);
    const Real x = o.x + t * d.x, y = o.y + t * d.y;
    hit = x * x + y * y <= radius * radius;
  }
  const MaskOf<Real> by_side = abs(z) <= length;
  t = select(by_side, side, t);
  return select(root >= none && (by_side || hit) && t >= none && t < otherwise, t, otherwise);
}

}  // namespace stampede
