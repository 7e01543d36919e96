/// \file The CPU's engine, a shared library: compiled once for each instruction set. A new algorithm or network module
/// is registered here.

#include <fstream>
#include <memory>
#include <string>

#include "host/cpu/backend.hpp"
#include "host/cpu/peak.hpp"
#include "host/engine/engine.hpp"
#include "host/engine/interface.hpp"
#include "host/engine/loader.hpp"
#include "host/learn/distillation.hpp"
#include "host/learn/evaluator.hpp"
#include "host/learn/ppo.hpp"
#include "host/learn/rank_sums.hpp"
#include "host/learn/trainer.hpp"
#include "host/modules/cpu/simulation.hpp"
#include "host/modules/cpu/vector_environment.hpp"
#include "host/nets/convolution.hpp"
#include "host/nets/gru.hpp"

namespace stampede {
namespace {

[[maybe_unused]] const bool registered[] = {register_algorithm<Ppo, CpuBackend>("policy_gradient"),
                                            register_algorithm<Distillation, CpuBackend>("distillation"),
                                            register_network_module<Convolution, CpuBackend>(kConvolutionModule),
                                            register_network_module<Gru, CpuBackend>(kGruModule)};

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "CPU";
}

class CpuEngine final : public Engine {
 public:
  explicit CpuEngine(int threads) : backend_(threads) {}

  std::string device() const override { return "cpu"; }
  std::string instruction_set() const override { return STAMPEDE_INSTRUCTION_SET; }
  std::string description() const override {
    return processor_name() + ", " + std::to_string(backend_.threads()) + " threads, " + instruction_set();
  }
  int threads() const override { return backend_.threads(); }

  void join(RankGroup& group) override { group_ = &group; }
  std::unique_ptr<Stage> make_trainer(const TrainingRequest& request) override {
    auto backend = std::make_unique<CpuBackend>(threads());
    if (group_ == nullptr) return std::make_unique<TaskTrainer<CpuBackend>>(std::move(backend), request);
    TrainingRequest own = request;
    own.rank = group_->rank();
    backend->set_communicator(std::make_unique<RankSums<CpuBackend, HostLink>>(HostLink(*group_)));
    return std::make_unique<TaskTrainer<CpuBackend>>(std::move(backend), own);
  }
  Evaluation evaluate(const EvaluationRequest& request, const Policy& policy) override {
    return evaluate_policy(backend_, request, policy);
  }
  EnvironmentBenchmark bench_environment(const BenchmarkRequest& request) override {
    return drive_randomly(backend_, request);
  }
  std::unique_ptr<VectorEnvironment> make_environment(const EnvironmentRequest& request) override {
    return make_vector_environment(std::make_unique<CpuBackend>(threads()), request);
  }
  std::unique_ptr<StandalonePolicy> make_policy(const Policy& policy, int rows) override {
    return make_standalone_policy(std::make_unique<CpuBackend>(threads()), policy, rows);
  }
  std::unique_ptr<Simulation> make_simulation(const SimulationRequest& request) override {
    if (request.double_precision) return make_double_simulation(threads(), request);
    return make_float_simulation(std::make_unique<CpuBackend>(threads()), request);
  }

  double fma_peak_gflops() override { return stampede::fma_peak_gflops(backend_); }

 private:
  CpuBackend backend_;
  RankGroup* group_ = nullptr;  ///< null: this process is the only rank
};

}  // namespace
}  // namespace stampede

extern "C" __attribute__((visibility("default"))) const char stampede_interface[] = STAMPEDE_ENGINE_INTERFACE;

extern "C" __attribute__((visibility("default"))) stampede::Engine* stampede_engine(int threads, int) {
  return new stampede::CpuEngine(threads);
}
