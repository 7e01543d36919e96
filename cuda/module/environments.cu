/// \file The tasks' kernels on the GPU.
#include "cuda/module/engine.cuh"

namespace stampede {

template std::unique_ptr<Environments<CudaBackend>> make_environments(CudaBackend&, const EnvironmentsRequest&);

}  // namespace stampede
