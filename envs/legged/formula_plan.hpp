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

/// Where the feet are: the joints before them, as in JointModel.
struct LeggedFeet {
  int points, links;  ///< links: the greatest FootPoint::link
  FootPoint point[kMostFootPoints];
  LimbTable<float> offset[kMostJointsALimb][3], frame[kMostJointsALimb][9];
  LimbTable<float> reference[kMostJointsALimb], slide[kMostJointsALimb];
};

}  // namespace stampede
