#pragma once
/// \file Robots on the CPU, in packs of floats. Those in doubles are a module of their own (double/).

#include <memory>

#include "host/cpu/backend.hpp"
#include "host/simulate/robots.hpp"

namespace stampede {

std::unique_ptr<Simulation> make_float_simulation(std::unique_ptr<CpuBackend> backend,
                                                  const SimulationRequest& request);
/// For tasks, on the trainer's backend.
std::unique_ptr<Robots<CpuBackend, float>> make_robots(CpuBackend& backend, const SimulationRequest& request);

}  // namespace stampede
