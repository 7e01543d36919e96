#pragma once
/// \file The ground under the robots.
///
/// `FlatGround` is a level plane: a contact's axes are the world's, which saves a third of the work. `RoughGround` is
/// anything else: surfaces that are asked, one after the other, for what is nearest to a sphere.

#include "kernels/physics/spatial.hpp"

namespace stampede {

/// The level plane z = height.
template <class T>
struct FlatGround {
  static constexpr bool kFlat = true;
  T height;  ///< [m]
};

/// What is nearest to a sphere on one surface.
template <class Real>
struct Touch {
  Real distance;      ///< from the sphere's surface, negative inside [m]
  Vec3<Real> normal;  ///< of the ground, unit
};

/// A plane of any tilt.
template <class T>
struct RoughGround {
  static constexpr bool kFlat = false;
  Vec3<T> point, normal;

  STAMPEDE_FN int surfaces() const { return 1; }

  /// `centre` in the world.
  template <class Real>
  STAMPEDE_FN Touch<Real> touch(int, Vec3<Real> centre, Real radius) const {
    const Vec3<Real> n{Real(normal.x), Real(normal.y), Real(normal.z)};
    const Vec3<Real> p{Real(point.x), Real(point.y), Real(point.z)};
    return {dot(n, centre - p) - radius, n};
  }
};

}  // namespace stampede
