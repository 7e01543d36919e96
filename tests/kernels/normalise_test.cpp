/// \file Running moments against direct ones; normalised rows; values that PopArt's rescaling leaves as they were.

#include "kernels/normalise.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

/// Sums of a functor of Backend::sum, in double.
template <class Real, int K, class Functor>
Array<double, K> summed(Index n, int column, const Functor& functor) {
  Array<double, K> sums = {};
  for (Index i = 0; i < n; i += kLanes<Real>) {
    Array<Real, K> values;
    functor.template operator()<Real>(i, column, values);
    for (int k = 0; k < K; ++k) {
      for (int l = 0; l < kLanes<Real>; ++l) sums[k] += static_cast<double>(lane(values[k], l));
    }
  }
  return sums;
}

struct Direct {
  double sum = 0, squares = 0, count = 0;
  void take(double x) {
    sum += x;
    squares += x * x;
    count += 1;
  }
  double mean() const { return sum / count; }
  double variance() const { return squares / count - mean() * mean(); }
};

TEST(Normalise, MergedMomentsAreTheDirectOnes) {
  Moments merged{0, 0, 1};
  Direct direct;
  std::mt19937 generator(1);
  for (const int size : {1, 31, 32, 33, 4097, 4097}) {
    std::normal_distribution<double> normal(3.0 + size * 1e-4, 2.0);
    double sum = 0, squares = 0;
    for (int i = 0; i < size; ++i) {
      const double x = normal(generator), off = x - static_cast<double>(merged.mean);
      direct.take(x);
      sum += off;
      squares += off * off;
    }
    merged.merge(static_cast<float>(size), merged.mean, static_cast<float>(sum), static_cast<float>(squares));
    EXPECT_EQ(static_cast<double>(merged.count), direct.count);
    EXPECT_NEAR(static_cast<double>(merged.mean), direct.mean(), 2e-6 * 3);
    EXPECT_NEAR(static_cast<double>(merged.variance), direct.variance(), 1e-5 * 4);
  }
  const Moments before = merged;
  merged.merge(0.0f, 0.0f, 0.0f, 0.0f);
  EXPECT_EQ(merged.mean, before.mean);
  EXPECT_EQ(merged.variance, before.variance);
}

TEST(Normalise, MomentsStayFiniteForever) {
  Moments moments{9.9999e8f, 1.0f, 2.0f};
  for (int i = 0; i < 100; ++i) moments.merge(1e6f, moments.mean, 0.0f, 2e6f);
  EXPECT_EQ(moments.count, 1e9f);
  EXPECT_NEAR(moments.variance, 2.0f, 1e-5f);
  EXPECT_EQ(moments.mean, 1.0f);
}

TEST(Normalise, ObservationsOfTheRealEnvironmentsOnly) {
  constexpr Index kFeatures = 5, kHorizon = 4;
  for (const Index envs : {1, 31, 33, 129}) {
    const Index stride = padded(envs), rows = kHorizon * stride;
    for_each_width([&]<class Real>() {
      std::vector<float> mean = floats(kFeatures), variance = floats(kFeatures, 1.0f), counts = floats(kFeatures);
      auto inverse = floats(kFeatures), sums = floats(2 * padded(kFeatures));
      Direct direct[kFeatures];
      for (unsigned batch = 0; batch < 2; ++batch) {
        auto observation = random_floats(rows * kFeatures, -2, 6, 3 + batch);
        for (Index row = 0; row < rows; ++row) {
          for (Index f = 0; f < kFeatures; ++f) {
            float& x = observation[row * kFeatures + f];
            if (row % stride < envs)
              direct[f].take(static_cast<double>(x));
            else
              x = 1e6f;  // surplus: must not count
          }
        }
        const ObservationMoments functor{observation.data(), mean.data(), kFeatures, envs, stride};
        for (int f = 0; f < kFeatures; ++f) {
          const auto s = summed<Real, 2>(rows, f, functor);
          sums[2 * f] = static_cast<float>(s[0]);
          sums[2 * f + 1] = static_cast<float>(s[1]);
        }
        run<Real>(padded(kFeatures),
                  MergeObservationMoments{sums.data(), static_cast<float>(envs * kHorizon), counts.data(), mean.data(),
                                          variance.data(), inverse.data()});
      }
      for (int f = 0; f < kFeatures; ++f) {
        EXPECT_NEAR(static_cast<double>(mean[f]), direct[f].mean(), 1e-5);
        EXPECT_NEAR(static_cast<double>(variance[f]), direct[f].variance(), 1e-4);
        EXPECT_NEAR(static_cast<double>(inverse[f]), 1 / std::sqrt(direct[f].variance() + 1e-8), 1e-5);
      }
    });
  }
}

