#pragma once
/// \file Mirror images of samples, with left and right exchanged. A robot that is symmetric could have collected them
/// as well, so the policy learns from both (Mittal et al., "Symmetry Considerations for Learning Task Symmetric Robot
/// Policies", ICRA 2024). Each pass over a rollout mirrors every second environment and the next pass the others, so
/// that a pass takes no longer than without. Passes are counted over the whole training: counted from each iteration's
/// start, an odd number of passes would mirror some environments more often than others.

#include "kernels/control.hpp"
#include "kernels/lanes.hpp"

namespace stampede {

/// How the mirror image of a row is made: image[i] = sign[i] x row[place[i]].
struct MirrorView {
  const std::uint32_t* place;  ///< padded with 0; null: nothing is mirrored
  const float* sign;           ///< padded with 0
  Pass pass;                   ///< rows for which row + first_environment + pass is odd are mirrored
  /// Number of the rollout's first environment among those of all ranks. Rows of an environment are an even number
  /// apart (the environments' stride is a multiple of kMaxLanes), so row and environment are both odd or both even.
  std::uint32_t first_environment = 0;

  /// Whether rows, one or a pack of them, are left as they were collected. To be called only if `place` is not null.
  template <class Uint>
  STAMPEDE_FN auto keeps(Uint row) const {
    return ((row + Uint(pass.number() + first_environment)) & Uint(1u)) < Uint(1u);
  }
};

}  // namespace stampede
