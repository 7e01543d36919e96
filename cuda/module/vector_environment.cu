/// \file Environments on the GPU that callers step with actions of their own, and policies by themselves.
#include "cuda/module/engine.cuh"
#include "host/learn/policy_on_rows.hpp"
#include "host/learn/policy_runner.hpp"

namespace stampede {

std::unique_ptr<VectorEnvironment> make_cuda_environment(const EnvironmentRequest& request) {
  return std::make_unique<ActingEnvironment<CudaBackend>>(std::make_unique<CudaBackend>(), request);
}

std::unique_ptr<StandalonePolicy> make_cuda_policy(const Policy& policy, int rows) {
  return std::make_unique<PolicyOnRows<CudaBackend>>(std::make_unique<CudaBackend>(), policy, rows);
}

}  // namespace stampede
