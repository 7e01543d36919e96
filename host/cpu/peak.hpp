#pragma once
/// \file Measures the processor's peak rate of multiply-adds, with which the dense layers' speed is compared.

#include <algorithm>
#include <chrono>
#include <vector>

#include "host/cpu/backend.hpp"

namespace stampede {

/// Seconds that a floating-point operation takes on one thread: multiply-adds to enough independent sums to hide their
/// latency, all in registers.
inline double seconds_per_operation(Index rounds) {
  constexpr int kSums = 12;
  dense::Vector sum[kSums];
  STAMPEDE_UNROLL
  for (int i = 0; i < kSums; ++i) sum[i] = static_cast<float>(i);
  const dense::Vector a = 0.999f, b = 0.5f;
  const auto begin = std::chrono::steady_clock::now();
  for (Index round = 0; round < rounds; ++round) {
    STAMPEDE_UNROLL
    for (int i = 0; i < kSums; ++i) sum[i] = sum[i] * a + b;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  asm volatile("" : : "m"(sum));  // else the compiler would remove the loop
  return seconds / static_cast<double>(rounds * kSums * dense::kWidth * 2);
}

/// Floating-point operations of all threads together [GFLOP/s], in short bursts, because the clock rate falls under a
/// long load: of the best burst, and their mean.
struct FmaPeak {
  double best = 0, mean = 0;
};

inline FmaPeak measure_fma_peak(CpuBackend& backend) {
  constexpr int kBursts = 10;
  FmaPeak peak;
  for (int burst = 0; burst < kBursts; ++burst) {
    std::vector<double> rate(static_cast<std::size_t>(backend.threads()));
    backend.on_all_threads(
        [&](int thread) { rate[static_cast<std::size_t>(thread)] = 1e-9 / seconds_per_operation(50000); });
    double sum = 0;
    for (const double r : rate) sum += r;
    peak.best = std::max(peak.best, sum);
    peak.mean += sum / kBursts;
  }
  return peak;
}

inline double fma_peak_gflops(CpuBackend& backend) { return measure_fma_peak(backend).best; }

}  // namespace stampede
