#pragma once
/// \file A walking task's formulas as plain data, made on the host (host/task/legged_formulas.hpp) for the kernels
/// (formulas.hpp).

#include "envs/legged/plan.hpp"
#include "kernels/formula.hpp"

namespace stampede {

/// Rows of what is kept from step to step; those of previous(x) and of the environments' own numbers follow.
enum KeptRow : int {
  kFresh,       ///< 1 where no step was taken since all environments were started
  kStanceTime,  ///< of the foot [s]
  kKeptRows
};

/// A candidate for contact of the limbs' feet.
struct FootPoint {
  int link;                 ///< on which it is: i: the one that joint i - 1 moves
  LimbTable<float> at[3];   ///< in the link's frame [m]
  LimbTable<float> radius;  ///< -1e6 in lanes that have none [m]
  LimbTable<float> share;   ///< of the foot's middle, which is the mean of its points
};
inline constexpr int kMostFootPoints = 8;

/// A shape of the limbs beyond their first links, or a capsule about as large.
struct LimbCapsule {
  int link;                   ///< as FootPoint::link
  LimbTable<float> begin[3];  ///< of its axis, in the link's frame [m]
  LimbTable<float> along[3];  ///< from there to the axis's end [m]
  LimbTable<float> radius;    ///< -1e6 in lanes that have none [m]
};
inline constexpr int kMostLimbCapsules = 8;

/// Where the feet are, and what the limbs' distances are measured between: the joints before them, as in JointModel.
struct LeggedFeet {
  int points, links;  ///< links: the greatest FootPoint::link
  int capsules;       ///< 0: no formula names distances
  FootPoint point[kMostFootPoints];
  LimbCapsule capsule[kMostLimbCapsules];
  LimbTable<float> offset[kMostJointsALimb][3], frame[kMostJointsALimb][9];
  LimbTable<float> reference[kMostJointsALimb], slide[kMostJointsALimb];
};

}  // namespace stampede
