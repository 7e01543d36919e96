/// \file The CUDA module: what the program loads where there is a GPU.
#include "cuda/module/engine.cuh"
#include "host/engine/interface.hpp"

namespace stampede {
namespace {

/// The first GPU, made the calling thread's. Throws Error with the reason where there is none that can be used.
cudaDeviceProp first_gpu() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    throw Error(std::string("no usable GPU: ") + cudaGetErrorString(status) + "; --device cpu runs on the processor");
  }
  if (count < 1) throw Error("no usable GPU: the driver finds none; --device cpu runs on the processor");
  cudaDeviceProp properties{};
  STAMPEDE_CUDA(cudaGetDeviceProperties(&properties, 0));
  if (properties.major < 8) {
    throw Error(std::string("no usable GPU: ") + properties.name + " is an sm_" + std::to_string(properties.major) +
                std::to_string(properties.minor) + "; sm_80 or newer is needed");
  }
  STAMPEDE_CUDA(cudaSetDevice(0));
  return properties;
}

class CudaEngine final : public Engine {
 public:
  CudaEngine() : properties_(first_gpu()) {}

  std::string device() const override { return "cuda"; }
  std::string instruction_set() const override {
    return "sm_" + std::to_string(properties_.major) + std::to_string(properties_.minor);
  }
  std::string description() const override {
    return std::string(properties_.name) + ", " + std::to_string(properties_.totalGlobalMem >> 30) + " GiB, " +
           std::to_string(properties_.multiProcessorCount) + " multiprocessors, " + instruction_set();
  }
  int threads() const override { return 1; }

  std::unique_ptr<Stage> make_trainer(const TrainingRequest& request) override { return make_cuda_trainer(request); }
  Evaluation evaluate(const EvaluationRequest& request, const Policy& policy) override {
    return evaluate_on_gpu(backend_, request, policy);
  }
  EnvironmentBenchmark bench_environment(const BenchmarkRequest& request) override {
    return drive_on_gpu(backend_, request);
  }
  std::unique_ptr<VectorEnvironment> make_environment(const EnvironmentRequest& request) override {
    return make_cuda_environment(request);
  }
  std::unique_ptr<Simulation> make_simulation(const SimulationRequest& request) override {
    if (request.double_precision)
      throw Error("physics in double precision runs on the CPU; --device cpu would be right");
    return make_cuda_simulation(request);
  }
  double fma_peak_gflops() override { return gpu_fma_peak_gflops(backend_); }

 private:
  cudaDeviceProp properties_;  // first: without a GPU no backend can be made
  CudaBackend backend_;
};

}  // namespace
}  // namespace stampede

extern "C" __attribute__((visibility("default"))) const char stampede_interface[] = STAMPEDE_ENGINE_INTERFACE;

/// One host thread drives the GPU, whatever `threads` says.
extern "C" __attribute__((visibility("default"))) stampede::Engine* stampede_engine(int) {
  return new stampede::CudaEngine;
}