/// Numbers that are large and differ little: their squares fill a float before their differences show.
TEST(Normalise, LargeMeansLeaveTheVarianceItsDigits) {
  constexpr Index kEnvs = 129, kFeatures = 2, kHorizon = 8;
  const Index stride = padded(kEnvs), rows = kHorizon * stride;
  auto observation = random_floats(rows * kFeatures, -0.5f, 0.5f, 17);
  Direct direct;
  for (Index row = 0; row < rows; ++row) {
    float& x = observation[row * kFeatures + 1];
    x += 3000.0f;
    if (row % stride < kEnvs) direct.take(static_cast<double>(x) - 3000.0);
  }
  for_each_width([&]<class Real>() {
    auto mean = floats(kFeatures), variance = floats(kFeatures, 1.0f), counts = floats(kFeatures), inverse = counts;
    std::copy_n(observation.begin(), kFeatures, mean.begin());  // of none yet: one of the values
    auto sums = floats(2 * padded(kFeatures));
    const ObservationMoments functor{observation.data(), mean.data(), kFeatures, kEnvs, stride};
    for (int f = 0; f < kFeatures; ++f) {
      const auto s = summed<Real, 2>(rows, f, functor);
      for (int k = 0; k < 2; ++k) sums[2 * f + k] = static_cast<float>(s[k]);
    }
    run<Real>(padded(kFeatures), MergeObservationMoments{sums.data(), static_cast<float>(kEnvs * kHorizon),
                                                         counts.data(), mean.data(), variance.data(), inverse.data()});
    EXPECT_NEAR(static_cast<double>(mean[1]), 3000.0 + direct.mean(), 2e-4);
    EXPECT_NEAR(static_cast<double>(variance[1]) / direct.variance(), 1.0, 1e-5);
  });
}

TEST(Normalise, PickedRows) {
  for (const Index features : {1, 3, 16, 17, 48}) {
    const Index rows = 33, stride = padded(features);
    // Exactly as long as it is: the next row may be another thread's, or not there at all.
    auto observation = random_floats(rows * features, -30, 30, 9);
    observation.resize(static_cast<std::size_t>(rows * features));
    observation.shrink_to_fit();
    const auto mean = random_floats(stride, -1, 1, 10), inverse = random_floats(stride, 0.5f, 2, 11);
    std::vector<std::uint32_t> index;
    for (Index r = 0; r < rows; ++r) index.push_back(static_cast<std::uint32_t>((r * 7 + 3) % rows));
    for_each_width([&]<class Real>() {
      for (const bool picked : {false, true}) {
        auto target = floats(rows * stride, NAN);
        run<Real>(rows * stride, NormaliseRows{observation.data(), picked ? index.data() : nullptr, mean.data(),
                                               inverse.data(), target.data(), features, stride, kObservationClip});
        Worst worst;
        for (Index r = 0; r < rows; ++r) {
          for (Index f = 0; f < features; ++f) {
            const Index from = picked ? index[r] : r;
            const double x = static_cast<double>(observation[from * features + f]);
            const double y = (x - static_cast<double>(mean[f])) * static_cast<double>(inverse[f]);
            worst.take(static_cast<double>(target[r * stride + f]), std::clamp(y, -10.0, 10.0), 1.0);
          }
        }
        EXPECT_LE(worst.error, 3e-7);
      }
    });
  }
}

/// A mirrored row is the row with its numbers exchanged, before it is normalised.
TEST(Normalise, EverySecondRowIsSeenInTheMirror) {
  for (const Index features : {1, 7, 45}) {
    const Index rows = 33, stride = padded(features);
    const auto observation = random_floats(padded(rows * features), -30, 30, 9);
    const auto mean = random_floats(stride, -1, 1, 10), inverse = random_floats(stride, 0.5f, 2, 11);
    std::vector<std::uint32_t> place(static_cast<std::size_t>(stride), 0u);
    auto sign = floats(stride);
    for (Index f = 0; f < features; ++f) {
      place[static_cast<std::size_t>(f)] = static_cast<std::uint32_t>(features - 1 - f);
      sign[f] = f % 3 == 0 ? -1.0f : 1.0f;
    }
    Control control{};
    control.iteration = 1;
    for_each_width([&]<class Real>() {
      for (const std::uint32_t pass : {5u, 6u}) {  // of five to an iteration, the second iteration's first two
        auto target = floats(rows * stride, NAN);
        run<Real>(rows * stride, NormaliseRows{observation.data(),
                                               nullptr,
                                               mean.data(),
                                               inverse.data(),
                                               target.data(),
                                               features,
                                               stride,
                                               kObservationClip,
                                               {place.data(), sign.data(), {&control, pass - 5, 5}}});
        Worst worst;
        for (Index r = 0; r < rows; ++r) {
          const bool image = (r + pass) % 2 == 1;
          for (Index f = 0; f < features; ++f) {
            const float given =
                image ? sign[f] * observation[r * features + features - 1 - f] : observation[r * features + f];
            const double y =
                (static_cast<double>(given) - static_cast<double>(mean[f])) * static_cast<double>(inverse[f]);
            worst.take(static_cast<double>(target[r * stride + f]), std::clamp(y, -10.0, 10.0), 1.0);
          }
        }
        EXPECT_LE(worst.error, 3e-7);
      }
    });
  }
}

