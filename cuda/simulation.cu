/// \file Robots on the GPU, a thread a lane.
#include "cuda/engine.cuh"
#include "host/physics/batch_simulation.hpp"

namespace stampede {

std::unique_ptr<Simulation> make_cuda_simulation(const SimulationRequest& request) {
  return make_batch_simulation<float, false>(std::make_unique<CudaBackend>(), request);
}

}  // namespace stampede
