/// \file The multiply-add peak of the GPU, measured now, with which the speed of dense layers is compared.
#include <algorithm>

#include "cuda/module/engine.cuh"

namespace stampede {
namespace {

constexpr int kThreads = 256, kSums = 8, kRounds = 4096;

/// Chains of dependent multiply-adds, several a thread to hide their latency. The result is stored so that the compiler
/// does not remove them.
__global__ void __launch_bounds__(kThreads) multiply_add(float* out, float a, float b) {
  float sums[kSums];
#pragma unroll
  for (int i = 0; i < kSums; ++i) sums[i] = static_cast<float>(threadIdx.x + static_cast<unsigned>(i));
#pragma unroll 16
  for (int round = 0; round < kRounds; ++round) {
#pragma unroll
    for (int i = 0; i < kSums; ++i) sums[i] = fmaf(sums[i], a, b);
  }
  float total = 0.0f;
#pragma unroll
  for (int i = 0; i < kSums; ++i) total += sums[i];
  out[static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x] = total;
}

}  // namespace

double gpu_fma_peak_gflops(CudaBackend& backend) {
  int device = 0, processors = 0;
  STAMPEDE_CUDA(cudaGetDevice(&device));
  STAMPEDE_CUDA(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));
  const int blocks = processors * 16;
  DeviceBuffer<float> out(static_cast<Index>(blocks) * kThreads);
  const CudaEvent begin, end;
  double best = 0;
  for (int burst = 0; burst < 10; ++burst) {
    STAMPEDE_CUDA(cudaEventRecord(begin, backend.stream()));
    multiply_add<<<blocks, kThreads, 0, backend.stream()>>>(out.data(), 0.999f, 0.5f);
    cuda::check_launch(backend.stream(), "multiply_add");
    STAMPEDE_CUDA(cudaEventRecord(end, backend.stream()));
    backend.synchronise();
    const double operations = 2.0 * kSums * kRounds * kThreads * static_cast<double>(blocks);
    best = std::max(best, 1e-9 * operations / seconds_from(begin, end));
  }
  return best;
}

}  // namespace stampede