TEST(Normalise, EveryRowIsMirroredEquallyOften) {
  const std::uint32_t place = 0;
  const float sign = 1.0f;
  for (const std::uint32_t epochs : {1u, 2u, 5u}) {
    int images[16] = {};
    Control control{};
    for (control.iteration = 0; control.iteration < 4; ++control.iteration) {
      for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
        const MirrorView mirror{&place, &sign, {&control, epoch, epochs}};
        for (std::uint32_t row = 0; row < 16; ++row) images[row] += mirror.keeps(row) ? 0 : 1;
      }
    }
    for (const int count : images) EXPECT_EQ(count, static_cast<int>(2 * epochs));
  }
}

/// An environment is seen in the mirror in the same passes, whichever rank steps it.
TEST(Normalise, RanksMirrorWhatOneProcessWould) {
  const std::uint32_t place = 0;
  const float sign = 1.0f;
  const Control control{};
  for (const std::uint32_t first : {16u, 37u}) {
    for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
      const Pass pass{&control, epoch, 2};
      for (std::uint32_t row = 0; row < 16; ++row) {
        EXPECT_EQ((MirrorView{&place, &sign, pass, first}.keeps(row)),
                  (MirrorView{&place, &sign, pass}.keeps(row + first)));
      }
    }
  }
}

TEST(Normalise, PopArtLeavesValuesUnchanged) {
  constexpr Index kInputs = 33;
  auto weight = random_floats(kInputs, -1, 1, 12);
  const auto input = random_floats(kInputs, -1, 1, 13);
  float bias = 0.3f;
  Control control{};
  control.values = {0, 0, 1};
  const auto value = [&] {
    double sum = static_cast<double>(bias);
    for (Index i = 0; i < kInputs; ++i) sum += static_cast<double>(weight[i]) * static_cast<double>(input[i]);
    return static_cast<double>(control.values.mean) +
           sum / static_cast<double>(inverse_deviation(control.values.variance));
  };
  const double before = value();
  Direct direct;
  std::mt19937 generator(14);
  for (const double centre : {-100.0, 20.0, 25.0}) {
    std::normal_distribution<double> normal(centre, 30.0);
    float sums[2] = {};
    for (int i = 0; i < 1000; ++i) {
      const double x = normal(generator);
      direct.take(x);
      const auto off = static_cast<float>(x) - control.values.mean;
      sums[0] += off;
      sums[1] += off * off;
    }
    const float about = control.values.mean;
    MergeReturnMoments{&control, &about, sums, 1000.0f, weight.data(), &bias, kInputs}(0, 1);
    EXPECT_NEAR(static_cast<double>(control.values.mean), direct.mean(), 1e-2);
    EXPECT_NEAR(static_cast<double>(control.values.variance) / direct.variance(), 1, 1e-3);
    EXPECT_NEAR(value(), before, 1e-4);
  }
}

TEST(Normalise, MomentsOfReturnsAndAdvantages) {
  const Index envs = 33, stride = padded(envs), rows = 3 * stride;
  auto returns = random_floats(rows, -1, 3, 15), advantage = random_floats(rows, -1, 1, 16);
  const float centre[2] = {0.5f, -0.25f};
  double want[2][2] = {};
  for (Index i = 0; i < rows; ++i) {
    if (i % stride >= envs) {
      returns[i] = advantage[i] = NAN;
      continue;
    }
    const double x[2] = {static_cast<double>(returns[i]) - 0.5, static_cast<double>(advantage[i]) + 0.25};
    for (int c = 0; c < 2; ++c) {
      want[c][0] += x[c];
      want[c][1] += x[c] * x[c];
    }
  }
  for_each_width([&]<class Real>() {
    ReturnSums functor{returns.data(), advantage.data(), centre, envs, stride};
    for (int c = 0; c < 2; ++c) {
      const auto sums = summed<Real, 2>(rows, c, functor);
      for (int k = 0; k < 2; ++k) EXPECT_NEAR(sums[k], want[c][k], 1e-4);
      functor.centre = nullptr;
      EXPECT_NEAR((summed<Real, 1>(rows, c, functor)[0]),
                  want[c][0] + static_cast<double>(centre[c]) * static_cast<double>(3 * envs), 1e-4);
      functor.centre = centre;
    }
  });
}

}  // namespace
}  // namespace stampede::testing
