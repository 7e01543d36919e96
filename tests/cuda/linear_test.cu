/// \file A matrix of weights on the GPU against plain loops in double.
#include "cuda/linear.cuh"

#include <map>
#include <string>

#include "tests/cuda/testing.cuh"

namespace stampede::testing {
namespace {

class Linear : public GpuTest {
 protected:
  static constexpr Index kWeight = 32, kBias = 0;

  /// All three products for rows that lie further apart than they are wide, twice.
  void check(Index inputs, Index outputs, Index rows) {
    SCOPED_TRACE(std::to_string(inputs) + " inputs, " + std::to_string(outputs) + " outputs, " + std::to_string(rows) +
                 " rows");
    const Index from_stride = padded(inputs) + 16, to_stride = outputs + 48, size = kWeight + inputs * outputs;
    ASSERT_LE(outputs, kWeight) << "the gradient of the bias lies before the weights";
    CudaLinear linear(backend(), inputs, outputs, kWeight, true);
    DevicePlace place(backend());
    const std::vector<float> weight = random_floats(size, -1, 1, 1), x = random_floats(rows * from_stride, -1, 1, 2),
                             delta = random_floats(rows * to_stride, -0.5f, 1, 3);
    const DeviceBuffer<float> parameters = place.array(weight), from = place.array(x), back = place.array(delta);
    DeviceBuffer<float> to(rows * to_stride), of_inputs(rows * from_stride), gradient(size);
    const CudaBackend::Context context{&backend()};

    std::vector<double> y, inwards, slopes(static_cast<std::size_t>(inputs * outputs), 0.0),
        sums(static_cast<std::size_t>(outputs), 0.0);
    for (Index row = 0; row < rows; ++row) {
      for (Index o = 0; o < outputs; ++o) {
        double sum = 0;
        const double d = static_cast<double>(delta[row * to_stride + o]);
        for (Index i = 0; i < inputs; ++i) {
          const double xi = static_cast<double>(x[row * from_stride + i]);
          sum += xi * static_cast<double>(weight[kWeight + i * outputs + o]);
          slopes[i * outputs + o] += xi * d;
        }
        sums[o] += d;
        y.push_back(sum);
      }
      for (Index i = 0; i < inputs; ++i) {
        double sum = 0;
        for (Index o = 0; o < outputs; ++o) {
          sum +=
              static_cast<double>(delta[row * to_stride + o]) * static_cast<double>(weight[kWeight + i * outputs + o]);
        }
        inwards.push_back(sum);
      }
    }

    const auto columns = [&](const DeviceBuffer<float>& buffer, Index stride, Index count) {
      const std::vector<float> all = place.read(buffer, rows * stride);
      std::vector<float> wanted;
      for (Index row = 0; row < rows; ++row) {
        wanted.insert(wanted.end(), all.begin() + row * stride, all.begin() + row * stride + count);
      }
      return wanted;
    };
    std::vector<float> first;
    for (const bool again : {false, true}) {
      linear.forward(context, parameters.data(), rows, from.data(), from_stride, to.data(), to_stride);
      linear.backward(context, parameters.data(), rows, back.data(), to_stride, of_inputs.data(), from_stride);
      linear.add_gradient(context, rows, from.data(), from_stride, back.data(), to_stride, gradient.data(), kBias);
      const std::vector<float> got = columns(to, to_stride, outputs), below = columns(of_inputs, from_stride, inputs),
                               learnt = place.read(gradient, size);
      const std::vector<float> of_bias(learnt.begin(), learnt.begin() + outputs),
          of_weight(learnt.begin() + kWeight, learnt.end());
      EXPECT_LE(relative_error(got, y), 2e-6);
      EXPECT_LE(relative_error(below, inwards), 2e-6);
      EXPECT_LE(relative_error(of_weight, slopes), 1e-5);
      EXPECT_LE(relative_error(of_bias, sums), 1e-5);
      const std::vector<float> all = joined(joined(got, below), learnt);
      if (again) {
        EXPECT_TRUE(same_bits(all, first));
      }
      first = all;
    }
  }
};

TEST_F(Linear, ProductsAgreeWithDouble) {
  for (const Index rows : kSizes) {
    check(1, 16, rows);
    check(19, 32, rows);
  }
}

/// One of several algorithms by what it fills of the GPU, where the result is small and sums are long.
TEST(ProductChoice, PrefersWhatFillsTheGpuForWeightsGradients) {
  ProductShape shape{512, 256, 12288, false, true, 512, 256, 512, Epilogue::kNone};
  EXPECT_EQ(choose(shape, {{0.06f, 1}}), 0u);
  EXPECT_EQ(choose(shape, {{0.06f, 1}, {0.06f, 8}, {0.06f, 4}}), 1u) << "the one that fills most";
  EXPECT_EQ(choose(shape, {{0.06f, 4}, {0.06f, 4}, {0.24f, 1}}), 0u) << "the first of equals";
  EXPECT_EQ(choose(shape, {{0.06f, 1}, {0.12f, 16}, {0.12f, 32}}), 1u) << "more than full is no better";
  EXPECT_EQ(choose(shape, {{1.5f, 1}, {1.5f, 4}}), 0u) << "it is full as it is";
  shape.k = 2047;
  EXPECT_EQ(choose(shape, {{0.06f, 1}, {0.06f, 8}}), 0u) << "sums are not long";
  const ProductShape forward{512, 12288, 45, false, false, 512, 48, 512, Epilogue::kBias};
  EXPECT_EQ(choose(forward, {{0.9f, 1}, {0.9f, 4}}), 0u) << "the result is large";
}

/// What cuBLASLt chose is known, and where it splits the inner dimension the parts are added in a step of their own.
TEST_F(Linear, PartsOfSumsAreAddedInOrder) {
  constexpr Index kInputs = 23, kOutputs = 21, kRows = 4099;
  check(kInputs, kOutputs, kRows);
  int found = 0;
  for (const MatrixProduct& product : prepared_products()) {
    const std::map<std::string, std::int64_t> numbers(product.algorithm.begin(), product.algorithm.end());
    ASSERT_TRUE(numbers.count("algorithm") == 1 && numbers.count("split_k") == 1 && numbers.count("reduction") == 1);
    EXPECT_NE(numbers.at("reduction"), CUBLASLT_REDUCTION_SCHEME_INPLACE);
    if (numbers.at("split_k") > 1) {
      EXPECT_NE(numbers.at("reduction"), CUBLASLT_REDUCTION_SCHEME_NONE);
    }
    ASSERT_EQ(numbers.count("candidate"), 1u);
    found += product.m == kOutputs && product.n == kInputs && product.k == kRows && product.transpose_b ? 1 : 0;
#if defined(CUDA_EMULATOR)  // which offers 1, 4 and 16 parts, in this order, none of which fills the GPU
    const bool longer = product.transpose_b && product.k >= 4096;
    EXPECT_EQ(numbers.at("split_k"), longer ? 16 : 1);
    EXPECT_EQ(numbers.at("candidate"), longer ? 2 : 0);
#endif
  }
  EXPECT_EQ(found, 1) << "the weights' gradient, asked for twice";
}

/// Errors of one row, against double. A training that learns in BF16 rounds to TF32 what is not kept in BF16.
TEST_F(Linear, Tf32RoundsTheFactorsAndAddsInSinglePrecision) {
  constexpr Index kInputs = 64, kOutputs = 16;
  DevicePlace place(backend());
  const CudaBackend::Context context{&backend()};
  const auto error = [&](Precision precision, float grain) {
    CudaLinear linear(backend(), kInputs, kOutputs, 0, false);
    std::vector<float> weight = random_floats(kInputs * kOutputs, -1, 1, 4), x = random_floats(kInputs, -1, 1, 5);
    for (std::vector<float>* values : {&weight, &x}) {
      for (float& value : *values) value = grain > 0 ? std::round(value / grain) * grain : value;
    }
    std::vector<double> wanted(static_cast<std::size_t>(kOutputs), 0.0);
    for (Index i = 0; i < kInputs; ++i) {
      for (Index o = 0; o < kOutputs; ++o) {
        wanted[o] += static_cast<double>(x[i]) * static_cast<double>(weight[i * kOutputs + o]);
      }
    }
    const DeviceBuffer<float> parameters = place.array(weight), from = place.array(x);
    DeviceBuffer<float> to(kOutputs);
    backend().blas().use(precision);  // products are prepared on first use
    linear.forward(context, parameters.data(), 1, from.data(), kInputs, to.data(), kOutputs);
    backend().blas().use(Precision::kFloat32);
    return relative_error(place.read(to, kOutputs), wanted);
  };
  EXPECT_LE(error(Precision::kFloat32, 0), 1e-6);
  EXPECT_LE(error(Precision::kTf32, 0x1p-8f), 1e-6) << "factors that need no rounding";
  EXPECT_LE(error(Precision::kTf32, 0), 1e-3);
  EXPECT_GE(error(Precision::kTf32, 0), 1e-5) << "nothing was rounded";
  EXPECT_EQ(error(Precision::kBf16, 0), error(Precision::kTf32, 0));
}

}  // namespace
}  // namespace stampede::testing
