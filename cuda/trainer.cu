/// \file The trainer on the GPU.
#include "cuda/engine.cuh"
#include "host/trainer/trainer.hpp"

namespace stampede {
namespace {

/// Recordings, time stamps and reports belong to one training, so each has its own backend.
class CudaTrainer final : public Trainer {
 public:
  CudaTrainer(const Settings& settings, bool timing) : trainer_(backend_, settings, timing) {}

  void enqueue_iteration() override { trainer_.enqueue_iteration(); }
  bool fetch_report(Report& report, bool wait) override { return trainer_.fetch_report(report, wait); }
  std::vector<Tensor> state() override { return trainer_.state(); }
  void restore(const std::vector<Tensor>& tensors) override { trainer_.restore(tensors); }
  Policy policy() override { return trainer_.policy(); }
  double update_flops() const override { return trainer_.update_flops(); }

 private:
  CudaBackend backend_;
  PolicyTrainer<CudaBackend> trainer_;
};

}  // namespace

std::unique_ptr<Trainer> make_cuda_trainer(const Settings& settings, bool timing) {
  return std::make_unique<CudaTrainer>(settings, timing);
}

}  // namespace stampede
