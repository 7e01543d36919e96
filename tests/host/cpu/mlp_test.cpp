/// \file The multilayer perceptron: outputs and gradients against plain loops in double precision.

#include "host/cpu/mlp.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

double activated(Activation kind, double z) {
  switch (kind) {
    case Activation::kElu:
      return z > 0 ? z : std::expm1(z);
    case Activation::kTanh:
      return std::tanh(z);
    case Activation::kRelu:
      return std::max(z, 0.0);
    case Activation::kSilu:
      return z / (1 + std::exp(-z));
  }
  return 0;
}
double slope(Activation kind, double z) {
  const double gate = 1 / (1 + std::exp(-z));
  switch (kind) {
    case Activation::kElu:
      return z > 0 ? 1 : std::exp(z);
    case Activation::kTanh:
      return 1 - std::tanh(z) * std::tanh(z);
    case Activation::kRelu:
      return z > 0 ? 1 : 0;
    case Activation::kSilu:
      return gate * (1 + z * (1 - gate));
  }
  return 0;
}

/// Layers in double, with the gradient of sum over rows and outputs of output * delta.
struct Oracle {
  const std::vector<DenseLayer>& layers;
  Activation kind;
  std::vector<double> output;                               // [rows][outputs]
  std::vector<double> input_gradient;                       // [rows][inputs]
  std::vector<std::vector<double>> weight, bias;            // gradients
  std::vector<std::vector<double>> weight_size, bias_size;  // sums of the terms' sizes

  Oracle(const std::vector<DenseLayer>& layers_, Activation kind_) : layers(layers_), kind(kind_) {
    for (const DenseLayer& layer : layers) {
      weight.emplace_back(layer.weight.size(), 0.0);
      bias.emplace_back(layer.bias.size(), 0.0);
    }
    weight_size = weight;
    bias_size = bias;
  }

  void row(const float* x, const float* delta) {
    std::vector<std::vector<double>> inputs = {std::vector<double>(x, x + layers[0].inputs)}, sums;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const DenseLayer& layer = layers[l];
      std::vector<double> z(layer.bias.begin(), layer.bias.end()), y;
      for (int o = 0; o < layer.outputs; ++o) {
        for (int i = 0; i < layer.inputs; ++i) {
          z[o] += static_cast<double>(layer.weight[o * layer.inputs + i]) * inputs[l][i];
        }
        y.push_back(l + 1 < layers.size() ? activated(kind, z[o]) : z[o]);
      }
      sums.push_back(z);
      inputs.push_back(y);
    }
    output.insert(output.end(), inputs.back().begin(), inputs.back().end());
    std::vector<double> d(delta, delta + layers.back().outputs);
    for (std::size_t l = layers.size(); l-- > 0;) {
      const DenseLayer& layer = layers[l];
      std::vector<double> below(layer.inputs, 0.0);
      for (int o = 0; o < layer.outputs; ++o) {
        if (l + 1 < layers.size()) d[o] *= slope(kind, sums[l][o]);
        bias[l][o] += d[o];
        bias_size[l][o] += std::fabs(d[o]);
        for (int i = 0; i < layer.inputs; ++i) {
          weight[l][o * layer.inputs + i] += d[o] * inputs[l][i];
          weight_size[l][o * layer.inputs + i] += std::fabs(d[o] * inputs[l][i]);
          below[i] += d[o] * static_cast<double>(layer.weight[o * layer.inputs + i]);
        }
      }
      d = below;
    }
    input_gradient.insert(input_gradient.end(), d.begin(), d.end());
  }
};

std::vector<DenseLayer> random_layers(const std::vector<int>& sizes) {
  std::vector<DenseLayer> layers;
  for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
    DenseLayer layer{sizes[l], sizes[l + 1], {}, {}};
    const float bound = std::sqrt(3.0f / static_cast<float>(sizes[l]));
    layer.weight = random_floats(layer.inputs * layer.outputs, -bound, bound, static_cast<unsigned>(l));
    layer.weight.resize(static_cast<std::size_t>(layer.inputs * layer.outputs));
    layer.bias = random_floats(layer.outputs, -0.3f, 0.3f, static_cast<unsigned>(100 + l));
    layer.bias.resize(static_cast<std::size_t>(layer.outputs));
    layers.push_back(layer);
  }
  return layers;
}

