/// \file Walking robots on the GPU.
#include "cuda/module/engine.cuh"
#include "host/simulate/legged_environments.hpp"

namespace stampede {

template std::unique_ptr<Environments<CudaBackend>> make_legged_environments(CudaBackend&, const EnvironmentsRequest&);

}  // namespace stampede
