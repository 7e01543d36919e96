#pragma once
/// \file Initial parameters of networks: orthogonal matrices (Saxe et al., 2014) with the gains usual for PPO, and
/// uniform numbers.

#include <cstdint>
#include <vector>

#include "host/engine/policy.hpp"

namespace stampede {

/// How large a dense network's initial weights are: orthogonal matrices times hidden x sqrt(2) or, in the last layer,
/// times head. PyTorch's default, uniform on +-1 / sqrt(inputs), is as large as hidden = 0.41 in layers with no more
/// outputs than inputs.
struct InitialScale {
  double hidden = 1.0, head = 1.0;
};

/// A network of the given sizes (inputs, hidden widths, outputs), biases 0. The same seed and stream give the same
/// weights on every machine.
std::vector<DenseLayer> initial_network(const std::vector<int>& sizes, const InitialScale& scale, std::uint64_t seed,
                                        std::uint32_t stream);

/// An array [rows][columns] of numbers that are uniform on [-most, most), as PyTorch begins with in recurrent layers.
/// The same seed, stream and number of the `array`, below 64, give the same numbers on every machine.
std::vector<float> initial_uniform(int rows, int columns, double most, std::uint64_t seed, std::uint32_t stream,
                                   std::uint32_t array);

}  // namespace stampede
