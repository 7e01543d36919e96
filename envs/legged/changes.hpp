#pragma once
/// \file What a control step of walking robots changed, for rewards and constraints.

#include "envs/legged/robot_rows.hpp"

namespace stampede {

/// A force [N, N m], work [J] or velocity [m/s, rad/s] above this shows that the robot's state is about to overflow.
inline constexpr float kLargestSane = 1e8f;

/// Where the numbers of a struct are all finite and of no larger size.
template <class Real, class Struct>
STAMPEDE_FN MaskOf<Real> all_sane(const Struct& s) {
  MaskOf<Real> sane = abs(get_row<Real>(s, 0)) <= Real(kLargestSane);
  STAMPEDE_UNROLL
  for (int r = 1; r < kRows<Struct, Real>; ++r) sane = sane && abs(get_row<Real>(s, r)) <= Real(kLargestSane);
  return sane;
}

/// Clears the records of environments whose step the physics refused (PhysicsRecord::held), or in which a force or
/// velocity has overflowed or is about to: rewards and constraints must not be computed from them. Returns where, the
/// same in the lanes of a group.
template <class Shape, class Real, int J>
STAMPEDE_FN MaskOf<Real> drop_broken_records(const PhysicsState<Real, J>& s, PhysicsRecord<Real, J>& record) {
  const Real none(0.0f), one(1.0f);
  const MaskOf<Real> sane =
      all_sane<Real>(record) && all_sane<Real>(s.v) && all_sane<Real>(s.velocity) && all_sane<Real>(s.spin);
  const MaskOf<Real> broken =
      group_sum<Shape::kGroup>(select(record.held > Real(0.5f) || !sane, one, none)) > Real(0.5f);
  if (any_together(broken)) record = select_all<Real>(broken, fill_rows<PhysicsRecord<Real, J>>(none), record);
  return broken;
}

/// What the step changed, for rewards and constraints. Stores in `carried` what the next step is compared with.
template <class Shape, class Real, int J>
STAMPEDE_FN LeggedChange<Real, J> note_changes(const LeggedConstants& c, Index lane, const PhysicsState<Real, J>& s,
                                               const PhysicsRecord<Real, J>& record, const Array<Real, J>& target,
                                               LeggedLane<Real, J>& carried) {
  constexpr int K = Shape::kGroup;
  const Real none(0.0f), one(1.0f);
  LeggedChange<Real, J> change;
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    change.acceleration[i] = (s.v[i] - carried.velocity[i]) * Real(1.0f / c.control_dt);
    const Real action =
        (target[i] - of_limbs<Real>(c.default_position[i], lane)) * of_limbs<Real>(c.inverse_action_scale[i], lane);
    change.action[i] = action - carried.action[i];
    carried.action[i] = action;
  }
  const MaskOf<Real> was_down = carried.air_time >= none;  // since the episode's start; see kNotYetDown
  change.touchdown = select(was_down, record.touches * (one - carried.touched), none);
  change.air_time = carried.air_time + Real(c.control_dt);
  carried.air_time = select(record.touches > Real(0.5f), none, select(was_down, change.air_time, carried.air_time));
  carried.touched = record.touches;
  carried.foot_force = record.force[J + 1];
  carried.command_age += one;
  Real upper = record.force[0];
  STAMPEDE_UNROLL
  for (int i = 1; i < J; ++i) upper = max(upper, record.force[i]);
  change.base_force = group_max<K>(record.force[0]);
  change.body_force = group_max<K>(upper);
  change.leg_force = record.force[J];
  return change;
}

}  // namespace stampede
