/// \file Evaluation and the benchmark of environments on the GPU.
#include "cuda/module/engine.cuh"
#include "host/learn/evaluator.hpp"

namespace stampede {

Evaluation evaluate_on_gpu(CudaBackend& backend, const EvaluationRequest& request, const Policy& policy) {
  return evaluate_policy(backend, request, policy);
}

EnvironmentBenchmark drive_on_gpu(CudaBackend& backend, const BenchmarkRequest& request) {
  return drive_randomly(backend, request);
}

}  // namespace stampede
