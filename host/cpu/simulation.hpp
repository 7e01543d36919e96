#pragma once
/// \file Robots on the CPU, in packs of floats or of doubles. Each in a file of its own, so that they compile side by side.

#include <memory>

#include "host/cpu/backend.hpp"
#include "host/physics/robots.hpp"

namespace stampede {

std::unique_ptr<Simulation> make_float_simulation(std::unique_ptr<CpuBackend> backend,
                                                  const SimulationRequest& request);
/// For tasks, on the trainer's backend.
std::unique_ptr<Robots<CpuBackend, float>> make_robots(CpuBackend& backend, const SimulationRequest& request);
std::unique_ptr<Simulation> make_double_simulation(std::unique_ptr<CpuBackend> backend,
                                                   const SimulationRequest& request);

}  // namespace stampede
