#pragma once
/// \file A control step of walking robots: actions become controls (ApplyActions), the physics moves the robots
/// (host/simulate/robots.hpp), rewards, constraints, ends, starts and observations follow (FinishStep), and the
/// policy's observations are delayed as sensors delay them (DelayReadings).

#include "envs/legged/finish_step.hpp"

namespace stampede {

/// Actions to controls: joint targets [rad]. The previous targets are kept in DelayedControl, as they go on acting
/// until the environment's delay has passed.
template <class Shape, class LaneReal>
struct ApplyActions {
  using Real = LaneReal;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const LeggedConstants* constants;
  LeggedRows rows;
  const float* action;  ///< [env][actions]: targets [rad]

  template <class>
  STAMPEDE_FN void operator()(Index lane) const {
    auto delayed = read_rows<DelayedControl<Real, J>, Real>(rows.delayed, lane);
    delayed.last = read_rows<Array<Real, J>, Real>(rows.control, lane);
    Array<Real, J> target;
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      const Real given = gather_from_rows<K, Real>(action, constants->actions, 1, constants->action_place[i], lane);
      target[i] = select(of_limbs<Real>(constants->driven[i], lane) > Real(0.5f), given, Real(0.0f));
    }
    write_rows<Real>(rows.delayed, lane, delayed);
    write_rows<Real>(rows.control, lane, target);
  }
};

/// Delays the policy's sensor readings by a share of a control step: they become an interpolation between the last
/// control step's and this one's, noise included. Pixels, which come first, have a delay of their own.
struct DelayReadings {
  const float* delay;   ///< of environment e at [e * group]: 0 to 1 [control steps]
  const float* age;     ///< [env]: 0 at an episode's start, before which there is nothing to read
  const float* sensed;  ///< [size]: 1 for readings of sensors, 0 for the command and the last action
  Index group;
  int pixels, size;
  bool begin;          ///< all episodes start
  float* last;         ///< [env][size]
  float* observation;  ///< [env][size]

  template <class Real>
  STAMPEDE_FN void operator()(Index env) const {
    const Real none(0.0f), share = load_strided<Real>(delay + env * group, group);
    const Real late = begin ? none : select(load<Real>(age + env) > Real(0.5f), share, none);
    STAMPEDE_NO_UNROLL
    for (int i = pixels; i < size; ++i) {
      const Index at = env * size + i;
      const Real now = load_strided<Real>(observation + at, size), before = load_strided<Real>(last + at, size);
      store_strided(last + at, size, now);
      store_strided(observation + at, size, select(late * Real(sensed[i]) > none, now + (before - now) * late, now));
    }
  }
};

/// The environments' states in MuJoCo's coordinates: qpos, then qvel; row r of environment e goes to [r][stride].
template <class Shape, class LaneReal>
struct CopyCoordinates {
  using Real = LaneReal;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const LeggedConstants* constants;
  RowsView<float> state;
  float* to;
  Index stride;

  template <class>
  STAMPEDE_FN void operator()(Index lane) const {
    const auto s = read_rows<PhysicsState<Real, J>, Real>(state, lane);
    put_coordinates<Shape>(*constants, coordinates_of(s), to, stride, lane, Real(0.0f) < Real(1.0f));
  }
};

}  // namespace stampede
