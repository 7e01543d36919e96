#include "host/app/plot/curve.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "host/app/plot/ticks.hpp"

namespace stampede {
namespace {

TEST(Ticks, AreRoundAndInside) {
  EXPECT_EQ(nice_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(nice_ticks(-1612, -95, 6), (std::vector<double>{-1500, -1000, -500}));
  for (const auto& [low, high] : {std::pair{0.0, 1e-3}, {-7.3, 12.1}, {99.0, 101.0}, {0.0, 3.2e9}, {-1e5, -1.0}}) {
    const std::vector<double> ticks = nice_ticks(low, high, 6);
    ASSERT_GE(ticks.size(), 3u) << low;
    ASSERT_LE(ticks.size(), 9u) << low;
    EXPECT_GE(ticks.front(), low - 1e-9 * std::abs(low));
    EXPECT_LE(ticks.back(), high + 1e-9 * std::abs(high));
  }
  EXPECT_EQ(nice_ticks(3, 3, 5).size(), 1u);
}

TEST(Ticks, LabelsAreShort) {
  EXPECT_EQ(tick_label(0, 500000, 1.9e6), "0");
  EXPECT_EQ(tick_label(500000, 500000, 1.9e6), "0.5 M");
  EXPECT_EQ(tick_label(20000, 10000, 50000), "20 k");
  EXPECT_EQ(tick_label(-1500, 500, 1600), "-1500");
  EXPECT_EQ(tick_label(0.25, 0.25, 1), "0.2");
  EXPECT_EQ(tick_label(-0.2, 0.2, 1), "-0.2");
}

TEST(Smoothed, KeepsLinesAndConstants) {
  EXPECT_EQ(smoothed({1, 2, 3, 4, 5}, 2), (std::vector<double>{1, 2, 3, 4, 5}));
  EXPECT_EQ(smoothed({0, 3, 0}, 1), (std::vector<double>{0, 1, 0}));
  EXPECT_TRUE(smoothed({}, 3).empty());
}

TEST(Curve, IsAPngWhateverThePoints) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  std::vector<CurvePoint> many;
  for (int i = 1; i <= 1000; ++i) many.push_back({1e4 * i, -1500 * std::exp(-i / 200.0) - 150});
  const std::string full = draw_curve(many, {"pendulum", "ppo, seed 1", -148.0});
  for (const std::string& png : {full, draw_curve({}, {"pendulum", "ppo", none}), draw_curve({{5, 5}}, {"a", "b", 5}),
                                 draw_curve({{5, 5}, {6, 5}}, {"a", "b", none})}) {
    ASSERT_GT(png.size(), 1000u);
    EXPECT_EQ(png.substr(1, 3), "PNG");
    EXPECT_EQ(png.substr(png.size() - 8, 4), "IEND");
  }
  EXPECT_NE(full, draw_curve(many, {"pendulum", "ppo, seed 1", -500.0}));
}

}  // namespace
}  // namespace stampede
