/// \file The CUDA module: what the program loads where there is a GPU.
#include "cuda/module/engine.cuh"
#include "host/engine/interface.hpp"

namespace stampede {
namespace {

/// Never launched: asked about, it tells whether the module has code for a GPU.
__global__ void any_kernel() {}

/// Why the driver does not do for the toolkit that the module was built with.
std::string old_driver() {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const auto version = [](int number) {
    return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
  };
  return "the NVIDIA driver is too old: it is of CUDA " + version(driver) + ", and the module was built with CUDA " +
         version(runtime) + "; a driver of CUDA " + std::to_string(runtime / 1000) + " or newer is needed";
}

/// That GPU, made the calling thread's. Throws Error with the reason where it cannot be used.
cudaDeviceProp choose_gpu(int gpu) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) throw Error(old_driver());
  if (status != cudaSuccess) throw Error(std::string("there is no usable GPU: ") + cudaGetErrorString(status));
  if (gpu >= count) throw Error("the NVIDIA driver finds no GPU " + std::to_string(gpu));
  cudaDeviceProp properties{};
  STAMPEDE_CUDA(cudaGetDeviceProperties(&properties, gpu));
  const std::string number = std::to_string(properties.major) + std::to_string(properties.minor);
  const std::string name = std::string("the GPU ") + properties.name + " is an sm_" + number;
  if (properties.major < 8) throw Error(name + "; sm_80 or newer is needed");
  STAMPEDE_CUDA(cudaSetDevice(gpu));
  cudaFuncAttributes attributes{};
  const cudaError_t code = cudaFuncGetAttributes(&attributes, any_kernel);
  if (code == cudaErrorNoKernelImageForDevice || code == cudaErrorInvalidDeviceFunction ||
      code == cudaErrorUnsupportedPtxVersion) {
    throw Error(name + ", for which the CUDA module has no code; build it with -DCMAKE_CUDA_ARCHITECTURES=" + number);
  }
  cuda::check(code, "cudaFuncGetAttributes(&attributes, any_kernel)");
  return properties;
}

class CudaEngine final : public Engine {
 public:
  explicit CudaEngine(int gpu) : gpu_(gpu), properties_(choose_gpu(gpu)) {}

  std::string device() const override { return "cuda"; }
  std::string instruction_set() const override {
    return "sm_" + std::to_string(properties_.major) + std::to_string(properties_.minor);
  }
  std::string description() const override {
    return std::string(properties_.name) + ", " + std::to_string(properties_.totalGlobalMem >> 30) + " GiB, " +
           std::to_string(properties_.multiProcessorCount) + " multiprocessors, " + instruction_set();
  }
  int threads() const override { return 1; }
  int gpu() const override { return gpu_; }
  std::vector<MatrixProduct> matrix_products() const override { return prepared_products(); }

  void join(RankGroup& group) override {
    backend_.use_device();
    link_ = std::make_unique<NcclLink>(group);
  }
  std::unique_ptr<Stage> make_trainer(const TrainingRequest& request) override {
    backend_.use_device();
    return make_cuda_trainer(request, link_.get());
  }
  Evaluation evaluate(const EvaluationRequest& request, const Policy& policy) override {
    backend_.use_device();
    return evaluate_on_gpu(backend_, request, policy);
  }
  EnvironmentBenchmark bench_environment(const BenchmarkRequest& request) override {
    backend_.use_device();
    return drive_on_gpu(backend_, request);
  }
  std::unique_ptr<VectorEnvironment> make_environment(const EnvironmentRequest& request) override {
    backend_.use_device();
    return make_cuda_environment(request);
  }
  std::unique_ptr<StandalonePolicy> make_policy(const Policy& policy, int rows) override {
    backend_.use_device();
    return make_cuda_policy(policy, rows);
  }
  std::unique_ptr<Simulation> make_simulation(const SimulationRequest& request) override {
    if (request.double_precision)
      throw Error("physics in double precision runs on the CPU; --device cpu would be right");
    backend_.use_device();
    return make_cuda_simulation(request);
  }
  double fma_peak_gflops() override {
    backend_.use_device();
    return gpu_fma_peak_gflops(backend_);
  }

 private:
  int gpu_;
  cudaDeviceProp properties_;  // first: without a GPU no backend can be made
  CudaBackend backend_;
  std::unique_ptr<NcclLink> link_;  ///< null: this process is the only rank
};

}  // namespace
}  // namespace stampede

extern "C" __attribute__((visibility("default"))) const char stampede_interface[] = STAMPEDE_ENGINE_INTERFACE;

/// One host thread drives the GPU, whatever `threads` says.
extern "C" __attribute__((visibility("default"))) stampede::Engine* stampede_engine(int, int gpu) {
  return new stampede::CudaEngine(gpu);
}
