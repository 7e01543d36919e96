/// \file Round numbers for an axis, what they are called, and the moving average.
#include "host/app/plot/ticks.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace stampede {
namespace {

TEST(Ticks, AreRoundAndInside) {
  EXPECT_EQ(nice_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(nice_ticks(-1612, -95, 6), (std::vector<double>{-1500, -1000, -500}));
  for (const auto& [low, high] : {std::pair{0.0, 1e-3}, {-7.3, 12.1}, {99.0, 101.0}, {0.0, 3.2e9}, {-1e5, -1.0}}) {
    for (const int count : {3, 6, 12}) {
      SCOPED_TRACE(testing::Message() << low << " to " << high << ", " << count);
      const std::vector<double> ticks = nice_ticks(low, high, count);
      // A step up to 2.5 times too long, from 2 to 5, leaves at least two fifths of the intervals.
      ASSERT_GE(ticks.size(), 2u);
      ASSERT_GE(static_cast<double>(ticks.size()), 0.4 * count - 1);
      ASSERT_LE(ticks.size(), static_cast<std::size_t>(count) + 1);
      EXPECT_GE(ticks.front(), low - 1e-9 * std::abs(low));
      EXPECT_LE(ticks.back(), high + 1e-9 * std::abs(high));
      const double step = ticks[1] - ticks[0];
      const double digit = step / std::pow(10, std::floor(std::log10(step * (1 + 1e-9))));
      EXPECT_LE(std::min({std::abs(digit - 1), std::abs(digit - 2), std::abs(digit - 5)}), 1e-6) << step;
      EXPECT_LE(ticks.front() - low, step * (1 + 1e-9)) << "none is missing at the lower end";
      EXPECT_LE(high - ticks.back(), step * (1 + 1e-9)) << "nor at the upper";
      for (std::size_t i = 0; i < ticks.size(); ++i) {
        EXPECT_LE(std::abs(ticks[i] / step - std::round(ticks[i] / step)), 1e-6) << ticks[i];
        EXPECT_LE(std::abs(ticks[i] - ticks[0] - static_cast<double>(i) * step), 1e-6 * step) << ticks[i];
      }
    }
  }
}

TEST(Ticks, EndsThatAreRoundAreTicksInSpiteOfRounding) {
  // 0.3 is a little less than 3 times 0.1, and 0.7 / 0.1 a little less than 7.
  EXPECT_EQ(nice_ticks(0.1, 0.3, 2).size(), 3u);
  EXPECT_EQ(nice_ticks(0, 0.7, 7).size(), 8u);
  EXPECT_EQ(nice_ticks(-0.3, 0.3, 6).size(), 7u);
}

TEST(Ticks, ARangeOfNothingHasOne) {
  EXPECT_EQ(nice_ticks(3, 3, 5), std::vector<double>{3});
  EXPECT_EQ(nice_ticks(3, 2, 5), std::vector<double>{3});
  EXPECT_EQ(nice_ticks(3, std::numeric_limits<double>::infinity(), 5).size(), 1u);
  EXPECT_EQ(nice_ticks(3, std::numeric_limits<double>::quiet_NaN(), 5).size(), 1u);
}

TEST(Ticks, LabelsAreShort) {
  EXPECT_EQ(tick_label(0, 500000, 1.9e6), "0");
  EXPECT_EQ(tick_label(500000, 500000, 1.9e6), "0.5 M");
  EXPECT_EQ(tick_label(-2e6, 1e6, 3e6), "-2 M");
  EXPECT_EQ(tick_label(20000, 10000, 50000), "20 k");
  EXPECT_EQ(tick_label(1.5e9, 5e8, 2e9), "1.5 G");
  EXPECT_EQ(tick_label(-1500, 500, 1600), "-1500");
  EXPECT_EQ(tick_label(8000, 2000, 9999), "8000");
  EXPECT_EQ(tick_label(0.25, 0.25, 1), "0.2");
  EXPECT_EQ(tick_label(-0.2, 0.2, 1), "-0.2");
}

TEST(Ticks, LabelsHaveTheDigitsThatTellNeighboursApart) {
  EXPECT_EQ(tick_label(1, 0.5, 2), "1.0");
  EXPECT_EQ(tick_label(0.05, 0.05, 0.2), "0.05");
  EXPECT_EQ(tick_label(1000.001, 0.001, 1000.01), "1000.001");
  EXPECT_EQ(tick_label(12345, 5, 12350), "12.345 k");
  EXPECT_EQ(tick_label(-1e-13, 0.1, 1), "0") << "what rounding has left of nothing";
}

TEST(Smoothed, KeepsLinesAndConstants) {
  EXPECT_EQ(smoothed({1, 2, 3, 4, 5}, 2), (std::vector<double>{1, 2, 3, 4, 5}));
  EXPECT_EQ(smoothed({7, 7, 7}, 100), (std::vector<double>{7, 7, 7}));
  EXPECT_TRUE(smoothed({}, 3).empty());
}

TEST(Smoothed, IsTheMeanOfTheNeighbours) {
  EXPECT_EQ(smoothed({0, 3, 0}, 1), (std::vector<double>{0, 1, 0}));
  EXPECT_EQ(smoothed({0, 0, 0, 15, 0, 0, 0}, 2), (std::vector<double>{0, 0, 3, 3, 3, 0, 0}));
  EXPECT_EQ(smoothed({6, 0, 0, 0}, 1), (std::vector<double>{6, 2, 0, 0})) << "the first has none before it";
  EXPECT_EQ(smoothed({1, 5, 2}, 0), (std::vector<double>{1, 5, 2}));
}

}  // namespace
}  // namespace stampede
