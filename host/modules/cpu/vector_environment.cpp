#include "host/modules/cpu/vector_environment.hpp"

#include <utility>

#include "host/simulate/vector_environment.hpp"

namespace stampede {

std::unique_ptr<VectorEnvironment> make_vector_environment(std::unique_ptr<CpuBackend> backend,
                                                           const EnvironmentRequest& request) {
  return std::make_unique<VectorEnvironmentOf<CpuBackend>>(std::move(backend), request);
}

}  // namespace stampede
