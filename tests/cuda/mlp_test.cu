/// \file Networks on the GPU against a plain loop in double.
#include "tests/cuda/testing.cuh"

namespace stampede::testing {
namespace {

double function(Activation kind, double z) {
  switch (kind) {
    case Activation::kElu:
      return z > 0 ? z : std::exp(z) - 1;
    case Activation::kTanh:
      return std::tanh(z);
    case Activation::kRelu:
      return z > 0 ? z : 0;
    case Activation::kSilu:
      return z / (1 + std::exp(-z));
  }
  return NAN;
}

double derivative(Activation kind, double z) {
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
  return NAN;
}

using Matrix = std::vector<double>;  // [row][column]

/// Outputs, and the gradients of the sum of outputs * weights (loss_gradient), in double.
struct Reference {
  Matrix outputs, input_gradient;
  std::vector<Matrix> weight, bias;

  Reference(const std::vector<DenseLayer>& layers, Activation kind, const std::vector<float>& input, std::size_t rows,
            const std::vector<float>& loss_gradient) {
    std::vector<Matrix> values = {Matrix(input.begin(), input.end())}, sums;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const auto inputs = static_cast<std::size_t>(layers[l].inputs),
                 outputs_of = static_cast<std::size_t>(layers[l].outputs);
      Matrix z(rows * outputs_of), y(rows * outputs_of);
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t o = 0; o < outputs_of; ++o) {
          double sum = static_cast<double>(layers[l].bias[o]);
          for (std::size_t i = 0; i < inputs; ++i) {
            sum += values.back()[r * inputs + i] * static_cast<double>(layers[l].weight[o * inputs + i]);
          }
          z[r * outputs_of + o] = sum;
          y[r * outputs_of + o] = l + 1 < layers.size() ? function(kind, sum) : sum;
        }
      }
      sums.push_back(z);
      values.push_back(y);
    }
    outputs = values.back();
    weight.resize(layers.size());
    bias.resize(layers.size());
    Matrix delta(loss_gradient.begin(), loss_gradient.end());
    for (std::size_t l = layers.size(); l-- > 0;) {
      const auto inputs = static_cast<std::size_t>(layers[l].inputs),
                 outputs_of = static_cast<std::size_t>(layers[l].outputs);
      weight[l].assign(inputs * outputs_of, 0.0);
      bias[l].assign(outputs_of, 0.0);
      Matrix below(rows * inputs, 0.0);
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t o = 0; o < outputs_of; ++o) {
          const double d = delta[r * outputs_of + o];
          bias[l][o] += d;
          for (std::size_t i = 0; i < inputs; ++i) {
            weight[l][o * inputs + i] += d * values[l][r * inputs + i];
            below[r * inputs + i] += d * static_cast<double>(layers[l].weight[o * inputs + i]);
          }
        }
      }
      if (l > 0) {
        for (std::size_t at = 0; at < below.size(); ++at) below[at] *= derivative(kind, sums[l - 1][at]);
      }
      delta = below;
    }
    input_gradient = delta;
  }
};

std::vector<DenseLayer> random_layers(const std::vector<int>& sizes) {
  std::vector<DenseLayer> layers;
  for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
    const float spread = 1.5f / std::sqrt(static_cast<float>(sizes[l]));
    layers.push_back({sizes[l], sizes[l + 1],
                      random_floats(Index{sizes[l]} * sizes[l + 1], -spread, spread, 20 + static_cast<unsigned>(l)),
                      random_floats(sizes[l + 1], -0.5f, 0.5f, 40 + static_cast<unsigned>(l))});
  }
  return layers;
}

class Mlp : public GpuTest {
 protected:
  static constexpr Index kOffset = 32;

  /// What may differ from double, relative to the norm, and by what cosine at least a gradient agrees.
  struct Tolerance {
    double output, gradient, cosine;
  };
  static constexpr Tolerance kFloats{2e-6, 1e-5, 1 - 1e-9};
  /// Each factor is rounded by up to 2^-9, some of them one after the other, and where an activation's slope follows
  /// from its output, that is rounded too.
  static constexpr Tolerance kBf16s{8e-3, 2e-2, 0.999};
  /// With ReLU a sum near 0 may turn a slope from 0 to 1.
  static constexpr Tolerance kBf16Relus{8e-3, 8e-2, 0.999};

