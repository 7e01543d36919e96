/// \file Environments for callers' own actions on the GPU.
#include "cuda/module/engine.cuh"
#include "host/simulate/vector_environment.hpp"

namespace stampede {

std::unique_ptr<VectorEnvironment> make_cuda_environment(const EnvironmentRequest& request) {
  return std::make_unique<VectorEnvironmentOf<CudaBackend>>(std::make_unique<CudaBackend>(), request);
}

}  // namespace stampede
