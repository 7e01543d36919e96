#pragma once
/// \file Pendulum swing-up: the motion, reward, bounds and time limit of Gymnasium's Pendulum-v1.
///
/// A uniform rod on a hinge, driven by a torque u too weak to lift it without a swing. Semi-implicit Euler:
///
///     rate  += (3 g / (2 l) sin(angle) + 3 / (m l^2) u) dt,  clipped to max_speed
///     angle += rate dt
///     reward = -(angle^2 + 0.1 rate^2 + 0.001 u^2), of the state before the step, angle in [-pi, pi)

#include <cmath>

#include "envs/task.hpp"

namespace stampede {

struct Pendulum {
  static constexpr const char* kName = "pendulum";
  static constexpr const char* kSummary = "swing a torque-limited pendulum up and hold it (Gymnasium's Pendulum-v1)";
  static constexpr const char* kMetric = "";
  static constexpr int kObservations = 3, kActions = 1, kMaxSteps = 200;
  static constexpr const char* kDefaults = R"(
    [train]
    num_envs = 512
    horizon = 25
    iterations = 42
    [algorithm]
    gamma = 0.96
    gae_lambda = 0.9
    epochs = 4
    minibatch = 2048
    learning_rate = 6e-3
    target_kl = 0.015
    value_coefficient = 2.0
    max_gradient_norm = 0.5
    clip_value = false
    [network]
    actor = [32, 32]
    critic = [32, 32]
    activation = "silu"
    initial_std = 0.7

    # The older algorithms take one step a rollout: small rollouts, many of them, and more samples in all.
    [for.reinforce.train]
    num_envs = 16
    horizon = 200
    iterations = 272
    random_initial_phase = false
    [for.reinforce.algorithm]
    gamma = 0.95
    learning_rate = 1e-2
    schedule = "linear"
    minibatch = 3200
    max_gradient_norm = 1.0

    [for.reinforce-baseline.train]
    num_envs = 16
    horizon = 200
    iterations = 272
    [for.reinforce-baseline.algorithm]
    gamma = 0.95
    minibatch = 3200
    max_gradient_norm = 1.0
    [for.reinforce-baseline.network]
    initial_std = 1.0

    [for.actor-critic.train]
    num_envs = 128
    horizon = 5
    iterations = 1360
    [for.actor-critic.algorithm]
    gamma = 0.9
    learning_rate = 3e-3
    minibatch = 640
    entropy_coefficient = 0.01
  )";

  static constexpr Array<const char*, 3> observation_names() { return {"cos_angle", "sin_angle", "rate"}; }
  static constexpr Array<const char*, 1> action_names() { return {"torque"}; }

  struct Parameters {
    float gravity = 10.0f, mass = 1.0f, length = 1.0f, dt = 0.05f, max_torque = 2.0f, max_speed = 8.0f;

    template <class Visitor>
    static void describe(Visitor&& field) {
      field("gravity", &Parameters::gravity, 0, 1e3, "gravity [m/s^2]");
      field("mass", &Parameters::mass, 1e-6, 1e6, "mass of the rod [kg]");
      field("length", &Parameters::length, 1e-3, 1e3, "length of the rod [m]");
      field("dt", &Parameters::dt, 1e-6, 1, "control step [s]");
      field("max_torque", &Parameters::max_torque, 1e-6, 1e6, "bound of the torque [N m]");
      field("max_speed", &Parameters::max_speed, 1e-3, 1e6, "bound of the rate [rad/s]");
    }
  };

  template <class Real>
  struct State {
    Real angle;  ///< from upright [rad], in [-pi, pi)
    Real rate;   ///< [rad/s]
  };

  static void action_bounds(const Parameters& p, Array<float, 1>& low, Array<float, 1>& high) {
    low[0] = -p.max_torque;
    high[0] = p.max_torque;
  }

  template <class Real>
  STAMPEDE_FN static State<Real> reset(const Parameters&, Random<Real>& random) {
    const Real pi = Real(static_cast<ScalarOf<Real>>(kPi));
    State<Real> s;
    s.angle = random.uniform(-pi, pi);
    s.rate = random.uniform(Real(-1.0f), Real(1.0f));
    return s;
  }

  template <class Real>
  STAMPEDE_FN static Outcome<Real> step(const Parameters& p, State<Real>& s, const Array<Real, 1>& action) {
    const Real torque = clamp(action[0], Real(-p.max_torque), Real(p.max_torque));
    const Real cost = s.angle * s.angle + Real(0.1f) * s.rate * s.rate + Real(0.001f) * torque * torque;
    Real sine, cosine;
    sincos(s.angle, sine, cosine);
    const Real acceleration =
        Real(3.0f * p.gravity / (2.0f * p.length)) * sine + Real(3.0f / (p.mass * p.length * p.length)) * torque;
    s.rate = clamp(s.rate + acceleration * Real(p.dt), Real(-p.max_speed), Real(p.max_speed));
    s.angle = wrap_angle(s.angle + s.rate * Real(p.dt));
    return {-cost, no_lanes<Real>()};
  }

  template <class Real>
  STAMPEDE_FN static void observe(const Parameters&, const State<Real>& s, Array<Real, 3>& observation) {
    sincos(s.angle, observation[1], observation[0]);
    observation[2] = s.rate;
  }

  STAMPEDE_FN static Sketch sketch(const Parameters& p, const State<float>& s) {
    float sine, cosine;
    sincos(s.angle, sine, cosine);
    Sketch drawn;
    drawn.add({0, 0, -p.length * sine, p.length * cosine, 0.1f * p.length});
    drawn.add({0, 0, 0, 0, 0.16f * p.length, true});
    return drawn;
  }
};

}  // namespace stampede
