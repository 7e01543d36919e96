#pragma once
/// \file The smallest family of tasks there can be: what it takes to add one, and that nothing else needs to know of it.
///
/// A mass of 1 kg is pushed along a line by a force of at most 1 N; reward -x^2 - 0.1 v^2 - 0.01 force^2.

#include "envs/task.hpp"

namespace stampede::test {

struct PointMass {
  static constexpr const char *kName = "point-mass", *kSummary = "push a mass to the origin", *kMetric = "";
  static constexpr int kObservations = 2, kActions = 1, kMaxSteps = 100;
  static constexpr const char* kDefaults =
      "[train]\nnum_envs = 64\nhorizon = 25\niterations = 60\n"
      "[algorithm]\nminibatch = 400\nlearning_rate = 3e-3\ngamma = 0.95\n";
  static constexpr Array<const char*, 2> observation_names() { return {"x", "v"}; }
  static constexpr Array<const char*, 1> action_names() { return {"force"}; }

  struct Parameters {
    float dt = 0.1f;
    template <class Visitor>
    static void describe(Visitor&& field) {
      field("dt", &Parameters::dt, 1e-3, 1, "control step [s]");
    }
  };
  template <class Real>
  struct State {
    Real x, v;
  };
  static void action_bounds(const Parameters&, Array<float, 1>& low, Array<float, 1>& high) {
    low[0] = -1, high[0] = 1;
  }

  template <class Real>
  STAMPEDE_FN static State<Real> reset(const Parameters&, Random<Real>& random) {
    const Real x = random.uniform(Real(-1.0f), Real(1.0f));
    return {x, Real(0.0f)};
  }
  template <class Real>
  STAMPEDE_FN static Outcome<Real> step(const Parameters& p, State<Real>& s, const Array<Real, 1>& action) {
    s.v += action[0] * Real(p.dt);
    s.x += s.v * Real(p.dt);
    const Real cost = s.x * s.x + Real(0.1f) * s.v * s.v + Real(0.01f) * action[0] * action[0];
    return {-cost, no_lanes<Real>()};
  }
  template <class Real>
  STAMPEDE_FN static void observe(const Parameters&, const State<Real>& s, Array<Real, 2>& observation) {
    observation[0] = s.x, observation[1] = s.v;
  }
  static constexpr Measure kMeasures[] = {{"speed", "m/s"}};
  template <class Real>
  STAMPEDE_FN static void measure(const Parameters&, const State<Real>& s, const Array<Real, 1>&, Array<Real, 1>& now) {
    now[0] = abs(s.v);
  }
  STAMPEDE_FN static Sketch sketch(const Parameters&, const State<float>& s) {
    Sketch drawn;
    drawn.add({-1, 0, 1, 0, 0.02f, true});
    drawn.add({s.x, 0, s.x, 0, 0.2f});
    return drawn;
  }
};

using PointMasses = TaskList<PointMass>;

}  // namespace stampede::test
