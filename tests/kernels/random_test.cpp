/// \file Philox against Random123 and its published answers; distributions, independence of the width, permutations.

#include "kernels/random.hpp"

#include <Random123/philox.h>

#include <set>

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

TEST(Random, KnownAnswersOfPhilox) {
  // From Random123's kat_vectors: counter, key, answer.
  const std::uint32_t rows[3][10] = {{0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                     {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                     {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
                                      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
  for_each_width([&]<class Real>() {
    for (const auto& row : rows) {
      UintOf<Real> counter[4] = {row[0], row[1], row[2], row[3]};
      philox(counter, row[4], row[5]);
      for (int word = 0; word < 4; ++word) {
        for (int k = 0; k < kLanes<Real>; ++k) EXPECT_EQ(lane(counter[word], k), row[6 + word]);
      }
    }
  });
}

TEST(Random, StreamsAreThoseOfRandom123) {
  const std::uint64_t seed = 0x0123456789abcdefu;
  for_each_width([&]<class Real>() {
    const Index first = 12345;
    Random<Real> random(seed, lane_indices<Real>(first), 678, Purpose::kAction);
    for (std::uint32_t draw = 0; draw < 11; ++draw) {
      const auto bits = random.bits();
      for (int k = 0; k < kLanes<Real>; ++k) {
        const auto environment = static_cast<std::uint32_t>(first + k);
        const r123::Philox4x32::ctr_type counter = {
            {environment, 678u, (static_cast<std::uint32_t>(Purpose::kAction) << 16) + draw / 4, 0u}};
        const r123::Philox4x32::key_type key = {{0x89abcdefu, 0x01234567u}};
        ASSERT_EQ(lane(bits, k), r123::Philox4x32()(counter, key)[draw % 4]);
      }
    }
  });
}

/// What n environments draw: `draws` numbers each.
template <class Real, class Draw>
std::vector<float> drawn(Index n, int draws, Purpose purpose, const Draw& draw) {
  auto values = floats(padded(n) * draws);
  for (Index i = 0; i < n; i += kLanes<Real>) {
    Random<Real> random(99, lane_indices<Real>(i), 7, purpose);
    for (int d = 0; d < draws; ++d) store(&values[d * padded(n) + i], draw(random));
  }
  return values;
}
const auto kUniform = [](auto& random) { return random.uniform(); };
const auto kNormal = [](auto& random) { return random.normal(); };

TEST(Random, TheSameForEveryWidth) {
  for (const Index n : kSizes) {
    const auto uniform = drawn<float>(n, 5, Purpose::kReset, kUniform);
    const auto normal = drawn<float>(n, 5, Purpose::kReset, kNormal);
    for_each_width([&]<class Real>() {
      const auto u = drawn<Real>(n, 5, Purpose::kReset, kUniform), z = drawn<Real>(n, 5, Purpose::kReset, kNormal);
      for (Index d = 0; d < 5; ++d) {
        const auto part = [&](const std::vector<float>& all) {
          return std::vector<float>(all.begin() + d * padded(n), all.begin() + d * padded(n) + n);
        };
        EXPECT_TRUE(same_bits(part(u), part(uniform), n));
        expect_as_scalar(part(z), part(normal), n, 1e-6, 1.0);
      }
    });
  }
}

/// Means of the powers 1 to 4.
Array<double, 4> moments(const std::vector<float>& values, double centre) {
  Array<double, 4> m = {};
  for (const float value : values) {
    double power = 1;
    for (int k = 0; k < 4; ++k)
      m[k] += (power *= static_cast<double>(value) - centre) / static_cast<double>(values.size());
  }
  return m;
}

TEST(Random, RangesAndMoments) {
  const Index n = 1 << 18;  // five standard errors below
  const double error = 5 / std::sqrt(4.0 * n);
  const auto uniform = drawn<Widest>(n, 4, Purpose::kReset, kUniform);
  EXPECT_GE(*std::min_element(uniform.begin(), uniform.end()), 0.0f);
  EXPECT_LT(*std::max_element(uniform.begin(), uniform.end()), 1.0f);
  auto m = moments(uniform, 0.5);
  EXPECT_NEAR(m[0], 0.0, error * std::sqrt(1.0 / 12));
  EXPECT_NEAR(m[1], 1.0 / 12, error * std::sqrt(1.0 / 180));
  EXPECT_NEAR(m[3], 1.0 / 80, error * std::sqrt(1.0 / 2304 - 1.0 / 6400));
  const auto normal = drawn<Widest>(n, 4, Purpose::kReset, kNormal);
  m = moments(normal, 0.0);
  EXPECT_NEAR(m[0], 0, error);
  EXPECT_NEAR(m[1], 1, error * std::sqrt(2.0));
  EXPECT_NEAR(m[2], 0, error * std::sqrt(15.0));
  EXPECT_NEAR(m[3], 3, error * std::sqrt(96.0));
}

TEST(Random, DrawsAndPurposesAreIndependent) {
  const Index n = 1 << 16;
  const auto a = drawn<Widest>(n, 4, Purpose::kReset, kNormal), b = drawn<Widest>(n, 4, Purpose::kAction, kNormal);
  const auto product = [&](const std::vector<float>& x, Index shift_x, const std::vector<float>& y, Index shift_y) {
    double sum = 0;
    for (Index i = 0; i < n; ++i) sum += static_cast<double>(x[shift_x + i]) * static_cast<double>(y[shift_y + i]);
    return sum / std::sqrt(static_cast<double>(n));  // standard normal
  };
  EXPECT_LT(std::fabs(product(a, 0, a, n)), 5.0) << "two draws of an environment";
  EXPECT_LT(std::fabs(product(a, 0, a, 2 * n + 1)), 5.0) << "two environments";
  EXPECT_LT(std::fabs(product(a, 0, b, 0)), 5.0) << "two purposes";
  const auto both = [](auto& random) {
    auto x = random.uniform(), y = x;
    random.normal_pair(x, y);
    return x * y;
  };
  double sum = 0;
  for (const float value : drawn<Widest>(n, 1, Purpose::kReset, both)) sum += static_cast<double>(value);
  EXPECT_LT(std::fabs(sum / std::sqrt(static_cast<double>(n))), 5.0) << "the two of a pair";
}

template <class Real>
std::vector<std::uint32_t> permuted(std::uint32_t n, std::uint64_t seed, std::uint32_t counter,
                                    std::uint32_t rank = 0) {
  std::vector<std::uint32_t> places(static_cast<std::size_t>(padded(n)));
  for (Index i = 0; i < n; i += kLanes<Real>) {
    store(&places[i], permute<Real>(lane_indices<Real>(i), n, seed, counter, rank));
  }
  return places;
}

TEST(Random, PermutationsAreBijections) {
  for (const std::uint32_t n : {1u, 2u, 3u, 31u, 32u, 33u, 4097u, 100000u}) {
    const auto scalar = permuted<float>(n, 5, 6);
    std::vector<bool> seen(n, false);
    for (std::uint32_t i = 0; i < n; ++i) {
      ASSERT_LT(scalar[i], n);
      ASSERT_FALSE(seen[scalar[i]]) << "n = " << n << ": " << scalar[i] << " twice";
      seen[scalar[i]] = true;
    }
    for_each_width([&]<class Real>() {
      auto places = permuted<Real>(n, 5, 6);
      for (std::size_t i = n; i < places.size(); ++i) {
        ASSERT_TRUE(places[i] == 0) << "surplus indices map to 0";
      }
      places.resize(n);
      ASSERT_TRUE(std::equal(places.begin(), places.end(), scalar.begin()));
    });
  }
}

TEST(Random, PermutationsDifferAndMix) {
  const std::uint32_t n = 4097;
  const auto base = permuted<Widest>(n, 5, 6);
  const auto equal = [&](const std::vector<std::uint32_t>& other) {
    int same = 0;
    for (std::uint32_t i = 0; i < n; ++i) same += base[i] == other[i];
    return same;
  };
  // Two random permutations agree in one place on average.
  EXPECT_LT(equal(permuted<Widest>(n, 6, 6)), 10);
  EXPECT_LT(equal(permuted<Widest>(n, 5, 7)), 10);
  EXPECT_LT(equal(permuted<Widest>(n, 5, 6, 1)), 10) << "each rank shuffles by itself";
  EXPECT_LT(equal(permuted<Widest>(n, 5 + (std::uint64_t{1} << 40), 6)), 10);
  // Seeds whose halves are exchanged, or differ in the same bits of both.
  EXPECT_LT(equal(permuted<Widest>(n, std::uint64_t{5} << 32, 6)), 10);
  EXPECT_LT(equal(permuted<Widest>(n, std::uint64_t{5} ^ 0x0000100000001000u, 6)), 10);
  int close = 0;
  double correlation = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    if (i > 0) close += std::abs(static_cast<int>(base[i]) - static_cast<int>(base[i - 1])) <= 1;
    correlation += (i / (n - 1.0) - 0.5) * (base[i] / (n - 1.0) - 0.5) * 12 / n;
  }
  EXPECT_LT(close, 12) << "neighbours stay neighbours";
  EXPECT_LT(std::fabs(correlation), 5 / std::sqrt(n));
  std::set<std::vector<std::uint32_t>> orders;  // of three, all six turn up
  for (std::uint32_t counter = 0; counter < 200; ++counter) {
    auto order = permuted<float>(3, 1, counter);
    order.resize(3);
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 6u);
}

}  // namespace
}  // namespace stampede::testing
