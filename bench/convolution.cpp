/// \file Convolutions on one thread: forward, the weights' gradient and the inputs' gradient of single layers
/// (kernels/convolution.hpp), beside oneDNN's on the same sizes where that is found. A tile of rows, as an update has
/// it. Counter `GFLOP/s`: multiplications and additions that the convolution takes, without those of surplus pixels;
/// `peak`: multiply-adds that do nothing else.

#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/cpu/backend.hpp"
#include "host/cpu/peak.hpp"
#include "host/nets/convolution.hpp"

#ifdef STAMPEDE_HAS_DNNL
#include <omp.h>

#include <dnnl.hpp>
#endif

namespace stampede {
namespace {

constexpr Index kRows = kTrainingTile / 2;

/// A layer by its input (channels, height, width), kernel, stride and channels of the output.
struct Case {
  const char* name;
  int channels, height, width, kernel, stride, out_channels;
};
constexpr Case kCases[] = {
    {"pendulum-pixels/1", 2, 16, 16, 4, 2, 16}, {"pendulum-pixels/2", 16, 7, 7, 3, 2, 32},
    {"cartpole-pixels/1", 2, 24, 48, 4, 2, 16}, {"cartpole-pixels/2", 16, 11, 23, 3, 2, 32},
    {"depth-58x87/2", 16, 27, 42, 4, 2, 32},
};

std::vector<float> random_numbers(Index count) {
  std::mt19937 generator(3);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> numbers(static_cast<std::size_t>(padded(count)));
  for (float& x : numbers) x = uniform(generator);
  return numbers;
}

/// A layer with what its kernels read and write. The first layer of a network sees channels first, others last.
struct Layer {
  ConvolutionShape shape;
  Index inputs, outputs;
  std::vector<std::int32_t> tap, patch;
  std::vector<float> weight, bias, transposed, input, output, delta, gradient, input_gradient;

