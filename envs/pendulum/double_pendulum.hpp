#pragma once
/// \file Double pendulum: swing two rods up from hanging and hold them, with torques at both joints.
///
/// Two equal uniform rods (mass m, length l, centre of mass at l/2) on a fixed base; absolute angles a, b [rad] from
/// upright, torque u_0 at the base and u_1 between the rods, both too weak to lift the rods without a swing (to hold
/// both rods horizontal takes 2 m g l = 4.9 N m at the base and m g l / 2 = 1.2 N m at the elbow). With I = m l^2 and
/// w = m g l:
///
///     [ 4/3 I           1/2 I cos(a-b) ] [a'']   [ u_0 - u_1 + 3/2 w sin a - 1/2 I sin(a-b) b'^2 - d_0 + d_1 ]
///     [ 1/2 I cos(a-b)  1/3 I          ] [b''] = [ u_1       + 1/2 w sin b + 1/2 I sin(a-b) a'^2 - d_1       ]
///
/// with joint friction d_0 = damping a', d_1 = damping (b' - a'). Integrated by Runge-Kutta 4, `kSubsteps` steps a
/// control step of 0.02 s. The reward of a control step is, with u in [-1, 1] the torques as shares of their limits,
///
///     1/2 (1 + cos a)/2 (1 + cos b)/2 + 1/2 exp(-4 (a^2 + b^2) - 0.05 (a'^2 + b'^2)) - 0.01 (u_0^2 + u_1^2)
///
/// of which the first term rewards raising the rods and the second standing straight and still.
///
/// An episode lasts 10 s. "Upright" means that both rods are within 0.2 rad of it; the metric `upright_share` is the
/// share of episodes that are upright in every control step of their last 5 s.

#include <cmath>

#include "envs/task.hpp"

namespace stampede {

struct DoublePendulum {
  static constexpr const char* kName = "double-pendulum";
  static constexpr const char* kSummary = "swing a double pendulum up and hold it, torques at both joints";
  static constexpr const char* kMetric = "upright_share";
  static constexpr int kObservations = 6, kActions = 2, kMaxSteps = 500;
  static constexpr int kSubsteps = 2, kHoldSteps = 250;
  static constexpr const char* kDefaults = R"(
    [train]
    num_envs = 256
    horizon = 50
    iterations = 600
    [algorithm]
    gamma = 0.99
    gae_lambda = 0.95
    epochs = 4
    minibatch = 1024
    learning_rate = 1e-3
    schedule = "linear"
    entropy_coefficient = 0.005
    clip_value = false
    [network]
    actor = [32, 32]
    critic = [32, 32]
    activation = "tanh"
    initial_std = 1.0
  )";

  static constexpr Array<const char*, 6> observation_names() {
    return {"cos_lower", "sin_lower", "cos_upper", "sin_upper", "rate_lower", "rate_upper"};
  }
  static constexpr Array<const char*, 2> action_names() { return {"torque_base", "torque_elbow"}; }

  struct Parameters {
    float gravity = 9.81f, mass = 0.5f, length = 0.5f, damping = 0.01f, dt = 0.02f;
    float max_torque_base = 2.0f, max_torque_elbow = 1.0f;

    template <class Visitor>
    static void describe(Visitor&& field) {
      field("gravity", &Parameters::gravity, 0, 1e3, "gravity [m/s^2]");
      field("mass", &Parameters::mass, 1e-6, 1e6, "mass of a rod [kg]");
      field("length", &Parameters::length, 1e-3, 1e3, "length of a rod [m]");
      field("damping", &Parameters::damping, 0, 1e3, "friction of a joint [N m s/rad]");
      field("dt", &Parameters::dt, 1e-6, 0.1, "control step [s]");
      field("max_torque_base", &Parameters::max_torque_base, 1e-6, 1e6, "bound of the base's torque [N m]");
      field("max_torque_elbow", &Parameters::max_torque_elbow, 1e-6, 1e6, "bound of the elbow's torque [N m]");
    }
  };

  template <class Real>
  struct State {
    Real lower, upper;            ///< absolute angles of the rods from upright [rad], in [-pi, pi)
    Real lower_rate, upper_rate;  ///< [rad/s]
    Real held;                    ///< number of control steps in a row, up to now, that ended upright
  };

  static void action_bounds(const Parameters& p, Array<float, 2>& low, Array<float, 2>& high) {
    high[0] = p.max_torque_base;
    high[1] = p.max_torque_elbow;
    low[0] = -high[0];
    low[1] = -high[1];
  }

  template <class Real>
  STAMPEDE_FN static State<Real> reset(const Parameters&, Random<Real>& random) {
    const Real pi = Real(static_cast<ScalarOf<Real>>(kPi));
    const Real spread = Real(0.2f);
    State<Real> s;
    s.lower = wrap_angle(pi + random.uniform(-spread, spread));
    s.upper = wrap_angle(pi + random.uniform(-spread, spread));
    s.lower_rate = random.uniform(-spread, spread);
    s.upper_rate = random.uniform(-spread, spread);
    s.held = Real(0.0f);
    return s;
  }

