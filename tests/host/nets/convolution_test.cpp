/// \file Convolutions: outputs and gradients against plain loops in double precision; what is refused.

#include "host/nets/convolution.hpp"

#include <map>

#include "host/cpu/backend.hpp"
#include "host/nets/network.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

[[maybe_unused]] const bool convolution = register_network_module<Convolution, CpuBackend>(kConvolutionModule);

constexpr int kOutputs = 3, kRest = 5;
constexpr Index kRows = 41;  // more than the gradient of the weights takes at once

using Numbers = std::map<std::string, std::vector<double>>;

double activated(const std::string& activation, double z) {
  if (activation == "tanh") return std::tanh(z);
  if (activation == "relu") return std::max(z, 0.0);
  if (activation == "silu") return z / (1 + std::exp(-z));
  return z > 0 ? z : std::expm1(z);
}

ModuleOptions options_of(const std::string& activation) {
  ModuleOptions options{activation, {9}};
  options.image = {2, 11, 14};
  options.channels = {16, 32};
  options.kernels = {4, 3};
  options.strides = {2, 1};
  return options;
}

/// A network of convolutions and dense layers on rows that hold a picture and five numbers more.
struct Subject {
  ModuleOptions options;
  int inputs;
  CpuBackend backend{1};
  CpuBackend::Context context{&backend, 0, 0, true};
  Network<CpuBackend> network;
  std::vector<float> parameters, input, delta;

  explicit Subject(const std::string& activation)
      : options(options_of(activation)),
        inputs(2 * 11 * 14 + kRest),
        network(backend, plan_network({"convolution", "dense"}, "actor", options, kOutputs), inputs, 16, kRows),
        parameters(floats(network.place().end)),
        input(random_floats(kRows * padded(inputs), -1, 1, 6)),
        delta(random_floats(kRows * kOutputs, -1, 1, 4)) {
    network.initialise(3, 0, {}, parameters.data());
    network.parameters_changed(parameters.data());
  }

  Sequences sequences() const {
    Sequences sequences;
    sequences.rows = kRows;
    return sequences;
  }

  Numbers numbers() const {
    Numbers all;
    for (const Parameter& parameter : network.store().read(parameters.data())) {
      all[parameter.name].assign(parameter.values.begin(), parameter.values.end());
    }
    return all;
  }

  /// One row's outputs, in double.
  std::vector<double> outputs(const Numbers& p, Index row) const {
    const float* at = &input[static_cast<std::size_t>(row * padded(inputs))];
    int channels = 2, height = 11, width = 14;
    std::vector<double> x(at, at + channels * height * width);
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const auto &weight = p.at("actor.convolution." + std::to_string(layer) + ".weight"),
                 &bias = p.at("actor.convolution." + std::to_string(layer) + ".bias");
      const int k = options.kernels[layer], s = options.strides[layer], out = options.channels[layer];
      const int oh = (height - k) / s + 1, ow = (width - k) / s + 1;
      std::vector<double> y;
      for (int o = 0; o < out; ++o) {
        for (int oy = 0; oy < oh; ++oy) {
          for (int ox = 0; ox < ow; ++ox) {
            double sum = bias[static_cast<std::size_t>(o)];
            for (int c = 0; c < channels; ++c) {
              for (int ky = 0; ky < k; ++ky) {
                for (int kx = 0; kx < k; ++kx) {
                  sum += weight[static_cast<std::size_t>(((o * channels + c) * k + ky) * k + kx)] *
                         x[static_cast<std::size_t>((c * height + oy * s + ky) * width + ox * s + kx)];
                }
              }
            }
            y.push_back(activated(options.activation, sum));
          }
        }
      }
      x = y, channels = out, height = oh, width = ow;
    }
    std::vector<double> flat;  // [pixel][channel], then the rest
    for (int pixel = 0; pixel < height * width; ++pixel) {
      for (int c = 0; c < channels; ++c) flat.push_back(x[static_cast<std::size_t>(c * height * width + pixel)]);
    }
    flat.insert(flat.end(), at + 2 * 11 * 14, at + inputs);
    for (int layer = 0; layer < 2; ++layer) {
      const auto &weight = p.at("actor." + std::to_string(layer) + ".weight"),
                 &bias = p.at("actor." + std::to_string(layer) + ".bias");
      std::vector<double> y;
      for (std::size_t o = 0; o < bias.size(); ++o) {
        double sum = bias[o];
        for (std::size_t i = 0; i < flat.size(); ++i) sum += weight[o * flat.size() + i] * flat[i];
        y.push_back(layer == 0 ? activated(options.activation, sum) : sum);
      }
      flat = y;
    }
    return flat;
  }

  double loss(const Numbers& p) const {
    double sum = 0;
    for (Index row = 0; row < kRows; ++row) {
      const std::vector<double> y = outputs(p, row);
      for (int o = 0; o < kOutputs; ++o) {
        sum +=
            y[static_cast<std::size_t>(o)] * static_cast<double>(delta[static_cast<std::size_t>(row * kOutputs + o)]);
      }
    }
    return sum;
  }
};

