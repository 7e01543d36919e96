/// \file The double pendulum: accelerations against a numerically differentiated Lagrangian, energy, reward, metric.

#include "envs/pendulum/double_pendulum.hpp"

#include "tests/envs/testing.hpp"

namespace stampede::testing {
namespace {

using Parameters = DoublePendulum::Parameters;
using State = DoublePendulum::State<double>;
using Torques = Array<double, 2>;

const Bounds<DoublePendulum> kLow = {-3.14159f, -3.14159f, -8, -8, 0}, kHigh = {3.14159f, 3.14159f, 8, 8, 0};

TEST(DoublePendulum, OneStepLikeDouble) { expect_one_step_like_double<DoublePendulum>(kLow, kHigh, 2e-5); }
TEST(DoublePendulum, NeighboursDoNotMatter) { expect_neighbours_do_not_matter<DoublePendulum>(kLow, kHigh); }
TEST(DoublePendulum, TimeLimit) { expect_time_limit<DoublePendulum>(kLow, kHigh); }
TEST(DoublePendulum, NonfiniteIsCaught) { expect_nonfinite_is_caught<DoublePendulum>(kLow, kHigh); }
TEST(DoublePendulum, DrivingIsReproducible) { expect_driving_is_reproducible<DoublePendulum>(); }

struct Energy {
  double kinetic, potential;
};

/// Of two uniform rods whose centres lie where they lie, angles from upright.
Energy energy(const Parameters& p, const double (&q)[2], const double (&v)[2]) {
  const double m = static_cast<double>(p.mass), l = static_cast<double>(p.length), g = static_cast<double>(p.gravity);
  const double x1 = l / 2 * std::cos(q[0]) * v[0], y1 = -l / 2 * std::sin(q[0]) * v[0];
  const double x2 = 2 * x1 + l / 2 * std::cos(q[1]) * v[1], y2 = 2 * y1 - l / 2 * std::sin(q[1]) * v[1];
  const double spin = m * l * l / 12 * (v[0] * v[0] + v[1] * v[1]);
  return {0.5 * m * (x1 * x1 + y1 * y1 + x2 * x2 + y2 * y2) + 0.5 * spin,
          m * g * (1.5 * l * std::cos(q[0]) + 0.5 * l * std::cos(q[1]))};
}

/// q'' from d/dt dL/dv - dL/dq = Q, all derivatives by central differences.
Array<double, 2> lagrangian_accelerations(const Parameters& p, const State& s, const Torques& torque) {
  const double q[2] = {s.lower, s.upper}, v[2] = {s.lower_rate, s.upper_rate}, h = 1e-3;
  const auto lagrangian = [&](double a, double b, double da, double db) {
    const double at[2] = {q[0] + a, q[1] + b}, with[2] = {v[0] + da, v[1] + db};
    const Energy e = energy(p, at, with);
    return e.kinetic - e.potential;
  };
  // L at points of which coordinate i is off by `a` and coordinate j by `b`: 0, 1 the angles, 2, 3 the rates.
  const auto off = [&](int i, double a, int j, double b) {
    double d[4] = {};
    d[i] += a;
    d[j] += b;
    return lagrangian(d[0], d[1], d[2], d[3]);
  };
  const auto second = [&](int i, int j) {
    return (off(i, h, j, h) - off(i, h, j, -h) - off(i, -h, j, h) + off(i, -h, j, -h)) / (4 * h * h);
  };
  const double damping = static_cast<double>(p.damping), between = damping * (v[1] - v[0]);
  const double force[2] = {torque[0] - torque[1] - damping * v[0] + between, torque[1] - between};
  double right[2];
  for (int i = 0; i < 2; ++i) {
    right[i] =
        force[i] + (off(i, h, i, 0) - off(i, -h, i, 0)) / (2 * h) - second(2 + i, 0) * v[0] - second(2 + i, 1) * v[1];
  }
  const double m00 = second(2, 2), m01 = second(2, 3), m11 = second(3, 3), det = m00 * m11 - m01 * m01;
  return {(m11 * right[0] - m01 * right[1]) / det, (m00 * right[1] - m01 * right[0]) / det};
}

State stepped(const Parameters& p, State s, const Torques& torque) {
  DoublePendulum::step(p, s, torque);
  return s;
}

TEST(DoublePendulum, AccelerationsFollowFromTheLagrangian) {
  Parameters forth, back;
  forth.damping = back.damping = 0.05f;
  forth.length = back.length = 0.7f;
  forth.dt = 1e-4f;
  back.dt = -1e-4f;
  std::mt19937 generator(1);
  std::uniform_real_distribution<double> uniform(-1, 1);
  double worst = 0;
  for (int i = 0; i < 500; ++i) {
    const State s{3 * uniform(generator), 3 * uniform(generator), 6 * uniform(generator), 6 * uniform(generator), 0};
    const Torques torque = {1.9 * uniform(generator), 0.9 * uniform(generator)};
    const State a = stepped(forth, s, torque), b = stepped(back, s, torque);
    const double dt = 2e-4;
    const double got[2] = {(a.lower_rate - b.lower_rate) / dt, (a.upper_rate - b.upper_rate) / dt};
    const auto want = lagrangian_accelerations(forth, s, torque);
    const double size = std::max({std::fabs(want[0]), std::fabs(want[1]), 10.0});
    for (int k = 0; k < 2; ++k) worst = std::max(worst, std::fabs(got[k] - want[k]) / size);
    ASSERT_TRUE(std::isfinite(got[0]) && std::isfinite(got[1]));
  }
  EXPECT_LE(worst, 2e-5);
}

TEST(DoublePendulum, EnergyIsKept) {
  Parameters p;
  p.damping = 0;
  p.dt = 0.002f;
  State s{2.0, -1.0, 1.5, -3.0, 0};
  const auto total = [&] {
    const Energy e = energy(p, {s.lower, s.upper}, {s.lower_rate, s.upper_rate});
    return e.kinetic + e.potential;
  };
  const double before = total();
  double drift = 0;
  for (int step = 0; step < 5000; ++step) {
    s = stepped(p, s, {0.0, 0.0});
    drift = std::max(drift, std::fabs(total() - before));
  }
  EXPECT_LE(drift, 1e-6) << "of some joules, over 10 s";
  p.damping = 0.01f;
  for (int step = 0; step < 500; ++step) s = stepped(p, s, {0.0, 0.0});
  EXPECT_LT(total(), before - 0.01) << "friction takes some";
}

TEST(DoublePendulum, EnergyAtTheControlStep) {
  // As trained: 0.02 s in two substeps. The error is what RK4 leaves at rates that occur.
  Parameters p;
  p.damping = 0;
  State s{kPi - 1.2, kPi - 2.0, 0, 0, 0};
  const auto total = [&] {
    const Energy e = energy(p, {s.lower, s.upper}, {s.lower_rate, s.upper_rate});
    return e.kinetic + e.potential;
  };
  const double before = total();
  for (int step = 0; step < DoublePendulum::kMaxSteps; ++step) s = stepped(p, s, {0.0, 0.0});
  EXPECT_LE(std::fabs(total() - before), 0.02 * 4.9);
}

TEST(DoublePendulum, RewardAndBounds) {
  const Parameters p;
  // Upright at rest without torque earns 1, hanging earns 0; torques are limited.
  State s{0, 0, 0, 0, 0};
  EXPECT_NEAR(DoublePendulum::step(p, s, Torques{0.0, 0.0}).reward, 1.0, 1e-6);
  s = {-kPi, -kPi, 0, 0, 0};
  EXPECT_NEAR(DoublePendulum::step(p, s, Torques{0.0, 0.0}).reward, 0.0, 1e-6);
  State a{0.3, -0.4, 1, 2, 0}, b = a;
  const double at_bound = DoublePendulum::step(p, a, Torques{2.0, -1.0}).reward;
  EXPECT_EQ(DoublePendulum::step(p, b, Torques{20.0, -10.0}).reward, at_bound);
  EXPECT_EQ(a.lower_rate, b.lower_rate);
  const double height = (1 + std::cos(a.lower)) / 2 * (1 + std::cos(a.upper)) / 2;
  const double lean = a.lower * a.lower + a.upper * a.upper,
               speed = a.lower_rate * a.lower_rate + a.upper_rate * a.upper_rate;
  EXPECT_NEAR(at_bound, 0.5 * height + 0.5 * std::exp(-4 * lean - 0.05 * speed) - 0.02, 1e-6);
}

TEST(DoublePendulum, UprightIsCountedFromTheLastFall) {
  Parameters p;
  p.gravity = 0;
  State s{0.1, -0.1, 0, 0, 0};
  for (int step = 0; step < 250; ++step) {
    EXPECT_EQ(DoublePendulum::metric(s), 0.0);
    DoublePendulum::step(p, s, Torques{0.0, 0.0});
  }
  EXPECT_EQ(DoublePendulum::metric(s), 1.0);
  s.upper = 0.3;
  DoublePendulum::step(p, s, Torques{0.0, 0.0});
  EXPECT_EQ(s.held, 0.0);
  EXPECT_EQ(DoublePendulum::metric(s), 0.0);
}

}  // namespace
}  // namespace stampede::testing
