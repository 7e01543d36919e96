#pragma once
/// \file Orthogonal initialisation of networks (Saxe et al., 2014), with the gains usual for PPO.

#include <cstdint>
#include <vector>

#include "host/engine/policy.hpp"

namespace stampede {

/// A network of the given sizes (inputs, hidden widths, outputs): orthogonal weights with gain sqrt(2), `head_gain` in
/// the last layer, biases 0. The same seed and stream give the same weights on every machine.
std::vector<DenseLayer> initial_network(const std::vector<int>& sizes, double head_gain, std::uint64_t seed,
                                        std::uint32_t stream);

}  // namespace stampede