  static double cosine(const std::vector<float>& got, const Matrix& want) {
    double product = 0, ours = 0, theirs = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      product += static_cast<double>(got[i]) * want[i];
      ours += static_cast<double>(got[i]) * static_cast<double>(got[i]);
      theirs += want[i] * want[i];
    }
    return product / std::sqrt(ours * theirs);
  }

  /// One network on one number of rows, forward and backward, twice.
  void check(const std::vector<int>& sizes, Activation kind, Index rows, bool bf16 = false) {
    const Tolerance& tolerance = !bf16 ? kFloats : kind == Activation::kRelu ? kBf16Relus : kBf16s;
    backend().blas().use(bf16 ? Precision::kBf16 : Precision::kFloat32);
    SCOPED_TRACE(std::to_string(sizes.front()) + " inputs, " + std::to_string(sizes.back()) + " outputs, activation " +
                 std::to_string(static_cast<int>(kind)) + ", " + std::to_string(rows) + " rows");
    const std::vector<DenseLayer> layers = random_layers(sizes);
    CudaMlp mlp(backend(), sizes, kind, kOffset, padded(rows));
    const Index size = mlp.parameters().end, stride = padded(sizes.front());
    std::vector<float> values = zeros(size);
    mlp.write(layers, values.data());
    DevicePlace place(backend());
    const DeviceBuffer<float> parameters = place.array(values);
    DeviceBuffer<float> gradient(size), input_gradient(rows * stride);

    const std::vector<float> dense = random_floats(rows * sizes.front(), -2, 2, 3);
    const std::vector<float> loss = random_floats(rows * sizes.back(), -0.5f, 1, 4);  // sums that do not cancel
    std::vector<float> input_rows(static_cast<std::size_t>(rows * stride), 777.0f);   // the padding must not matter
    std::vector<float> loss_rows = zeros(rows * mlp.output_stride());
    for (Index r = 0; r < rows; ++r) {
      for (Index i = 0; i < sizes.front(); ++i) {
        input_rows[static_cast<std::size_t>(r * stride + i)] = dense[static_cast<std::size_t>(r * sizes.front() + i)];
      }
      for (Index o = 0; o < sizes.back(); ++o) {
        loss_rows[static_cast<std::size_t>(r * mlp.output_stride() + o)] =
            loss[static_cast<std::size_t>(r * sizes.back() + o)];
      }
    }
    const DeviceBuffer<float> input = place.array(input_rows);
    const CudaBackend::Context context{&backend(), true};

    const auto pass = [&] {
      const float* y = mlp.forward(context, parameters.data(), input.data(), stride, rows);
      std::vector<float> all(static_cast<std::size_t>(rows * mlp.output_stride())), out;
      STAMPEDE_CUDA(cudaMemcpyAsync(mlp.output_gradient(context), loss_rows.data(), loss_rows.size() * sizeof(float),
                                    cudaMemcpyHostToDevice, backend().stream()));
      mlp.backward(context, parameters.data(), input.data(), stride, rows, gradient.data(), input_gradient.data());
      STAMPEDE_CUDA(
          cudaMemcpyAsync(all.data(), y, all.size() * sizeof(float), cudaMemcpyDeviceToHost, backend().stream()));
      backend().synchronise();
      for (Index r = 0; r < rows; ++r) {
        for (Index o = 0; o < sizes.back(); ++o)
          out.push_back(all[static_cast<std::size_t>(r * mlp.output_stride() + o)]);
      }
      return out;
    };
    const std::vector<float> outputs = pass();
    const std::vector<float> raw = place.read(gradient, size);
    const std::vector<DenseLayer> gradients = mlp.read(raw.data());
    const Reference want(layers, kind, dense, static_cast<std::size_t>(rows), loss);
    EXPECT_LE(relative_error(outputs, want.outputs), tolerance.output);
    if (bf16) {
      EXPECT_GE(relative_error(outputs, want.outputs), 1e-4) << "nothing was rounded";
    }
    const std::vector<float> below = place.read(input_gradient, rows * stride);
    std::vector<float> inwards;
    for (Index r = 0; r < rows; ++r) {
      inwards.insert(inwards.end(), below.begin() + r * stride, below.begin() + r * stride + sizes.front());
    }
    EXPECT_LE(relative_error(inwards, want.input_gradient), tolerance.gradient) << "the inputs'";
    double inside = 0, everywhere = 0;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      EXPECT_LE(relative_error(gradients[l].weight, want.weight[l]), tolerance.gradient) << "layer " << l;
      EXPECT_LE(relative_error(gradients[l].bias, want.bias[l]), tolerance.gradient) << "layer " << l;
      EXPECT_GE(cosine(gradients[l].weight, want.weight[l]), tolerance.cosine) << "layer " << l;
      for (const float g : gradients[l].weight) inside += static_cast<double>(g) * g;
      for (const float g : gradients[l].bias) inside += static_cast<double>(g) * g;
    }
    for (const float g : raw) everywhere += static_cast<double>(g) * g;
    EXPECT_NEAR(inside, everywhere, 1e-9 * inside) << "the gradient's padding is not zero";

    // Once more: the same bits, and nothing new allocated.
    const std::int64_t allocations = cuda::allocations;
    EXPECT_TRUE(same_bits(pass(), outputs));
    EXPECT_EQ(cuda::allocations, allocations);
    EXPECT_TRUE(same_bits(place.read(gradient, size), raw));
  }
};

