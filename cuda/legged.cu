/// \file Walking robots on the GPU.
#include "cuda/engine.cuh"
#include "host/trainer/legged_environments.hpp"

namespace stampede {

template std::unique_ptr<Environments<CudaBackend>> make_legged_environments(CudaBackend&, const EnvironmentsRequest&);

}  // namespace stampede
