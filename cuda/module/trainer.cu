/// \file The trainer on the GPU.
#include "cuda/linear.cuh"
#include "cuda/module/engine.cuh"
#include "host/learn/distillation.hpp"
#include "host/learn/ppo.hpp"
#include "host/learn/rank_sums.hpp"
#include "host/learn/trainer.hpp"
#include "host/nets/convolution.hpp"
#include "host/nets/gru.hpp"

namespace stampede {
namespace {

[[maybe_unused]] const bool registered[] = {register_algorithm<Ppo, CudaBackend>("policy_gradient"),
                                            register_algorithm<Distillation, CudaBackend>("distillation"),
                                            register_network_module<Convolution, CudaBackend>(kConvolutionModule),
                                            register_network_module<Gru, CudaBackend>(kGruModule)};

}  // namespace

std::unique_ptr<Stage> make_cuda_trainer(const TrainingRequest& request, const NcclLink* link) {
  auto backend = std::make_unique<CudaBackend>();
  if (request.network.precision == "bf16") backend->blas().use(Precision::kBf16);
#if !defined(STAMPEDE_PARITY)  // which promises the CPU's bits, where nobody has asked for others
  if (request.network.precision == "tf32") backend->blas().use(Precision::kTf32);
#endif
  if (link == nullptr) return std::make_unique<TaskTrainer<CudaBackend>>(std::move(backend), request);
  TrainingRequest own = request;
  own.rank = link->rank();
  backend->set_communicator(std::make_unique<RankSums<CudaBackend, NcclLink>>(*link),
                            [checked = *link]() mutable { checked.check(); });
  return std::make_unique<TaskTrainer<CudaBackend>>(std::move(backend), own);
}

}  // namespace stampede
