#include "host/app/plot/curve.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace stampede {
namespace {

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
