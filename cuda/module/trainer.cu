/// \file The trainer on the GPU.
#include "cuda/module/engine.cuh"
#include "host/learn/trainer.hpp"

namespace stampede {

std::unique_ptr<Trainer> make_cuda_trainer(const TrainingRequest& request) {
  return std::make_unique<PolicyTrainer<CudaBackend>>(std::make_unique<CudaBackend>(), request);
}

}  // namespace stampede