void check(const std::vector<int>& sizes, Activation kind, Index rows) {
  SCOPED_TRACE("sizes " + ::testing::PrintToString(sizes) + ", activation " + std::to_string(static_cast<int>(kind)) +
               ", rows " + std::to_string(rows));
  const Index offset = 32;
  const int thread = 1;
  CpuMlp mlp(sizes, kind, offset, 2, true);
  const auto layers = random_layers(sizes);
  // What is not a parameter must neither be read nor, in the gradient, be touched.
  std::vector<float> parameters = floats(mlp.parameters().end + 16, NAN);
  std::fill(parameters.begin() + offset, parameters.begin() + mlp.parameters().end, 0.0f);
  mlp.write(layers, parameters.data());
  for (int piece = 0; piece < mlp.pack_pieces(); ++piece) mlp.pack_piece(parameters.data(), piece);

  const Index inputs = sizes.front(), outputs = sizes.back(), stride = padded(inputs);
  // Rows beyond the last and columns beyond the features hold rubbish, as the trainer's do.
  auto input = random_floats((kTrainingTile + 1) * stride, -1.5f, 1.5f, 7);
  const auto delta = random_floats(rows * outputs, -1, 1, 8);
  Oracle want(layers, kind);
  for (Index r = 0; r < rows; ++r) want.row(&input[r * stride], &delta[r * outputs]);

  const float* output = mlp.forward(thread, parameters.data(), input.data(), stride, rows);
  Worst forward;
  for (Index r = 0; r < rows; ++r) {
    for (Index o = 0; o < outputs; ++o) {
      forward.take(static_cast<double>(output[r * mlp.output_stride() + o]), want.output[r * outputs + o], 1.0);
    }
  }
  EXPECT_LE(forward.error, 3e-6);

  float* deltas = mlp.output_gradient(thread);
  for (Index r = 0; r < rows; ++r) {
    for (Index o = 0; o < outputs; ++o) deltas[r * mlp.output_stride() + o] = delta[r * outputs + o];
  }
  std::vector<float> gradient = floats(mlp.parameters().end + 16, 7.0f), below = floats(rows * stride + 16, 7.0f);
  for (int pass = 0; pass < 2; ++pass) {  // set, then add
    if (pass == 1) {
      mlp.forward(thread, parameters.data(), input.data(), stride, rows);
      for (Index r = 0; r < rows; ++r) {
        for (Index o = 0; o < outputs; ++o) deltas[r * mlp.output_stride() + o] = delta[r * outputs + o];
      }
    }
    mlp.backward(thread, input.data(), stride, rows, gradient.data(), pass == 1, pass == 1 ? below.data() : nullptr);
    const auto got = mlp.read(gradient.data());
    Worst backward;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      for (std::size_t i = 0; i < got[l].weight.size(); ++i) {
        backward.take(static_cast<double>(got[l].weight[i]) / (pass + 1), want.weight[l][i],
                      want.weight_size[l][i] + 0.1);
      }
      for (std::size_t o = 0; o < got[l].bias.size(); ++o) {
        backward.take(static_cast<double>(got[l].bias[o]) / (pass + 1), want.bias[l][o], want.bias_size[l][o] + 0.1);
      }
    }
    EXPECT_LE(backward.error, 3e-6);
  }
  Worst inwards;
  for (Index r = 0; r < rows; ++r) {
    for (Index i = 0; i < inputs; ++i) {
      inwards.take(static_cast<double>(below[r * stride + i]), want.input_gradient[r * inputs + i], 1.0);
    }
    for (Index i = inputs; i < stride; ++i) ASSERT_EQ(below[r * stride + i], 0.0f) << "padding of the inputs' gradient";
  }
  EXPECT_LE(inwards.error, 3e-6);
  for (Index i = rows * stride; i < rows * stride + 16; ++i) ASSERT_EQ(below[i], 7.0f) << "behind the last row";
  for (Index i = 0; i < mlp.parameters().begin; ++i) ASSERT_EQ(gradient[i], 7.0f);
  for (std::size_t i = mlp.parameters().end; i < gradient.size(); ++i) ASSERT_EQ(gradient[i], 7.0f);
  // Adam runs over the padding as well: it has to stay zero.
  std::vector<float> back = floats(mlp.parameters().end + 16, 0.0f);
  mlp.write(mlp.read(gradient.data()), back.data());
  for (Index i = mlp.parameters().begin; i < mlp.parameters().end; ++i)
    ASSERT_EQ(back[i], gradient[i]) << "padding " << i;
}

