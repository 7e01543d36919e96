/// \file Every operation of kernels/lanes.hpp against plain loops, for all widths.

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

TEST(Lanes, ArithmeticAndSelection) {
  for_each_width([]<class Real>() {
    for (const Index n : kSizes) {
      const auto a = random_floats(n, -10, 10, 1), b = random_floats(n, -10, 10, 2);
      auto out = floats(8 * padded(n));
      for (Index i = 0; i < n; i += kLanes<Real>) {
        const Real x = load<Real>(&a[i]), y = load<Real>(&b[i]);
        const Real results[8] = {
            x + y, x / y, select(x < y, x, Real(7.0f)), min(x, y), max(x, y), abs(x), sqrt(abs(x)), round_nearest(x)};
        for (int k = 0; k < 8; ++k) store(&out[k * padded(n) + i], results[k]);
      }
      for (Index i = 0; i < n; ++i) {
        const float x = a[i], y = b[i];
        const float want[8] = {x + y,          x / y,        x < y ? x : 7.0f,        std::min(x, y),
                               std::max(x, y), std::fabs(x), std::sqrt(std::fabs(x)), std::nearbyint(x)};
        for (int k = 0; k < 8; ++k)
          ASSERT_EQ(out[k * padded(n) + i], want[k]) << "operation " << k << ", element " << i;
      }
    }
  });
}

TEST(Lanes, MasksAnyAndAll) {
  for_each_width([]<class Real>() {
    for (int chosen = 0; chosen < kLanes<Real>; ++chosen) {
      std::vector<float> values(kMaxLanes, 0.0f);
      values[chosen] = 1.0f;
      const Real x = load<Real>(values.data());
      const auto one = x == Real(1.0f);
      EXPECT_TRUE(any(one)) << "lane " << chosen;
      EXPECT_FALSE(any(!one && one));
      EXPECT_TRUE(all(one || !one));
      EXPECT_EQ(all(one), kLanes<Real> == 1);
      EXPECT_FALSE(all(!one));
      for (int i = 0; i < kLanes<Real>; ++i) {
        EXPECT_EQ(lane(one, i), i == chosen);
        EXPECT_EQ(lane(x != Real(1.0f), i), i != chosen);
        EXPECT_EQ(lane(x >= Real(1.0f), i), i == chosen);
        EXPECT_EQ(lane(x > Real(0.0f), i), i == chosen);
        EXPECT_EQ(lane(x <= Real(0.5f), i), i != chosen);
      }
    }
    const Real nan = Real(NAN);
    EXPECT_FALSE(any(nan == nan));
    EXPECT_TRUE(all(nan != nan));
    EXPECT_FALSE(any(nan < Real(0.0f) || nan >= Real(0.0f)));
  });
}

TEST(Lanes, NanFollowsTheSecondComparison) {
  // min and max are comparisons and selections: with a NaN in front they return it, in every width.
  for_each_width([]<class Real>() {
    for (int i = 0; i < kLanes<Real>; ++i) {
      EXPECT_TRUE(std::isnan(lane(min(Real(NAN), Real(1.0f)), i)));
      EXPECT_TRUE(std::isnan(lane(max(Real(NAN), Real(1.0f)), i)));
      EXPECT_EQ(lane(min(Real(1.0f), Real(NAN)), i), 1.0f);
      EXPECT_EQ(lane(max(Real(1.0f), Real(NAN)), i), 1.0f);
    }
  });
}

TEST(Lanes, StridedAndGathered) {
  for_each_width([]<class Real>() {
    for (const Index n : kSizes) {
      for (const Index stride : {1, 3, 17}) {
        const auto from = random_floats(padded(n) * stride, -1, 1, 3);
        auto to = floats(padded(n) * stride, -5.0f), picked = floats(n);
        std::vector<std::uint32_t> index(static_cast<std::size_t>(padded(n)), 0u);
        for (Index i = 0; i < n; ++i) index[i] = static_cast<std::uint32_t>((n - 1 - i) * stride);
        for (Index i = 0; i < n; i += kLanes<Real>) {
          store_strided(&to[i * stride], stride, load_strided<Real>(&from[i * stride], stride));
          store(&picked[i], gather(from.data(), load_uint<Real>(&index[i])));
          const auto indices = lane_indices<Real>(i);
          for (int k = 0; k < kLanes<Real>; ++k) ASSERT_EQ(lane(indices, k), static_cast<std::uint32_t>(i + k));
        }
        for (Index i = 0; i < n; ++i) {
          ASSERT_EQ(to[i * stride], from[i * stride]);
          ASSERT_TRUE(stride == 1 || to[i * stride + 1] == -5.0f) << "what lies between was overwritten";
          ASSERT_EQ(picked[i], from[(n - 1 - i) * stride]);
        }
      }
    }
  });
}

TEST(Lanes, UnalignedLoads) {
  const auto from = random_floats(3 * kMaxLanes, -1, 1, 4);
  for_each_width([&]<class Real>() {
    for (int offset = 0; offset < kMaxLanes; ++offset) {
      std::vector<float> to(3 * kMaxLanes, 0.0f);
      store(&to[offset], load<Real>(&from[offset]));
      for (int i = 0; i < 3 * kMaxLanes; ++i) {
        ASSERT_EQ(to[i], i >= offset && i < offset + kLanes<Real> ? from[i] : 0.0f);
      }
    }
  });
}

