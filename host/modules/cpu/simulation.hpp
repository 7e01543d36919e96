#pragma once
/// \file Simulations of robots on the CPU, in packs of floats. Those in doubles are a shared library of their own
/// (double/).

#include <memory>

#include "host/cpu/backend.hpp"
#include "host/simulate/robots.hpp"

namespace stampede {

std::unique_ptr<Simulation> make_float_simulation(std::unique_ptr<CpuBackend> backend,
                                                  const SimulationRequest& request);
/// For a task's environments: they run on the trainer's backend.
std::unique_ptr<Robots<CpuBackend, float>> make_robots(CpuBackend& backend, const SimulationRequest& request);

}  // namespace stampede