  explicit Layer(const Case& c) {
    ModuleOptions options{"relu", {}};
    options.image = {c.channels, c.height, c.width};
    options.channels = {c.out_channels};
    options.kernels = {c.kernel};
    options.strides = {c.stride};
    shape = convolution_shapes(options).front();
    if (c.channels >= kMaxLanes) {
      shape.by_channel = 1;
      shape.by_pixel = c.channels;
      shape.by_line = Index{c.width} * c.channels;
    }
    tap = tap_places(shape);
    patch = patch_places(shape);
    inputs = Index{c.channels} * c.height * c.width;
    outputs = shape.outputs();
    weight = random_numbers(shape.taps() * shape.out_channels);
    bias = random_numbers(shape.out_channels);
    transposed = weight;
    input = random_numbers(kRows * inputs);
    output = random_numbers(kRows * outputs);
    delta = random_numbers(kRows * outputs);
    gradient = random_numbers((shape.taps() + 1) * shape.out_channels);
    input_gradient = random_numbers(kRows * inputs);
  }
  ConvolutionLayer layer() const { return {shape, tap.data(), patch.data()}; }
  double flops() const { return 2.0 * static_cast<double>(kRows * shape.taps() * outputs); }
};

void count(benchmark::State& state, const Layer& layer) {
  state.counters["GFLOP/s"] = benchmark::Counter(layer.flops() * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

/// What the processor could do.
void run_peak(benchmark::State& state) {
  constexpr Index kRounds = 100000;
  for (auto _ : state) benchmark::DoNotOptimize(seconds_per_operation(kRounds));
  state.counters["GFLOP/s"] = benchmark::Counter(static_cast<double>(kRounds) * 12 * dense::kWidth * 2e-9,
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

void run_forward(benchmark::State& state, const Case& c) {
  CpuBackend backend(1);
  const CpuBackend::Context context{&backend, 0, 0, true};
  Layer l(c);
  for (auto _ : state) {
    context.launch(
        {0, kRows * blocks_of(l.shape.pixels()) * l.shape.out_channels},
        ConvolutionForward<CpuBackend::Real>{l.layer(), l.weight.data(), l.bias.data(), l.input.data(), l.inputs,
                                             l.output.data(), l.outputs, Activation::kRelu, nullptr});
    benchmark::ClobberMemory();
  }
  count(state, l);
}

void run_weights(benchmark::State& state, const Case& c) {
  CpuBackend backend(1);
  const CpuBackend::Context context{&backend, 0, 0, true};
  Layer l(c);
  for (auto _ : state) {
    context.launch(
        {0, blocks_of(l.shape.taps()) * l.shape.out_channels},
        ConvolutionWeightGradient<CpuBackend::Real>{
            l.layer(), {kRows, 1, 0}, l.input.data(), l.inputs, l.delta.data(), l.outputs, l.gradient.data(), false});
    benchmark::ClobberMemory();
  }
  count(state, l);
}

void run_inputs(benchmark::State& state, const Case& c) {
  CpuBackend backend(1);
  const CpuBackend::Context context{&backend, 0, 0, true};
  Layer l(c);
  for (auto _ : state) {
    context.launch({0, kRows * l.shape.channels},
                   ConvolutionInputGradient{l.layer(), l.transposed.data(), l.delta.data(), l.outputs,
                                            l.input_gradient.data(), l.inputs});
    benchmark::ClobberMemory();
  }
  count(state, l);
}

#ifdef STAMPEDE_HAS_DNNL
/// The same layer on oneDNN, which chooses its own layouts; its reorders are not timed.
struct DnnlLayer {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::memory x, w, b, y, dx, dw, db, dy;
  dnnl::primitive forward, weights, inputs;

  explicit DnnlLayer(const Case& c) {
    using namespace dnnl;
    const auto any = [](memory::dims dims) {
      return memory::desc(dims, memory::data_type::f32, memory::format_tag::any);
    };
    const memory::dim oh = (c.height - c.kernel) / c.stride + 1, ow = (c.width - c.kernel) / c.stride + 1;
    const auto xd = any({kRows, c.channels, c.height, c.width}), yd = any({kRows, c.out_channels, oh, ow}),
               wd = any({c.out_channels, c.channels, c.kernel, c.kernel});
    const memory::desc bd({c.out_channels}, memory::data_type::f32, memory::format_tag::a);
    const memory::dims strides = {c.stride, c.stride}, none = {0, 0};
    post_ops relu;
    relu.append_eltwise(1.0f, algorithm::eltwise_relu, 0.0f, 0.0f);
    primitive_attr attributes;
    attributes.set_post_ops(relu);
    const convolution_forward::primitive_desc f(
        convolution_forward::desc(prop_kind::forward_training, algorithm::convolution_direct, xd, wd, bd, yd, strides,
                                  none, none),
        attributes, engine);
    const convolution_backward_weights::primitive_desc bw(
        convolution_backward_weights::desc(algorithm::convolution_direct, xd, wd, bd, yd, strides, none, none), engine,
        f);
    const convolution_backward_data::primitive_desc bi(
        convolution_backward_data::desc(algorithm::convolution_direct, xd, wd, yd, strides, none, none), engine, f);
    x = filled(f.src_desc()), w = filled(f.weights_desc()), b = filled(bd), y = filled(f.dst_desc());
    forward = convolution_forward(f);
    x_of_weights = filled(bw.src_desc()), dw = filled(bw.diff_weights_desc()), db = filled(bd),
    dy = filled(bw.diff_dst_desc());
    weights = convolution_backward_weights(bw);
    dx = filled(bi.diff_src_desc()), w_of_inputs = filled(bi.weights_desc()), dy_of_inputs = filled(bi.diff_dst_desc());
    inputs = convolution_backward_data(bi);
  }
  dnnl::memory x_of_weights, w_of_inputs, dy_of_inputs;

 private:
  dnnl::memory filled(const dnnl::memory::desc& desc) {
    dnnl::memory memory(desc, engine);
    const std::vector<float> numbers = random_numbers(static_cast<Index>(desc.get_size() / sizeof(float)));
    std::memcpy(memory.get_data_handle(), numbers.data(), desc.get_size());
    return memory;
  }
};

void run_dnnl(benchmark::State& state, const Case& c, int which) {
  omp_set_num_threads(1);
  DnnlLayer d(c);
  const Layer own(c);
  for (auto _ : state) {
    if (which == 0) {
      d.forward.execute(d.stream,
                        {{DNNL_ARG_SRC, d.x}, {DNNL_ARG_WEIGHTS, d.w}, {DNNL_ARG_BIAS, d.b}, {DNNL_ARG_DST, d.y}});
    } else if (which == 1) {
      d.weights.execute(d.stream, {{DNNL_ARG_SRC, d.x_of_weights},
                                   {DNNL_ARG_DIFF_DST, d.dy},
                                   {DNNL_ARG_DIFF_WEIGHTS, d.dw},
                                   {DNNL_ARG_DIFF_BIAS, d.db}});
    } else {
      d.inputs.execute(
          d.stream,
          {{DNNL_ARG_DIFF_DST, d.dy_of_inputs}, {DNNL_ARG_WEIGHTS, d.w_of_inputs}, {DNNL_ARG_DIFF_SRC, d.dx}});
    }
    d.stream.wait();
  }
  count(state, own);
}
#endif

}  // namespace
}  // namespace stampede

int main(int argc, char** argv) {
  using namespace stampede;
  benchmark::RegisterBenchmark("peak", run_peak);
  for (const Case& c : kCases) {
    const std::string name = c.name;
    benchmark::RegisterBenchmark((name + "/forward/own").c_str(), run_forward, c);
    benchmark::RegisterBenchmark((name + "/weights/own").c_str(), run_weights, c);
    if (c.channels % kMaxLanes == 0) benchmark::RegisterBenchmark((name + "/inputs/own").c_str(), run_inputs, c);
#ifdef STAMPEDE_HAS_DNNL
    benchmark::RegisterBenchmark((name + "/forward/oneDNN").c_str(), run_dnnl, c, 0);
    benchmark::RegisterBenchmark((name + "/weights/oneDNN").c_str(), run_dnnl, c, 1);
    if (c.channels % kMaxLanes == 0) benchmark::RegisterBenchmark((name + "/inputs/oneDNN").c_str(), run_dnnl, c, 2);
#endif
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
