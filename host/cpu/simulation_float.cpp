#include "host/cpu/simulation.hpp"
#include "host/physics/batch_simulation.hpp"

namespace stampede {

std::unique_ptr<Simulation> make_float_simulation(std::unique_ptr<CpuBackend> backend,
                                                  const SimulationRequest& request) {
  return make_batch_simulation<CpuBackend::Real, false>(std::move(backend), request);
}

}  // namespace stampede