constexpr Activation kAll[] = {Activation::kElu, Activation::kTanh, Activation::kRelu, Activation::kSilu};

TEST(CpuMlp, AllActivations) {
  for (const Activation kind : kAll) check({5, 33, 20, 2}, kind, 33);
}

TEST(CpuMlp, OddSizesAndRows) {
  const std::vector<std::vector<int>> sizes = {{3, 17, 5, 1}, {48, 128, 64, 32, 12}, {7, 1},          {16, 3},
                                               {1, 1, 1},     {2, 100, 18},          {33, 65, 47, 16}};
  for (const auto& s : sizes) {
    for (const Index rows : {1, 31, 33, 96, 192}) check(s, Activation::kElu, rows);
  }
}

TEST(CpuMlp, LayersWiderThanWhatFitsTheCacheAtOnce) {
  // The products run along the inner dimension in parts, and along the samples.
  for (const Activation kind : kAll) check({300, 530, 270, 5}, kind, 100);
}

TEST(CpuMlp, TilesFollowFromTheSizesAlone) {
  EXPECT_EQ(training_tile(35000, 1 << 20), 96);  // fits the cache
  EXPECT_EQ(training_tile(380000, 16384), kTrainingTile);
  EXPECT_EQ(training_tile(380000, 1000), 96);  // too few for many threads
}

TEST(CpuMlp, RowsDoNotMatterToEachOther) {
  // A row gives the same bits wherever it lies: results must not depend on how samples are shared out to threads.
  const std::vector<int> sizes = {6, 64, 33, 1};
  CpuMlp mlp(sizes, Activation::kElu, 0, 1);
  std::vector<float> parameters = floats(mlp.parameters().end);
  mlp.write(random_layers(sizes), parameters.data());
  for (int piece = 0; piece < mlp.pack_pieces(); ++piece) mlp.pack_piece(parameters.data(), piece);
  const auto input = random_floats(kTrainingTile * 16, -1, 1, 9);
  const Index stride = mlp.output_stride();
  std::vector<float> whole(kTrainingTile);
  const float* output = mlp.forward(0, parameters.data(), input.data(), 16, kTrainingTile);
  for (Index r = 0; r < kTrainingTile; ++r) whole[r] = output[r * stride];
  for (const Index tile : {1, 5, 16, 31, 64}) {
    for (Index begin = 0; begin < kTrainingTile; begin += tile) {
      const Index rows = std::min(tile, kTrainingTile - begin);
      output = mlp.forward(0, parameters.data(), &input[begin * 16], 16, rows);
      for (Index r = 0; r < rows; ++r) ASSERT_EQ(word_of(output[r * stride]), word_of(whole[begin + r]));
    }
  }
}

TEST(CpuMlp, RefusesWeightsOfOtherShapes) {
  CpuMlp mlp({3, 8, 2}, Activation::kTanh, 0, 1);
  std::vector<float> parameters = floats(mlp.parameters().end);
  EXPECT_THROW(mlp.write(random_layers({3, 8, 8, 2}), parameters.data()), Error);
  EXPECT_THROW(mlp.write(random_layers({3, 9, 2}), parameters.data()), Error);
  EXPECT_THROW(mlp.write(random_layers({4, 8, 2}), parameters.data()), Error);
  EXPECT_NO_THROW(mlp.write(random_layers({3, 8, 2}), parameters.data()));
}

TEST(CpuMlp, CountsOperations) {
  const CpuMlp mlp({10, 20, 5}, Activation::kElu, 0, 1);
  EXPECT_EQ(mlp.forward_flops(), 2.0 * (10 * 20 + 20 * 5));
  EXPECT_EQ(mlp.training_flops(), 6.0 * (10 * 20 + 20 * 5) - 2.0 * 10 * 20);
}

}  // namespace
}  // namespace stampede::testing