TEST(Convolution, OutputsAgainstPlainLoops) {
  for (const char* activation : {"elu", "tanh", "relu", "silu"}) {
    SCOPED_TRACE(activation);
    Subject s(activation);
    const float* got =
        s.network.forward(s.context, s.parameters.data(), s.input.data(), padded(s.inputs), s.sequences());
    Worst worst;
    const Numbers p = s.numbers();
    for (Index row = 0; row < kRows; ++row) {
      const std::vector<double> want = s.outputs(p, row);
      for (int o = 0; o < kOutputs; ++o) {
        worst.take(static_cast<double>(got[row * s.network.output_stride() + o]), want[static_cast<std::size_t>(o)],
                   1.0);
      }
    }
    EXPECT_LE(worst.error, 1e-5);
  }
}

TEST(Convolution, GradientsAgainstCentralDifferences) {
  for (const char* activation : {"elu", "tanh", "silu"}) {
    SCOPED_TRACE(activation);
    Subject s(activation);
    s.network.forward(s.context, s.parameters.data(), s.input.data(), padded(s.inputs), s.sequences());
    float* slopes = s.network.output_gradient(s.context);
    for (Index row = 0; row < kRows; ++row) {
      for (int o = 0; o < kOutputs; ++o) {
        slopes[row * s.network.output_stride() + o] = s.delta[static_cast<std::size_t>(row * kOutputs + o)];
      }
    }
    auto gradient = floats(s.network.place().end, 123.0f);
    s.network.backward(s.context, s.parameters.data(), s.input.data(), padded(s.inputs), s.sequences(),
                       gradient.data());
    Numbers p = s.numbers();
    std::mt19937 generator(5);
    for (const Parameter& parameter : s.network.store().read(gradient.data())) {
      SCOPED_TRACE(parameter.name);
      double square = 0, count = 0;
      for (const float x : parameter.values) square += static_cast<double>(x) * static_cast<double>(x), count += 1;
      const double scale = std::sqrt(square / count);
      EXPECT_GT(scale, 1e-4);
      Worst worst;
      std::uniform_int_distribution<std::size_t> any(0, parameter.values.size() - 1);
      for (int trial = 0; trial < 6; ++trial) {
        const std::size_t i = trial == 0 ? parameter.values.size() - 1 : any(generator);
        double& x = p.at(parameter.name)[i];
        const double before = x, h = 1e-5;
        x = before + h;
        const double up = s.loss(p);
        x = before - h;
        const double down = s.loss(p);
        x = before;
        worst.take(static_cast<double>(parameter.values[i]), (up - down) / (2 * h), scale);
      }
      EXPECT_LE(worst.error, 2e-5);
    }
    // A second tile adds to what is there.
    CpuBackend::Context more = s.context;
    more.first = false;
    auto twice = gradient;
    s.network.forward(more, s.parameters.data(), s.input.data(), padded(s.inputs), s.sequences());
    for (Index row = 0; row < kRows; ++row) {
      for (int o = 0; o < kOutputs; ++o) {
        slopes[row * s.network.output_stride() + o] = s.delta[static_cast<std::size_t>(row * kOutputs + o)];
      }
    }
    s.network.backward(more, s.parameters.data(), s.input.data(), padded(s.inputs), s.sequences(), twice.data());
    for (const ParameterPlace& place : s.network.store().places()) {
      for (Index r = 0; r < place.rows(); ++r) {
        const auto at = static_cast<std::size_t>(place.at(r, 0));
        const double want = 2 * static_cast<double>(gradient[at]);
        EXPECT_NEAR(static_cast<double>(twice[at]), want, 1e-5 * (1 + std::fabs(want))) << place.name;
      }
    }
  }
}

