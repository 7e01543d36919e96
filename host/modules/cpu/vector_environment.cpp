#include "host/modules/cpu/vector_environment.hpp"

#include <utility>

#include "host/learn/policy_on_rows.hpp"
#include "host/learn/policy_runner.hpp"

namespace stampede {

std::unique_ptr<VectorEnvironment> make_vector_environment(std::unique_ptr<CpuBackend> backend,
                                                           const EnvironmentRequest& request) {
  return std::make_unique<ActingEnvironment<CpuBackend>>(std::move(backend), request);
}

std::unique_ptr<StandalonePolicy> make_standalone_policy(std::unique_ptr<CpuBackend> backend, const Policy& policy,
                                                         int rows) {
  return std::make_unique<PolicyOnRows<CpuBackend>>(std::move(backend), policy, rows);
}

}  // namespace stampede
