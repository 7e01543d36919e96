/// \file Commands are drawn as the task's file says.

#include "envs/legged/kernels.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

TEST(Commands, SharesStandAndWalkStraight) {
  LeggedConstants c{};
  c.command_x = {-0.5f, 1.0f};
  c.command_y = {-0.4f, 0.4f};
  c.command_yaw = {-1.0f, 1.0f};
  c.dead_zone = 0.1f;
  c.standing_share = 0.2f;
  c.straight_share = 0.5f;
  for_each_width([&]<class Real>() {
    int stand = 0, straight = 0, turn = 0;
    const int draws = 8000;
    for (Index env = 0; env < draws; env += kLanes<Real>) {
      Random<Real> random(1, lane_indices<Real>(env), 7, Purpose::kCommand);
      const Vec3<Real> command = draw_command(c, random);
      float x[kMaxLanes], y[kMaxLanes], yaw[kMaxLanes];
      store(x, command.x), store(y, command.y), store(yaw, command.z);
      for (int lane = 0; lane < kLanes<Real>; ++lane) {
        ASSERT_TRUE(x[lane] >= -0.5f && x[lane] <= 1.0f && std::fabs(y[lane]) <= 0.4f && std::fabs(yaw[lane]) <= 1.0f);
        const bool walks = x[lane] != 0 || y[lane] != 0, turns = yaw[lane] != 0;
        EXPECT_TRUE(!walks || std::hypot(x[lane], y[lane]) >= 0.1f);
        EXPECT_TRUE(!turns || std::fabs(yaw[lane]) >= 0.1f);
        stand += !walks && !turns;
        straight += walks && !turns;
        turn += turns;
      }
    }
    // Of those who are not to stand a tenth draws a turn within the dead zone and half of the others walk straight on:
    // 0.8 (0.1 + 0.9 / 2) = 0.44, less the 2.6 % who draw a speed within it; four deviations are 180.
    EXPECT_NEAR(turn, 0.36 * draws, 180);
    EXPECT_NEAR(straight, 0.44 * draws, 260);
    EXPECT_NEAR(stand, 0.20 * draws, 260);

    LeggedConstants none = c;
    none.straight_share = 0;
    Random<Real> random(1, lane_indices<Real>(0), 7, Purpose::kCommand),
        same(1, lane_indices<Real>(0), 7, Purpose::kCommand);
    float walked[kMaxLanes], before[kMaxLanes];
    store(walked, draw_command(none, random).x), store(before, draw_command(c, same).x);
    for (int lane = 0; lane < kLanes<Real>; ++lane) EXPECT_EQ(walked[lane], before[lane]);
  });
}

}  // namespace
}  // namespace stampede::testing
