#include "host/cpu/simulation.hpp"
#include "host/physics/batch_simulation.hpp"

namespace stampede {

// For comparisons, where speed counts for little: one kernel for every ground.
std::unique_ptr<Simulation> make_double_simulation(std::unique_ptr<CpuBackend> backend,
                                                   const SimulationRequest& request) {
  return make_batch<Simulation, Pack<double, STAMPEDE_PACK_WIDTH / 2>, true>(std::move(backend), nullptr, request);
}

}  // namespace stampede