TEST(Lanes, PartialLoads) {
  const auto from = random_floats(kMaxLanes, -1, 1, 4);
  for_each_width([&]<class Real>() {
    for (int count = 1; count <= kMaxLanes; ++count) {
      // On the heap and no longer than that, for AddressSanitizer to watch.
      const std::vector<float> exact(from.begin(), from.begin() + count);
      const Real x = load_first<Real>(exact.data(), count);
      for (int i = 0; i < kLanes<Real>; ++i) ASSERT_EQ(lane(x, i), i < count ? from[i] : 0.0f);
    }
  });
}

TEST(Lanes, PartialStores) {
  const auto from = random_floats(kMaxLanes, -1, 1, 4);
  for_each_width([&]<class Real>() {
    for (int count = 1; count <= kMaxLanes; ++count) {
      std::vector<float> exact(static_cast<std::size_t>(std::min(count, kLanes<Real>)));
      store_first(exact.data(), load<Real>(from.data()), count);
      for (std::size_t i = 0; i < exact.size(); ++i) ASSERT_EQ(exact[i], from[i]);
    }
  });
}

TEST(Lanes, MultiplyWide) {
  std::mt19937 random(5);
  std::vector<std::uint32_t> a = {0, 1, 0xffffffffu, 0xffffffffu, 0x80000000u}, b = {7, 0xffffffffu, 0xffffffffu, 2, 2};
  while (a.size() < 4096) {
    a.push_back(static_cast<std::uint32_t>(random()));
    b.push_back(static_cast<std::uint32_t>(random()));
  }
  for_each_width([&]<class Real>() {
    for (std::size_t i = 0; i < a.size(); i += kLanes<Real>) {
      UintOf<Real> high, low;
      multiply_wide(load_uint<Real>(&a[i]), load_uint<Real>(&b[i]), high, low);
      for (int k = 0; k < kLanes<Real>; ++k) {
        const std::uint64_t product = std::uint64_t{a[i + k]} * b[i + k];
        ASSERT_EQ(lane(high, k), product >> 32);
        ASSERT_EQ(lane(low, k), product & 0xffffffffu);
      }
    }
  });
}

TEST(Lanes, Conversions) {
  const auto values = random_floats(4096, -1e6f, 1e6f, 6);
  for_each_width([&]<class Real>() {
    for (std::size_t i = 0; i < values.size(); i += kLanes<Real>) {
      const Real x = load<Real>(&values[i]);
      const auto whole = to_int(x);
      const Real back = to_real<Real>(whole), same = real_of_bits(bits_of(x));
      for (int k = 0; k < kLanes<Real>; ++k) {
        const float v = values[i + k];
        ASSERT_EQ(lane(whole, k), static_cast<std::int32_t>(v));
        ASSERT_EQ(lane(back, k), std::trunc(v));
        ASSERT_EQ(word_of(lane(same, k)), word_of(v));
        ASSERT_EQ(lane(bits_of(x), k), bits_of(v));
      }
    }
    const UintOf<Real> big(0xfffffffeu);
    EXPECT_EQ(lane(as_signed(big), 0), -2);
    EXPECT_EQ(lane(as_signed(big >> 1), kLanes<Real> - 1), 0x7fffffff);
    EXPECT_EQ(lane(as_signed(big) >> 1, 0), -1);
  });
}

template <int K, class Real>
std::vector<float> group_sums(const std::vector<float>& values) {
  std::vector<float> sums(values.size());
  for (std::size_t i = 0; i < values.size(); i += kLanes<Real>) store(&sums[i], group_sum<K>(load<Real>(&values[i])));
  return sums;
}

/// The butterfly, written out.
std::vector<float> butterfly(std::vector<float> values, int group) {
  for (int step = 1; step < group; step *= 2) {
    std::vector<float> next(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) next[i] = values[i] + values[i ^ static_cast<std::size_t>(step)];
    values = next;
  }
  return values;
}

TEST(Lanes, GroupSumGivesTheSameBitsInEveryWidth) {
  const auto values = random_floats(4096, -1, 1, 7);
  const auto n = static_cast<Index>(values.size());
  for_each_width([&]<class Real>() {
    EXPECT_TRUE(same_bits(group_sums<1, Real>(values), values, n));
    if constexpr (kLanes<Real> >= 4) {
      EXPECT_TRUE(same_bits(group_sums<2, Real>(values), butterfly(values, 2), n));
      EXPECT_TRUE(same_bits(group_sums<4, Real>(values), butterfly(values, 4), n));
    }
    if constexpr (kLanes<Real> >= 8) {
      EXPECT_TRUE(same_bits(group_sums<8, Real>(values), butterfly(values, 8), n));
    }
    if constexpr (kLanes<Real> >= 16) {
      EXPECT_TRUE(same_bits(group_sums<16, Real>(values), butterfly(values, 16), n));
    }
  });
}

}  // namespace
}  // namespace stampede::testing
