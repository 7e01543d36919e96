#pragma once
/// \file Cart-pole swing-up: dm_control's `cartpole swingup` (Tassa et al., "DeepMind Control Suite", 2018).
///
/// A pole (capsule) hinged on a cart on a rail. Coordinates x [m] and angle [rad] from upright, positive towards +x:
///
///     [ m_c + m_p        m_p h cos ] [x'']     = [ F - d_x x' + m_p h sin angle'^2    ]
///     [ m_p h cos     I + m_p h^2  ] [angle'']   [ m_p g h sin - d_a angle'           ],   h = length / 2,
///
/// integrated by Runge-Kutta 4, a step of 0.01 s a control step. The rail's ends are MuJoCo's soft joint limits
/// (one-sided constraint with reference acceleration -b v - k imp r and regulariser R = (1 - imp) / imp / M0^-1,
/// see its documentation, "Computation"); with one constraint the optimum has a closed form.
/// Reward: upright (1 + cos)/2, times how centred the cart, how small the control and how slow the pole are.

#include <cmath>

#include "envs/task.hpp"

namespace stampede {

struct CartpoleSwingup {
  static constexpr const char* kName = "cartpole-swingup";
  static constexpr const char* kSummary = "swing a pole up on a cart and balance it (dm_control's cartpole swingup)";
  static constexpr const char* kMetric = "";
  static constexpr int kObservations = 5, kActions = 1, kMaxSteps = 1000;
  static constexpr const char* kDefaults = R"(
    [train]
    num_envs = 256
    horizon = 50
    iterations = 400
    [algorithm]
    gamma = 0.99
    gae_lambda = 0.95
    epochs = 4
    minibatch = 2048
    learning_rate = 7e-4
    schedule = "linear"
    entropy_coefficient = 0.01
    clip_value = false
    [network]
    actor = [32, 32]
    critic = [32, 32]
    activation = "tanh"
    initial_std = 1.0
  )";

  static constexpr Array<const char*, 5> observation_names() {
    return {"position", "cos_angle", "sin_angle", "velocity", "rate"};
  }
  static constexpr Array<const char*, 1> action_names() { return {"force"}; }

  struct Parameters {
    float gravity = 9.81f, cart_mass = 1.0f, pole_mass = 0.1f, pole_length = 1.0f, pole_radius = 0.045f;
    float max_force = 10.0f, rail = 1.8f, cart_damping = 5e-4f, pole_damping = 2e-6f, dt = 0.01f;

    template <class Visitor>
    static void describe(Visitor&& field) {
      field("gravity", &Parameters::gravity, 0, 1e3, "gravity [m/s^2]");
      field("cart_mass", &Parameters::cart_mass, 1e-6, 1e6, "mass of the cart [kg]");
      field("pole_mass", &Parameters::pole_mass, 1e-6, 1e6, "mass of the pole [kg]");
      field("pole_length", &Parameters::pole_length, 1e-3, 1e3, "length of the pole without its round ends [m]");
      field("pole_radius", &Parameters::pole_radius, 0, 1e2, "radius of the pole [m]");
      field("max_force", &Parameters::max_force, 1e-6, 1e6, "force at full control [N]");
      field("rail", &Parameters::rail, 1e-3, 1e3, "half length of the rail [m]");
      field("cart_damping", &Parameters::cart_damping, 0, 1e3, "friction of the cart [N s/m]");
      field("pole_damping", &Parameters::pole_damping, 0, 1e3, "friction of the hinge [N m s/rad]");
      field("dt", &Parameters::dt, 1e-6, 0.1, "control and physics step [s]");
    }
  };

  template <class Real>
  struct State {
    Real position;  ///< of the cart [m]
    Real angle;     ///< of the pole from upright [rad], in [-pi, pi)
    Real velocity;  ///< of the cart [m/s]
    Real rate;      ///< of the pole [rad/s]
  };

  static void action_bounds(const Parameters&, Array<float, 1>& low, Array<float, 1>& high) {
    low[0] = -1.0f;
    high[0] = 1.0f;
  }

  template <class Real>
  STAMPEDE_FN static State<Real> reset(const Parameters&, Random<Real>& random) {
    State<Real> s;
    Real noise[4];
    random.normal_pair(noise[0], noise[1]);
    random.normal_pair(noise[2], noise[3]);
    const Real small = Real(0.01f);
    s.position = small * noise[0];
    s.angle = wrap_angle(Real(static_cast<ScalarOf<Real>>(kPi)) + small * noise[1]);
    s.velocity = small * noise[2];
    s.rate = small * noise[3];
    return s;
  }

  template <class Real>
  STAMPEDE_FN static Outcome<Real> step(const Parameters& p, State<Real>& s, const Array<Real, 1>& action) {
    const Real control = clamp(action[0], Real(-1.0f), Real(1.0f));
    const Real force = control * Real(p.max_force);
    const Constants k = constants(p);
    const Real h = Real(p.dt), half = Real(0.5f * p.dt);

    Real a1[2], a2[2], a3[2], a4[2];
    accelerate(p, k, s, force, a1);
    const State<Real> s2 = moved(s, s.velocity, s.rate, a1, half);
    accelerate(p, k, s2, force, a2);
    const State<Real> s3 = moved(s, s2.velocity, s2.rate, a2, half);
    accelerate(p, k, s3, force, a3);
    const State<Real> s4 = moved(s, s3.velocity, s3.rate, a3, h);
    accelerate(p, k, s4, force, a4);
    const Real sixth = Real(p.dt / 6.0f), two = Real(2.0f);
    s.position += sixth * (s.velocity + two * (s2.velocity + s3.velocity) + s4.velocity);
    s.angle = wrap_angle(s.angle + sixth * (s.rate + two * (s2.rate + s3.rate) + s4.rate));
    s.velocity += sixth * (a1[0] + two * (a2[0] + a3[0]) + a4[0]);
    s.rate += sixth * (a1[1] + two * (a2[1] + a3[1]) + a4[1]);

    Real sine, cosine;
    sincos(s.angle, sine, cosine);
    const Real upright = (cosine + Real(1.0f)) * Real(0.5f);
    const Real centred = (Real(1.0f) + gaussian(s.position * Real(0.5f))) * Real(0.5f);
    const Real quiet = (Real(5.0f) - control * control) * Real(0.2f);
    const Real slow = (Real(1.0f) + gaussian(s.rate * Real(0.2f))) * Real(0.5f);
    return {upright * centred * quiet * slow, no_lanes<Real>()};
  }