/// A GPU's threads take slices of the rows: added up they are the gradient that one slice gives.
TEST(Convolution, SlicesOfRowsAddUpToTheGradient) {
  ModuleOptions options = options_of("elu");
  const ConvolutionShape shape = convolution_shapes(options).front();
  const std::vector<std::int32_t> taps = tap_places(shape), patches = patch_places(shape);
  const ConvolutionLayer layer{shape, taps.data(), patches.data()};
  const Index inputs = Index{2} * 11 * 14, numbers = (shape.taps() + 1) * shape.out_channels;
  const std::vector<float> input = random_floats(kRows * inputs, -1, 1, 8),
                           delta = random_floats(kRows * shape.outputs(), -1, 1, 9);
  const auto gradient = [&](Index count) {
    const RowSlices slices{kRows, count, numbers};
    std::vector<float> sums = floats(count * numbers, -7.0f), sum = floats(numbers);
    const ConvolutionWeightGradient<float> weights{layer,        slices,          input.data(), inputs,
                                                   delta.data(), shape.outputs(), sums.data(),  false};
    for (Index i = 0; i < count * blocks_of(shape.taps()) * shape.out_channels; ++i) {
      weights.template operator()<float>(i);
    }
    const ConvolutionBiasGradient biases{slices,       shape.pixels(),  Index{shape.out_channels},
                                         delta.data(), shape.outputs(), sums.data() + shape.taps() * shape.out_channels,
                                         false};
    for (Index i = 0; i < count * shape.out_channels; ++i) biases.template operator()<float>(i);
    const AddSlices add{slices, sums.data(), sum.data()};
    for (Index i = 0; i < numbers; ++i) add.template operator()<float>(i);
    return sum;
  };
  const std::vector<float> whole = gradient(1);
  for (const Index count : {7, 64}) {  // the latter more than there are rows
    Worst worst;
    const std::vector<float> sliced = gradient(count);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      worst.take(static_cast<double>(sliced[i]), static_cast<double>(whole[i]), 10.0);
    }
    EXPECT_LE(worst.error, 1e-5) << count << " slices";
  }
}

TEST(Convolution, NamesAndShapesOfItsParameters) {
  const Subject s("elu");
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const ParameterPlace& place : s.network.store().places()) shapes[place.name] = place.shape;
  EXPECT_EQ(shapes.at("actor.convolution.0.weight"), (std::vector<std::int64_t>{16, 2, 4, 4}));
  EXPECT_EQ(shapes.at("actor.convolution.1.weight"), (std::vector<std::int64_t>{32, 16, 3, 3}));
  EXPECT_EQ(shapes.at("actor.convolution.1.bias"), (std::vector<std::int64_t>{32}));
  EXPECT_EQ(shapes.at("actor.0.weight"), (std::vector<std::int64_t>{9, 2 * 4 * 32 + kRest}));
}

TEST(Convolution, WhatMakesNoConvolutionIsRefused) {
  const auto refusal = [](const std::function<void(ModuleOptions&)>& change) -> std::string {
    ModuleOptions options = options_of("elu");
    change(options);
    try {
      convolution_shapes(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "taken";
  };
  EXPECT_EQ(refusal([](ModuleOptions&) {}), "taken");
  EXPECT_NE(refusal([](ModuleOptions& o) { o.image.clear(); }).find("does not see a picture"), std::string::npos);
  EXPECT_NE(refusal([](ModuleOptions& o) { o.strides.pop_back(); }).find("they have 2, 2 and 1"), std::string::npos);
  EXPECT_NE(refusal([](ModuleOptions& o) { o.channels[1] = 20; }).find("a multiple of 16"), std::string::npos);
  const std::string shrunk = refusal([](ModuleOptions& o) { o.strides[0] = 8; });
  EXPECT_NE(shrunk.find("convolution 2 has a kernel of 3 x 3 pixels, but what it gets has 1 x 2"), std::string::npos)
      << shrunk;
}

}  // namespace
}  // namespace stampede::testing
