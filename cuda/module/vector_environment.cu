/// \file Environments on the GPU that callers step with actions of their own.
#include "cuda/module/engine.cuh"
#include "host/learn/policy_runner.hpp"

namespace stampede {

std::unique_ptr<VectorEnvironment> make_cuda_environment(const EnvironmentRequest& request) {
  return std::make_unique<ActingEnvironment<CudaBackend>>(std::make_unique<CudaBackend>(), request);
}

}  // namespace stampede