  template <class Real>
  STAMPEDE_FN static void observe(const Parameters&, const State<Real>& s, Array<Real, 5>& observation) {
    observation[0] = s.position;
    sincos(s.angle, observation[2], observation[1]);
    observation[3] = s.velocity;
    observation[4] = s.rate;
  }

  STAMPEDE_FN static Sketch sketch(const Parameters& p, const State<float>& s) {
    float sine, cosine;
    sincos(s.angle, sine, cosine);
    Sketch drawn;
    drawn.add({-p.rail, 0, p.rail, 0, 0.04f, true});
    drawn.add({s.position - 0.15f, 0, s.position + 0.15f, 0, 0.2f});
    drawn.add({s.position, 0, s.position + p.pole_length * sine, p.pole_length * cosine, 2 * p.pole_radius});
    return drawn;
  }

 private:
  /// What follows from the parameters alone.
  struct Constants {
    float inertia;      ///< of the pole about the hinge [kg m^2]
    float moment;       ///< m_p h [kg m]
    float regulariser;  ///< diagonal approximation of J M^-1 J' for the rail's ends [1/kg]
  };

  STAMPEDE_FN static Constants constants(const Parameters& p) {
    const float r = p.pole_radius, l = p.pole_length, h = 0.5f * l;
    const float ball_share = (4.0f / 3.0f) * r / (l + (4.0f / 3.0f) * r);
    const float ball = p.pole_mass * ball_share, rod = p.pole_mass - ball;
    const float centre = rod * (l * l / 12.0f + r * r / 4.0f) + ball * (0.4f * r * r + l * l / 4.0f + 0.375f * l * r);
    Constants k;
    k.moment = p.pole_mass * h;
    k.inertia = centre + k.moment * h;
    k.regulariser = k.inertia / ((p.cart_mass + p.pole_mass) * k.inertia - k.moment * k.moment);
    return k;
  }

  template <class Real>
  STAMPEDE_FN static State<Real> moved(const State<Real>& s, Real velocity, Real rate, const Real (&a)[2], Real h) {
    State<Real> to;
    to.position = s.position + h * velocity;
    to.angle = s.angle + h * rate;
    to.velocity = s.velocity + h * a[0];
    to.rate = s.rate + h * a[1];
    return to;
  }

  /// Accelerations of cart and pole under the force, the rail's ends included.
  template <class Real>
  STAMPEDE_FN static void accelerate(const Parameters& p, const Constants& k, const State<Real>& s, Real force,
                                     Real (&a)[2]) {
    Real sine, cosine;
    sincos(s.angle, sine, cosine);
    const Real moment = Real(k.moment), inertia = Real(k.inertia);
    const Real coupling = moment * cosine;
    const Real mass = Real(p.cart_mass + p.pole_mass);
    const Real f0 = force - Real(p.cart_damping) * s.velocity + moment * sine * s.rate * s.rate;
    const Real f1 = moment * Real(p.gravity) * sine - Real(p.pole_damping) * s.rate;
    const Real inverse = Real(1.0f) / (mass * inertia - coupling * coupling);
    Real x = (inertia * f0 - coupling * f1) * inverse;

    const Real beyond = abs(s.position) - Real(p.rail);  // -r of the constraint
    const auto touching = beyond > Real(0.0f);
    Real push = Real(0.0f);
    if (any(touching)) {
      // Constraint direction J points back to the middle; solref (0.08, 1), solimp (0.9, 0.95, 0.001, 0.5, 2).
      const Real direction = select(s.position > Real(0.0f), Real(-1.0f), Real(1.0f));
      const Real depth = min(beyond * Real(1000.0f), Real(1.0f));
      const Real rest = Real(1.0f) - depth;
      const Real rise = select(depth < Real(0.5f), Real(2.0f) * depth * depth, Real(1.0f) - Real(2.0f) * rest * rest);
      const Real impedance = Real(0.9f) + Real(0.05f) * rise;
      const float time_constant = 0.08f > 2.0f * p.dt ? 0.08f : 2.0f * p.dt, d_max = 0.95f;
      const Real stiffness = Real(1.0f / (d_max * d_max * time_constant * time_constant));
      const Real damping = Real(2.0f / (d_max * time_constant));
      const Real reference = stiffness * impedance * beyond - damping * direction * s.velocity;
      const Real regulariser = (Real(1.0f) - impedance) / impedance * Real(k.regulariser);
      const Real weight = inertia * inverse;  // J M^-1 J'
      const Real pressure = max((reference - direction * x) / (weight + regulariser), Real(0.0f));
      push = select(touching, direction * pressure, push);
      x += weight * push;
    }
    a[0] = x;
    a[1] = (mass * f1 - coupling * (f0 + push)) * inverse;
  }

  /// dm_control's default tolerance around 0: 0.1 at x = 1, bell-shaped.
  template <class Real>
  STAMPEDE_FN static Real gaussian(Real x) {
    return exp(x * x * Real(-2.302585093f));
  }
};

}  // namespace stampede
