/// \file Robots on the GPU, a thread a lane.
#include "cuda/module/engine.cuh"
#include "host/simulate/batch_simulation.hpp"

namespace stampede {

std::unique_ptr<Simulation> make_cuda_simulation(const SimulationRequest& request) {
  return make_batch<Simulation, float, false, CudaBackend>(std::make_unique<CudaBackend>(), nullptr, request);
}

std::unique_ptr<Robots<CudaBackend, float>> make_robots(CudaBackend& backend, const SimulationRequest& request) {
  return make_batch<Robots<CudaBackend, float>, float, false, CudaBackend>(nullptr, &backend, request);
}

}  // namespace stampede
