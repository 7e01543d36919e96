#pragma once
/// \file Samples seen in a mirror that exchanges left and right: as good as those that were collected (Mittal et al., "Symmetry
/// Considerations for Learning Task Symmetric Robot Policies", ICRA 2024). Each pass over a rollout mirrors every second
/// environment, the next pass the others, so that the augmentation costs nothing. Passes are counted over the whole training: with an odd
/// number of them to an iteration, environments would otherwise differ in how often they are mirrored.

#include "kernels/control.hpp"
#include "kernels/lanes.hpp"

namespace stampede {

/// Numbers of a row and where the image has them from: image[i] = sign[i] x row[place[i]].
struct MirrorView {
  const std::uint32_t* place;  ///< padded with 0; null: nothing is mirrored
  const float* sign;           ///< padded with 0
  Pass pass;                   ///< rows for which row + pass is odd are mirrored

  /// Whether rows, one or a pack of them, are left as they were collected. Only where something is mirrored.
  template <class Uint>
  STAMPEDE_FN auto keeps(Uint row) const {
    return ((row + Uint(pass.number())) & Uint(1u)) < Uint(1u);
  }
};

}  // namespace stampede
