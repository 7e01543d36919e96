#pragma once
/// \file The parts of the CUDA module's engine, each in a file of its own so that they compile side by side.

#include <memory>

#include "cuda/mlp.cuh"
#include "cuda/module/simulation.hpp"
#include "cuda/nccl.cuh"
#include "host/engine/engine.hpp"
#include "host/simulate/environments.hpp"
#include "host/simulate/robots.hpp"

namespace stampede {

/// Robots for tasks (simulation.cu).
std::unique_ptr<Robots<CudaBackend, float>> make_robots(CudaBackend& backend, const SimulationRequest& request);

/// A trainer with a backend of its own (trainer.cu), which learns with the other ranks that `link` connects; null: none.
std::unique_ptr<Stage> make_cuda_trainer(const TrainingRequest& request, const NcclLink* link = nullptr);

/// evaluate_policy and drive_randomly of host/learn/evaluator.hpp (evaluation.cu).
Evaluation evaluate_on_gpu(CudaBackend& backend, const EvaluationRequest& request, const Policy& policy);
EnvironmentBenchmark drive_on_gpu(CudaBackend& backend, const BenchmarkRequest& request);

/// Environments with a backend of their own (vector_environment.cu).
std::unique_ptr<VectorEnvironment> make_cuda_environment(const EnvironmentRequest& request);

/// A policy by itself, with a backend of its own (vector_environment.cu).
std::unique_ptr<StandalonePolicy> make_cuda_policy(const Policy& policy, int rows);

/// Multiply-adds that the GPU's single-precision units reach [GFLOP/s], measured now (peak.cu).
double gpu_fma_peak_gflops(CudaBackend& backend);

}  // namespace stampede
