/// \file The pendulum: its formulas written out. tests/python compares with Gymnasium.

#include "envs/pendulum/pendulum.hpp"

#include "tests/envs/testing.hpp"

namespace stampede::testing {
namespace {

const Bounds<Pendulum> kLow = {-3.14159f, -8}, kHigh = {3.14159f, 8};

TEST(Pendulum, OneStepLikeDouble) { expect_one_step_like_double<Pendulum>(kLow, kHigh, 2e-6); }
TEST(Pendulum, NeighboursDoNotMatter) { expect_neighbours_do_not_matter<Pendulum>(kLow, kHigh); }
TEST(Pendulum, TimeLimit) { expect_time_limit<Pendulum>(kLow, kHigh); }
TEST(Pendulum, NonfiniteIsCaught) { expect_nonfinite_is_caught<Pendulum>(kLow, kHigh); }
TEST(Pendulum, DrivingIsReproducible) { expect_driving_is_reproducible<Pendulum>(); }
TEST(Pendulum, RandomNumbersOfAllRanks) { expect_random_numbers_of_all_ranks<Pendulum>(); }

TEST(Pendulum, TheFormulas) {
  const Pendulum::Parameters p;
  std::mt19937 generator(1);
  std::uniform_real_distribution<double> angles(-kPi, kPi), rates(-8, 8), torques(-3, 3);
  for (int i = 0; i < 1000; ++i) {
    const double angle = angles(generator), rate = rates(generator), given = torques(generator);
    const double torque = std::clamp(given, -2.0, 2.0);
    Pendulum::State<double> s{angle, rate};
    const double reward = Pendulum::step(p, s, Array<double, 1>{given}).reward;
    const double next_rate = std::clamp(rate + (15 * std::sin(angle) + 3 * torque) * 0.05, -8.0, 8.0);
    EXPECT_NEAR(reward, -(angle * angle + 0.1 * rate * rate + 0.001 * torque * torque), 1e-6);
    EXPECT_NEAR(s.rate, next_rate, 1e-6);
    EXPECT_NEAR(std::remainder(s.angle - (angle + next_rate * 0.05), 2 * kPi), 0, 1e-6);
    EXPECT_TRUE(s.angle >= -kPi && s.angle < kPi);
  }
}

TEST(Pendulum, ParametersCount) {
  // Twice the length: gravity's share halves, torque's becomes a quarter.
  Pendulum::Parameters p;
  p.length = 2;
  Pendulum::State<double> s{0.5, 0};
  Pendulum::step(p, s, Array<double, 1>{1.0});
  EXPECT_NEAR(s.rate, (7.5 * std::sin(0.5) + 0.75) * 0.05, 1e-7);
}

}  // namespace
}  // namespace stampede::testing
