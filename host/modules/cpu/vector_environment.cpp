#include "host/modules/cpu/vector_environment.hpp"

#include <utility>

#include "host/learn/policy_runner.hpp"

namespace stampede {

std::unique_ptr<VectorEnvironment> make_vector_environment(std::unique_ptr<CpuBackend> backend,
                                                           const EnvironmentRequest& request) {
  return std::make_unique<ActingEnvironment<CpuBackend>>(std::move(backend), request);
}

}  // namespace stampede