constexpr Activation kKinds[] = {Activation::kElu, Activation::kTanh, Activation::kRelu, Activation::kSilu};

TEST_F(Mlp, ForwardAndBackwardAgreeWithDouble) {
  // With ReLU, no sum of these numbers lies closer than 3e-6 to 0, where rounding could turn a slope from 0 to 1.
  for (const Activation kind : kKinds) {
    for (const Index rows : {1, 31, 32, 33, 1025}) check({3, 64, 64, 1}, kind, rows);
    check({5, 33, 17, 2}, kind, 259);
    check({48, 120, 70, 12}, kind, 480);
    check({1, 7, 1}, kind, 4097);
  }
  check({4, 3}, Activation::kElu, 33);  // no hidden layer
}

TEST_F(Mlp, LargeBatchesAgreeWithDouble) { check({6, 128, 64, 2}, Activation::kElu, 6151); }

TEST_F(Mlp, LearnsInBf16) {
  for (const Activation kind : kKinds) {
    check({45, 96, 64, 12}, kind, 1025, true);
    check({5, 33, 17, 2}, kind, 259, true);  // strides that are padded
    check({58, 64, 1}, kind, 33, true);
  }
  check({4, 3}, Activation::kElu, 31, true);  // no hidden layer
}

/// Only a context that learns does so: what a rollout computes has the bits of TF32.
TEST_F(Mlp, RolloutsOfANetworkThatLearnsInBf16AreInTf32) {
  const std::vector<int> sizes = {45, 96, 64, 12};
  const std::vector<DenseLayer> layers = random_layers(sizes);
  constexpr Index kRows = 33;
  DevicePlace place(backend());
  const DeviceBuffer<float> input = place.array(random_floats(kRows * 48, -2, 2, 3));
  std::vector<std::vector<float>> found;
  for (const auto& [precision, learns] : {std::pair(Precision::kTf32, false),
                                          {Precision::kBf16, false},
                                          {Precision::kBf16, true},
                                          {Precision::kFloat32, false}}) {
    backend().blas().use(precision);
    CudaMlp mlp(backend(), sizes, Activation::kElu, kOffset, padded(kRows));
    std::vector<float> values = zeros(mlp.parameters().end);
    mlp.write(layers, values.data());
    const DeviceBuffer<float> parameters = place.array(values);
    const float* y = mlp.forward({&backend(), learns}, parameters.data(), input.data(), 48, kRows);
    std::vector<float> outputs(static_cast<std::size_t>(kRows * mlp.output_stride()));
    STAMPEDE_CUDA(
        cudaMemcpyAsync(outputs.data(), y, outputs.size() * sizeof(float), cudaMemcpyDeviceToHost, backend().stream()));
    backend().synchronise();
    found.push_back(outputs);
  }
  EXPECT_TRUE(same_bits(found[1], found[0]));
  EXPECT_GT(relative_error(found[2], found[0]), 5e-4);
  EXPECT_GT(relative_error(found[3], found[0]), 1e-5) << "nothing was rounded";
  EXPECT_LT(relative_error(found[3], found[0]), 5e-4);
}

TEST(Bf16, IsRoundedToTheNearestAndToTheEvenOne) {
  const auto rounded = [](float x) { return widened(narrowed<Bf16>(x)); };
  for (const float exact : {0.0f, 1.0f, -1.5f, 0x1.fep127f, 0x1p-133f, HUGE_VALF, -HUGE_VALF}) {
    EXPECT_EQ(rounded(exact), exact);
  }
  EXPECT_EQ(rounded(0x1.01p0f), 0x1.00p0f) << "half way, to the even one below";
  EXPECT_EQ(rounded(0x1.03p0f), 0x1.04p0f) << "half way, to the even one above";
  EXPECT_EQ(rounded(0x1.010002p0f), 0x1.02p0f);
  EXPECT_EQ(rounded(-0x1.02fffep0f), -0x1.02p0f);
  EXPECT_EQ(rounded(0x1.fffffep127f), HUGE_VALF);
  EXPECT_TRUE(std::signbit(rounded(-0.0f)));
  EXPECT_TRUE(std::isnan(rounded(NAN)));
  std::uint32_t bits = 0x7f800001u;  // a NaN whose upper half is an infinity's
  float nan;
  std::memcpy(&nan, &bits, sizeof nan);
  EXPECT_TRUE(std::isnan(rounded(nan)));
}