  template <class Real>
  STAMPEDE_FN static Outcome<Real> step(const Parameters& p, State<Real>& s, const Array<Real, 2>& action) {
    const Real base = clamp(action[0], Real(-p.max_torque_base), Real(p.max_torque_base));
    const Real elbow = clamp(action[1], Real(-p.max_torque_elbow), Real(p.max_torque_elbow));
    const Real h = Real(p.dt / kSubsteps), half = Real(0.5f * p.dt / kSubsteps), sixth = Real(p.dt / kSubsteps / 6.0f);
    const Real two = Real(2.0f);
    STAMPEDE_NO_UNROLL
    for (int substep = 0; substep < kSubsteps; ++substep) {
      Real a1[2], a2[2], a3[2], a4[2];
      accelerate(p, s, base, elbow, a1);
      const State<Real> s2 = moved(s, s, a1, half);
      accelerate(p, s2, base, elbow, a2);
      const State<Real> s3 = moved(s, s2, a2, half);
      accelerate(p, s3, base, elbow, a3);
      const State<Real> s4 = moved(s, s3, a3, h);
      accelerate(p, s4, base, elbow, a4);
      s.lower += sixth * (s.lower_rate + two * (s2.lower_rate + s3.lower_rate) + s4.lower_rate);
      s.upper += sixth * (s.upper_rate + two * (s2.upper_rate + s3.upper_rate) + s4.upper_rate);
      s.lower_rate += sixth * (a1[0] + two * (a2[0] + a3[0]) + a4[0]);
      s.upper_rate += sixth * (a1[1] + two * (a2[1] + a3[1]) + a4[1]);
    }
    s.lower = wrap_angle(s.lower);
    s.upper = wrap_angle(s.upper);
    const auto upright = max(abs(s.lower), abs(s.upper)) < Real(0.2f);
    s.held = select(upright, s.held + Real(1.0f), Real(0.0f));

    Real sine, cosine_lower, cosine_upper;
    sincos(s.lower, sine, cosine_lower);
    sincos(s.upper, sine, cosine_upper);
    const Real one = Real(1.0f);
    const Real height = (one + cosine_lower) * (one + cosine_upper) * Real(0.25f);
    const Real lean = s.lower * s.lower + s.upper * s.upper;
    const Real speed = s.lower_rate * s.lower_rate + s.upper_rate * s.upper_rate;
    const Real still = exp(Real(-4.0f) * lean + Real(-0.05f) * speed);
    const Real u0 = base * Real(1.0f / p.max_torque_base), u1 = elbow * Real(1.0f / p.max_torque_elbow);
    const Real reward = Real(0.5f) * (height + still) - Real(0.01f) * (u0 * u0 + u1 * u1);
    return {reward, no_lanes<Real>()};
  }

  template <class Real>
  STAMPEDE_FN static void observe(const Parameters&, const State<Real>& s, Array<Real, 6>& observation) {
    sincos(s.lower, observation[1], observation[0]);
    sincos(s.upper, observation[3], observation[2]);
    observation[4] = s.lower_rate;
    observation[5] = s.upper_rate;
  }

  STAMPEDE_FN static Sketch sketch(const Parameters& p, const State<float>& s) {
    float lower[2], upper[2];  // sine, cosine
    sincos(s.lower, lower[0], lower[1]);
    sincos(s.upper, upper[0], upper[1]);
    const float x = p.length * lower[0], y = p.length * lower[1];
    Sketch drawn;
    drawn.add({0, 0, x, y, 0.1f * p.length});
    drawn.add({x, y, x + p.length * upper[0], y + p.length * upper[1], 0.1f * p.length});
    drawn.add({0, 0, 0, 0, 0.16f * p.length, true});
    return drawn;
  }

  /// 1 where the episode's last 5 s were upright throughout.
  template <class Real>
  STAMPEDE_FN static Real metric(const State<Real>& s) {
    return select(s.held >= Real(static_cast<float>(kHoldSteps)), Real(1.0f), Real(0.0f));
  }

 private:
  /// s moved along the velocities of `slope` and the accelerations a for h seconds.
  template <class Real>
  STAMPEDE_FN static State<Real> moved(const State<Real>& s, const State<Real>& slope, const Real (&a)[2], Real h) {
    State<Real> to = s;
    to.lower += h * slope.lower_rate;
    to.upper += h * slope.upper_rate;
    to.lower_rate += h * a[0];
    to.upper_rate += h * a[1];
    return to;
  }

  template <class Real>
  STAMPEDE_FN static void accelerate(const Parameters& p, const State<Real>& s, Real base, Real elbow, Real (&a)[2]) {
    Real sin_lower, cos_lower, sin_upper, cos_upper;
    sincos(s.lower, sin_lower, cos_lower);
    sincos(s.upper, sin_upper, cos_upper);
    const Real sine = sin_lower * cos_upper - cos_lower * sin_upper;
    const Real cosine = cos_lower * cos_upper + sin_lower * sin_upper;
    const float ml = p.mass * p.length;
    const Real inertia = Real(ml * p.length), weight = Real(ml * p.gravity), damping = Real(p.damping);
    const Real half = Real(0.5f);
    const Real friction = damping * (s.upper_rate - s.lower_rate);
    const Real m00 = Real(4.0f / 3.0f) * inertia, m11 = Real(1.0f / 3.0f) * inertia, m01 = half * inertia * cosine;
    const Real swirl = half * inertia * sine;
    const Real f0 = base - elbow + Real(1.5f) * weight * sin_lower - swirl * s.upper_rate * s.upper_rate -
                    damping * s.lower_rate + friction;
    const Real f1 = elbow + half * weight * sin_upper + swirl * s.lower_rate * s.lower_rate - friction;
    const Real inverse = Real(1.0f) / (m00 * m11 - m01 * m01);
    a[0] = (m11 * f0 - m01 * f1) * inverse;
    a[1] = (m00 * f1 - m01 * f0) * inverse;
  }
};

}  // namespace stampede
