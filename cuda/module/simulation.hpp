#pragma once
/// \file Robots on the GPU, for code that includes no CUDA headers.

#include <memory>

#include "host/engine/simulation.hpp"

namespace stampede {

/// Robots in floats, with a backend of their own (simulation.cu). Throws Error where there is no GPU.
std::unique_ptr<Simulation> make_cuda_simulation(const SimulationRequest& request);

}  // namespace stampede
