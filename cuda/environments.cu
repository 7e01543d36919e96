/// \file The tasks' kernels on the GPU.
#include "cuda/engine.cuh"

namespace stampede {

template std::unique_ptr<Environments<CudaBackend>> make_environments(CudaBackend&, const std::string&, Index,
                                                                      const std::vector<float>&);

}  // namespace stampede
