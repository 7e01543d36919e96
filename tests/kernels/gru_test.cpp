/// \file The steps of gated recurrent units: packs of every width give what one lane gives. (What they compute is
/// compared with plain loops in tests/host/nets/gru_test.cpp.)

#include "kernels/gru.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

constexpr int kUnits = 21;
constexpr Index kWidth = padded(kUnits), kStride = odd_lines(kWidth), kGates = odd_lines(3 * kWidth);
constexpr Index kSequences = 5, kSteps = 3, kRows = kSequences * kSteps;

/// Everything that two steps forward and two back write.
template <class Real>
std::vector<float> written() {
  std::vector<float> gates = random_floats(kRows * kGates, -2, 2, 1),
                     of_state = random_floats(kRows * kGates, -2, 2, 2);
  std::vector<float> before = floats(kRows * kStride), output = before, next = floats(kSequences * kWidth);
  std::vector<float> delta = random_floats(kRows * kStride, -1, 1, 3), goes_on = floats(kRows, 1.0f);
  const std::vector<float> state = random_floats(kSequences * kWidth, -1, 1, 4);
  const std::vector<float> input_bias = random_floats(3 * kWidth, -1, 1, 5),
                           state_bias = random_floats(3 * kWidth, -1, 1, 6);
  const std::vector<float> through_sums = random_floats(kSequences * kStride, -1, 1, 7);
  goes_on[4] = 0.0f;
  GruPlace at{kWidth, kGates, kStride, kSteps, 0, kUnits, goes_on.data()};
  run<Real>(kSequences * kWidth, GruBegin{at, state.data(), kWidth, before.data()});
  for (at.step = 0; at.step < kSteps; ++at.step) {
    run<Real>(kSequences * kWidth, GruStep{at, input_bias.data(), state_bias.data(), gates.data(), of_state.data(),
                                           before.data(), output.data(), next.data(), kWidth});
  }
  std::vector<float> all;
  const auto keep = [&](const std::vector<float>& values) { all.insert(all.end(), values.begin(), values.end()); };
  for (const auto* values : {&gates, &of_state, &before, &output, &next}) keep(*values);
  for (at.step = kSteps; at.step-- > 0;) {
    run<Real>(kSequences * kWidth,
              GruBack{at, gates.data(), of_state.data(), before.data(), delta.data(), through_sums.data()});
  }
  for (const auto* values : {&gates, &of_state, &delta}) keep(*values);
  return all;
}

TEST(GruKernels, EveryWidthGivesTheSame) {
  const std::vector<float> one = written<float>();
  for_each_width([&]<class Real>() {
    const std::vector<float> got = written<Real>();
    if (kParity) {
      EXPECT_TRUE(same_bits(got, one, static_cast<Index>(one.size())));
    }
    Worst worst;
    for (std::size_t i = 0; i < one.size(); ++i) {
      worst.take(static_cast<double>(got[i]), static_cast<double>(one[i]), 1);
    }
    EXPECT_TRUE(worst.error <= 2e-6) << worst.error;
  });
}

}  // namespace
}  // namespace stampede::testing
