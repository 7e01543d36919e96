#pragma once
/// \file The ground under the robots.
///
/// `FlatGround` is a level plane: a contact's axes are the world's, which saves a third of the work. `RoughGround`
/// (terrain.hpp) is anything else: a list of surfaces, each of which finds its point nearest to a sphere.

#include "kernels/physics/spatial.hpp"

namespace stampede {

/// The level plane z = height.
template <class T>
struct FlatGround {
  static constexpr bool kFlat = true;
  T height;  ///< [m]

  /// Distance of a link's origin from the ground [m].
  template <class Real>
  STAMPEDE_FN Real link_clearance(Vec3<Real> point) const {
    return point.z - Real(height);
  }
  /// `link_clearance` does not hold for links that reach farther [m].
  STAMPEDE_FN float largest_link() const { return 1e30f; }
};

/// How near a sphere is to one surface.
template <class Real>
struct Touch {
  Real distance;      ///< from the sphere's surface to the ground's, negative where they overlap [m]
  Vec3<Real> normal;  ///< of the ground, unit
};

}  // namespace stampede
