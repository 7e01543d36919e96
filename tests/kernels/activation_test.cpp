/// \file Activations and their slopes against double precision, for all widths, also far out where they saturate.

#include "kernels/activation.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

double gate(double z) { return 1 / (1 + std::exp(-z)); }

struct Reference {
  Activation kind;
  double (*value)(double);
  double (*slope)(double);
};
const Reference kReferences[] = {
    {Activation::kElu, [](double z) { return z > 0 ? z : std::expm1(z); },
     [](double z) { return z > 0 ? 1.0 : std::exp(z); }},
    {Activation::kTanh, [](double z) { return std::tanh(z); },
     [](double z) { return 1 - std::tanh(z) * std::tanh(z); }},
    {Activation::kRelu, [](double z) { return z > 0 ? z : 0.0; }, [](double z) { return z > 0 ? 1.0 : 0.0; }},
    {Activation::kSilu, [](double z) { return z * gate(z); },
     [](double z) { return gate(z) * (1 + z * (1 - gate(z))); }}};

TEST(Activation, ValuesAndSlopes) {
  std::vector<float> z = random_floats(4096, -6, 6, 1);
  const float edges[] = {-0.0f, 0.0f, 1e-20f, -1e-20f, 90.0f, -90.0f, 1000.0f, -1000.0f, 1e30f, -1e30f};
  std::copy(std::begin(edges), std::end(edges), z.begin());
  const auto n = static_cast<Index>(z.size());
  for (const Reference& want : kReferences) {
    SCOPED_TRACE("activation " + std::to_string(static_cast<int>(want.kind)));
    std::vector<float> scalar;
    for_each_width([&]<class Real>() {
      std::vector<float> value(z.size()), slope(z.size());
      for (Index i = 0; i < n; i += kLanes<Real>) {
        const Real x = load<Real>(&z[i]);
        with_activation(want.kind, [&]<class Tag>(Tag) {
          const Real y = activate<Tag::value>(x);
          store(&value[i], y);
          if constexpr (Tag::value == Activation::kSilu) {
            store(&slope[i], silu_slope(x, sigmoid(x)));
          } else {
            store(&slope[i], activation_slope<Tag::value>(y));
          }
        });
      }
      Worst worst, worst_slope;
      for (Index i = 0; i < n; ++i) {
        worst.take(static_cast<double>(value[i]), want.value(static_cast<double>(z[i])), 1.0);
        worst_slope.take(static_cast<double>(slope[i]), want.slope(static_cast<double>(z[i])), 1.0);
      }
      EXPECT_LE(worst.error, 3e-7);
      EXPECT_LE(worst_slope.error, 1e-6);
      value.insert(value.end(), slope.begin(), slope.end());
      if (scalar.empty()) scalar = value;
      expect_as_scalar(value, scalar, 2 * n, 1e-6, 1.0);
    });
  }
}

TEST(Activation, PaddingStaysZero) {
  // Padded columns have sums of 0, and must give 0 to the next layer.
  for (const Reference& reference : kReferences) {
    with_activation(reference.kind, [&]<class Tag>(Tag) { EXPECT_EQ(activate<Tag::value>(0.0f), 0.0f); });
  }
}

}  // namespace
}  // namespace stampede::testing
