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
    // Of those who are not to stand a tenth draws a turn within the dead zone and half of the others walk straight on;
    // of them 2.6 % draw a speed within it. Within four deviations.
    EXPECT_NEAR(turn, 0.36 * draws, 172);
    EXPECT_NEAR(straight, 0.4285 * draws, 177);
    EXPECT_NEAR(stand, 0.2115 * draws, 146);
  });
}

/// What is drawn next is the same for a robot that is to stand as for one that turns, on one lane as on many.
TEST(Commands, AsManyDrawsForEveryRobot) {
  LeggedConstants c{};
  c.command_x = c.command_y = c.command_yaw = {-1.0f, 1.0f};
  c.dead_zone = 0.1f;
  c.standing_share = 0.5f;
  c.straight_share = 0.5f;
  for_each_width([&]<class Real>() {
    for (Index env = 0; env < 64; env += kLanes<Real>) {
      Random<Real> random(1, lane_indices<Real>(env), 7, Purpose::kCommand), same = random;
      draw_command(c, random);
      for (int draw = 0; draw < 5; ++draw) same.uniform();
      float next[kMaxLanes], sixth[kMaxLanes];
      store(next, random.uniform()), store(sixth, same.uniform());
      for (int lane = 0; lane < kLanes<Real>; ++lane)
        EXPECT_EQ(next[lane], sixth[lane]) << "environment " << env + lane;
    }
  });
}

/// A robot that is to head somewhere is told to turn there: towards it on the shorter way, not faster than the range.
TEST(Commands, HeadingsAreTurnedTo) {
  LeggedConstants c{};
  c.command_yaw = {-0.5f, 0.75f};
  c.heading_gain = 2;
  struct Case {
    float yaw, heading, rate;
  };
  const Case cases[] = {{0.1f, 0.1f, 0},
                        {0.1f, 0.3f, 2 * std::sin(0.2f)},
                        {0.3f, 0.1f, -2 * std::sin(0.2f)},
                        {0, 1.2f, 0.75f},
                        {0, -1.2f, -0.5f},
                        {0, 3.1f, 0.75f},
                        {0, -3.1f, -0.5f},
                        {3.1f, -3.1f, 2 * std::sin(0.08318531f)},
                        {-3.1f, 3.1f, -2 * std::sin(0.08318531f)}};
  for_each_width([&]<class Real>() {
    for (const Case& wanted : cases) {
      PhysicsState<Real, 3> s{};
      // Rolled and pitched a little, which its heading does not depend on.
      const Quat<Real> yaw{Real(std::cos(0.5f * wanted.yaw)), Real(0.0f), Real(0.0f),
                           Real(std::sin(0.5f * wanted.yaw))};
      const Quat<Real> pitch{Real(std::cos(0.1f)), Real(0.0f), Real(std::sin(0.1f)), Real(0.0f)};
      s.orientation = yaw * pitch;
      LeggedLane<Real, 3> carried{};
      carried.command = {Real(0.6f), Real(0.1f), Real(9.0f)};
      carried.heading = Real(wanted.heading);
      steer(c, s, carried);
      float x[kMaxLanes], rate[kMaxLanes];
      store(x, carried.command.x), store(rate, carried.command.z);
      for (int lane = 0; lane < kLanes<Real>; ++lane) {
        EXPECT_EQ(x[lane], 0.6f);
        EXPECT_NEAR(rate[lane], wanted.rate, 1e-5) << "from " << wanted.yaw << " to " << wanted.heading;
      }
      LeggedConstants turning = c;
      turning.heading_gain = 0;
      carried.command.z = Real(0.3f);
      steer(turning, s, carried);
      store(rate, carried.command.z);
      EXPECT_EQ(rate[0], 0.3f) << "a yaw rate is commanded";
    }
  });
}

}  // namespace
}  // namespace stampede::testing
