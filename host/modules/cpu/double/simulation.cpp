/// \file The shared library that simulates robots in doubles, for comparisons. It is compiled once, for the plainest
/// instruction set of the build.
#include "host/cpu/backend.hpp"
#include "host/engine/engine.hpp"
#include "host/engine/interface.hpp"
#include "host/simulate/batch_simulation.hpp"

extern "C" __attribute__((visibility("default"))) const char stampede_interface[] = STAMPEDE_ENGINE_INTERFACE;

// Speed matters little here, so one kernel serves level ground too, which shortens the build.
extern "C" __attribute__((visibility("default"))) stampede::Simulation* stampede_double_simulation(
    int threads, const stampede::SimulationRequest& request) {
  using namespace stampede;
  return make_batch<Simulation, Pack<double, STAMPEDE_PACK_WIDTH / 2>, true>(std::make_unique<CpuBackend>(threads),
                                                                             nullptr, request)
      .release();
}
