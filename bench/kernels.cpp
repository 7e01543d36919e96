/// \file Single kernels on one thread, at the width of this build: seconds an element (270p is 0.27 ns).

#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "host/cpu/backend.hpp"
#include "kernels/activation.hpp"
#include "kernels/adam.hpp"
#include "kernels/returns.hpp"

namespace stampede {
namespace {

using Real = CpuBackend::Real;

HostBuffer<float> random_floats(Index count, float low, float high) {
  HostBuffer<float> values(count);
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(low, high);
  for (Index i = 0; i < count; ++i) values.data()[i] = uniform(generator);
  return values;
}

void report(benchmark::State& state, Index elements) {
  using benchmark::Counter;
  state.counters["an_element"] =
      Counter(static_cast<double>(elements), Counter::kIsIterationInvariantRate | Counter::kInvert);
}

/// An elementary function over an array that stays in the first-level cache.
template <class Function>
void elementwise(benchmark::State& state, float low, float high, const Function& function) {
  constexpr Index kCount = 4096;
  const HostBuffer<float> from = random_floats(kCount, low, high);
  HostBuffer<float> to(kCount);
  for (auto _ : state) {
    for (Index i = 0; i < kCount; i += kLanes<Real>) store(to.data() + i, function(load<Real>(from.data() + i)));
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  report(state, kCount);
}

void sine_and_cosine(benchmark::State& state) {
  elementwise(state, -10, 10, [](Real x) {
    Real sine, cosine;
    sincos(x, sine, cosine);
    return sine + cosine;
  });
}
void exponential(benchmark::State& state) {
  elementwise(state, -80, 80, [](Real x) { return exp(x); });
}
void logarithm(benchmark::State& state) {
  elementwise(state, 1e-6f, 100, [](Real x) { return log(x); });
}
void hyperbolic_tangent(benchmark::State& state) {
  elementwise(state, -5, 5, [](Real x) { return tanh(x); });
}
void elu(benchmark::State& state) {
  elementwise(state, -5, 5, [](Real x) { return activate<Activation::kElu>(x); });
}
void silu(benchmark::State& state) {
  elementwise(state, -5, 5, [](Real x) { return activate<Activation::kSilu>(x); });
}

void random_uniform(benchmark::State& state) {
  constexpr Index kCount = 4096;
  HostBuffer<float> to(kCount);
  std::uint32_t step = 0;
  for (auto _ : state) {
    for (Index i = 0; i < kCount; i += 4 * kLanes<Real>) {
      Random<Real> random(1, lane_indices<Real>(i), step, Purpose::kAction);
      for (int word = 0; word < 4; ++word) store(to.data() + i + word * kLanes<Real>, random.uniform());
    }
    ++step;
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  report(state, kCount);
}

void advantages(benchmark::State& state) {
  constexpr Index kEnvs = 4096, kHorizon = 24, kRows = kEnvs * kHorizon;
  const HostBuffer<float> reward = random_floats(kRows, -1, 1), value = random_floats(kRows + kEnvs, -1, 1);
  const HostBuffer<float> ended(kRows), final_value(kRows);
  HostBuffer<float> advantage(kRows), returns(kRows);
  CpuBackend backend(1);
  for (auto _ : state) {
    backend.launch(kEnvs, Advantages{reward.data(), ended.data(), value.data(), final_value.data(), nullptr,
                                     advantage.data(), returns.data(), kHorizon, kEnvs, 0.99f, 0.95f, true});
    benchmark::ClobberMemory();
  }
  report(state, kRows);
}

void adam(benchmark::State& state) {
  constexpr Index kCount = 1 << 17;
  HostBuffer<float> parameters = random_floats(kCount, -1, 1), first(kCount), second(kCount);
  const HostBuffer<float> gradient = random_floats(kCount, -1, 1);
  Control control{};
  control.learning_rate = 1e-3f;
  control.beta1_power = 0.5f;
  control.beta2_power = 0.5f;
  control.gradient_scale = 1.0f;
  CpuBackend backend(1);
  for (auto _ : state) {
    backend.launch(kCount, AdamStep{parameters.data(), first.data(), second.data(), gradient.data(), &control});
    benchmark::ClobberMemory();
  }
  report(state, kCount);
}

BENCHMARK(sine_and_cosine);
BENCHMARK(exponential);
BENCHMARK(logarithm);
BENCHMARK(hyperbolic_tangent);
BENCHMARK(elu);
BENCHMARK(silu);
BENCHMARK(random_uniform);
BENCHMARK(advantages);
BENCHMARK(adam);

}  // namespace
}  // namespace stampede

BENCHMARK_MAIN();
