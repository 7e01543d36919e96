/// \file The cart-pole: accelerations against the header's equations with a capsule's inertia, energy, rail, reward.
/// tests/python compares with dm_control.

#include "envs/pendulum/cartpole_swingup.hpp"

#include "tests/envs/testing.hpp"

namespace stampede::testing {
namespace {

using Parameters = CartpoleSwingup::Parameters;
using State = CartpoleSwingup::State<double>;
using Control = Array<double, 1>;

// Well past the ends of the rail.
const Bounds<CartpoleSwingup> kLow = {-1.9f, -3.14159f, -5, -10}, kHigh = {1.9f, 3.14159f, 5, 10};

TEST(CartpoleSwingup, OneStepLikeDouble) { expect_one_step_like_double<CartpoleSwingup>(kLow, kHigh, 5e-6); }
TEST(CartpoleSwingup, NeighboursDoNotMatter) { expect_neighbours_do_not_matter<CartpoleSwingup>(kLow, kHigh); }
TEST(CartpoleSwingup, TimeLimit) { expect_time_limit<CartpoleSwingup>(kLow, kHigh); }
TEST(CartpoleSwingup, NonfiniteIsCaught) { expect_nonfinite_is_caught<CartpoleSwingup>(kLow, kHigh); }
TEST(CartpoleSwingup, DrivingIsReproducible) { expect_driving_is_reproducible<CartpoleSwingup>(); }

/// A capsule's inertia about its centre, across its axis: integrated over thin discs.
double capsule_inertia(double mass, double length, double radius) {
  double volume = 0, inertia = 0;
  const int slices = 20000;
  const double half = length / 2 + radius, dz = 2 * half / slices;
  for (int i = 0; i < slices; ++i) {
    const double z = -half + (i + 0.5) * dz, beyond = std::max(std::fabs(z) - length / 2, 0.0);
    const double area = kPi * (radius * radius - beyond * beyond);
    volume += area * dz;
    inertia += area * dz * (z * z + area / kPi / 4);
  }
  return mass * inertia / volume;
}

double energy(const Parameters& p, const State& s) {
  const double m = static_cast<double>(p.pole_mass), h = static_cast<double>(p.pole_length) / 2;
  const double inertia = capsule_inertia(m, 2 * h, static_cast<double>(p.pole_radius));
  const double x = s.velocity + h * std::cos(s.angle) * s.rate, y = -h * std::sin(s.angle) * s.rate;
  return 0.5 * static_cast<double>(p.cart_mass) * s.velocity * s.velocity + 0.5 * m * (x * x + y * y) +
         0.5 * inertia * s.rate * s.rate + m * static_cast<double>(p.gravity) * h * std::cos(s.angle);
}

State stepped(const Parameters& p, State s, double control) {
  CartpoleSwingup::step(p, s, Control{control});
  return s;
}

TEST(CartpoleSwingup, AccelerationsSolveTheEquationsOfMotion) {
  Parameters forth, back;
  forth.cart_damping = back.cart_damping = 0.3f;
  forth.pole_damping = back.pole_damping = 0.02f;
  forth.dt = 1e-4f;
  back.dt = -1e-4f;
  const double m = 0.1, h = 0.5, g = 9.81, inertia = capsule_inertia(m, 1.0, 0.045) + m * h * h;
  std::mt19937 generator(1);
  std::uniform_real_distribution<double> uniform(-1, 1);
  double worst = 0;
  for (int i = 0; i < 500; ++i) {
    const State s{1.7 * uniform(generator), 3 * uniform(generator), 3 * uniform(generator), 8 * uniform(generator)};
    const double control = uniform(generator), dt = 2e-4;
    const State a = stepped(forth, s, control), b = stepped(back, s, control);
    const double x = (a.velocity - b.velocity) / dt, q = (a.rate - b.rate) / dt;
    const double sine = std::sin(s.angle), cosine = std::cos(s.angle);
    worst = std::max(worst, std::fabs(1.1 * x + m * h * cosine * q - 10 * control + 0.3 * s.velocity -
                                      m * h * sine * s.rate * s.rate));
    worst = std::max(worst, std::fabs(m * h * cosine * x + inertia * q - m * g * h * sine + 0.02 * s.rate));
    ASSERT_TRUE(std::isfinite(x) && std::isfinite(q));
  }
  EXPECT_LE(worst, 2e-5) << "newtons of some 10";
}

TEST(CartpoleSwingup, EnergyIsKept) {
  Parameters p;
  p.cart_damping = p.pole_damping = 0;
  p.rail = 1000;
  p.dt = 0.002f;
  State s{0, 2.0, 0.3, 1.0};
  const double before = energy(p, s);
  double drift = 0;
  for (int step = 0; step < 5000; ++step) {
    s = stepped(p, s, 0.0);
    if (step % 100 == 0) drift = std::max(drift, std::fabs(energy(p, s) - before));
  }
  EXPECT_LE(drift, 1e-6) << "of half a joule, over 10 s";
}

TEST(CartpoleSwingup, TheRailHoldsAndTheSecondIsTheMirrorOfTheFirst) {
  const Parameters p;
  State s{1.7, kPi - 0.1, 2.0, 0.5}, mirror{-1.7, -kPi + 0.1, -2.0, -0.5};
  double furthest = 0;
  for (int step = 0; step < 500; ++step) {
    s = stepped(p, s, 1.0);
    mirror = stepped(p, mirror, -1.0);
    furthest = std::max(furthest, s.position);
    ASSERT_NEAR(s.position, -mirror.position, 1e-9);
    ASSERT_NEAR(std::remainder(s.angle + mirror.angle, 2 * kPi), 0, 1e-8);
  }
  EXPECT_GT(furthest, 1.8) << "soft ends give way";
  EXPECT_LT(furthest, 1.95);
  EXPECT_GT(s.position, 1.8) << "full force presses the cart into the end, where it comes to rest";
  EXPECT_LT(std::fabs(s.velocity), 0.05);
}

TEST(CartpoleSwingup, Reward) {
  const Parameters p;
  std::mt19937 generator(2);
  std::uniform_real_distribution<double> uniform(-1, 1);
  const auto tolerance = [](double x) { return std::exp(std::log(0.1) * x * x); };
  for (int i = 0; i < 200; ++i) {
    State s{1.5 * uniform(generator), kPi * uniform(generator), 2 * uniform(generator), 6 * uniform(generator)};
    const double control = uniform(generator);
    const double reward = CartpoleSwingup::step(p, s, Control{control}).reward;
    const double upright = (1 + std::cos(s.angle)) / 2, centred = (1 + tolerance(s.position / 2)) / 2;
    const double small = (4 + (1 - control * control)) / 5, slow = (1 + tolerance(s.rate / 5)) / 2;
    EXPECT_NEAR(reward, upright * centred * small * slow, 1e-7);
  }
}

}  // namespace
}  // namespace stampede::testing