TEST_F(Mlp, RowsOfInputsMayLieFurtherApart) {
  const std::vector<int> sizes = {5, 33, 2};
  const Index rows = 33;
  CudaMlp mlp(backend(), sizes, Activation::kTanh, kOffset, padded(rows));
  std::vector<float> values = zeros(mlp.parameters().end);
  mlp.write(random_layers(sizes), values.data());
  DevicePlace place(backend());
  const DeviceBuffer<float> parameters = place.array(values);
  std::vector<float> loss = zeros(rows * mlp.output_stride());
  for (Index r = 0; r < rows; ++r) loss[static_cast<std::size_t>(r * mlp.output_stride())] = 0.5f;
  const CudaBackend::Context context{&backend(), true};
  std::vector<std::vector<float>> outputs, gradients;
  for (const Index stride : {16, 32}) {
    std::vector<float> input(static_cast<std::size_t>(rows * stride), 777.0f);
    for (Index at = 0; at < rows * 5; ++at) {
      input[static_cast<std::size_t>(at / 5 * stride + at % 5)] = std::sin(static_cast<float>(at));
    }
    const DeviceBuffer<float> from = place.array(input);
    DeviceBuffer<float> gradient(mlp.parameters().end), out(rows * mlp.output_stride());
    const float* y = mlp.forward(context, parameters.data(), from.data(), stride, rows);
    STAMPEDE_CUDA(
        cudaMemcpyAsync(out.data(), y, loss.size() * sizeof(float), cudaMemcpyDeviceToDevice, backend().stream()));
    STAMPEDE_CUDA(cudaMemcpyAsync(mlp.output_gradient(context), loss.data(), loss.size() * sizeof(float),
                                  cudaMemcpyHostToDevice, backend().stream()));
    mlp.backward(context, parameters.data(), from.data(), stride, rows, gradient.data());
    outputs.push_back(place.read(out, rows * mlp.output_stride()));
    gradients.push_back(place.read(gradient, mlp.parameters().end));
  }
  EXPECT_LE(relative_error(outputs[1], outputs[0]), 2e-6);
  EXPECT_LE(relative_error(gradients[1], gradients[0]), 1e-5);
}

TEST_F(Mlp, KeepsDenseLayersAsTheyWere) {
  const std::vector<int> sizes = {5, 33, 17, 1};
  const CudaMlp mlp(backend(), sizes, Activation::kTanh, kOffset, 16);
  const std::vector<DenseLayer> layers = random_layers(sizes);
  std::vector<float> values(static_cast<std::size_t>(mlp.parameters().end), 0.0f);
  mlp.write(layers, values.data());
  const std::vector<DenseLayer> back = mlp.read(values.data());
  for (std::size_t l = 0; l < layers.size(); ++l) {
    EXPECT_EQ(back[l].weight, layers[l].weight);
    EXPECT_EQ(back[l].bias, layers[l].bias);
  }
  // The kernel that rescales the critic's head counts on these being adjacent.
  for (std::size_t i = 0; i < 17; ++i) {
    EXPECT_EQ(values[static_cast<std::size_t>(mlp.head_weight()) + i], layers.back().weight[i]);
  }
  EXPECT_EQ(values[static_cast<std::size_t>(mlp.head_bias())], layers.back().bias[0]);
  for (Index i = 0; i < kOffset; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], 0.0f);
  EXPECT_EQ(mlp.parameters().end % kMaxLanes, 0);
  EXPECT_THROW(mlp.write(random_layers({5, 33, 16, 1}), values.data()), Error);
  EXPECT_THROW(mlp.write(random_layers({5, 33, 1}), values.data()), Error);
  EXPECT_EQ(mlp.forward_flops(), 2.0 * (5 * 33 + 33 * 17 + 17));
  EXPECT_EQ(mlp.training_flops(), 3 * 2.0 * (5 * 33 + 33 * 17 + 17) - 2.0 * 5 * 33);
}

}  // namespace
}  // namespace stampede::testing
