#pragma once
/// \file How episodes of walking tasks start: poses, velocities, commands, and what differs from one environment to the
/// next.

#include "envs/legged/robot_rows.hpp"

namespace stampede {

/// Draws within a span.
template <class Real>
STAMPEDE_FN Real draw(Random<Real>& random, const Span& span) {
  return random.uniform(Real(span.low), Real(span.high));
}

/// A fresh start of the lanes' environments.
template <class Shape, class Real>
struct LeggedStart {
  static constexpr int J = Shape::kJoints;
  PhysicsState<Real, J> state;
  PhysicsVariation<Real, J> variation;
  LeggedLane<Real, J> carried;
  Array<Real, J> control;
  Real delay;
};

/// A velocity to follow: forward and to the left [m/s], turning [rad/s].
template <class Real>
STAMPEDE_FN Vec3<Real> draw_command(const LeggedConstants& c, Random<Real>& random) {
  Vec3<Real> u{draw(random, c.command_x), draw(random, c.command_y), draw(random, c.command_yaw)};
  const Real none(0.0f), zone(c.dead_zone);
  const MaskOf<Real> stands = random.uniform() < Real(c.standing_share);
  const MaskOf<Real> walks = u.x * u.x + u.y * u.y >= zone * zone && !stands;
  MaskOf<Real> turns = abs(u.z) >= zone && !stands;
  if (c.straight_share > 0.0f) {
    // Drawn even where nothing turns: inside the && a single lane would skip it, and its later draws would differ from
    // those of a pack.
    const MaskOf<Real> free = random.uniform() >= Real(c.straight_share);
    turns = turns && free;
  }
  return {select(walks, u.x, none), select(walks, u.y, none), select(turns, u.z, none)};
}

/// A heading to turn to [rad]; 0 where turning is commanded instead.
template <class Real>
STAMPEDE_FN Real draw_heading(const LeggedConstants& c, Random<Real>& random) {
  return c.heading_gain > 0.0f ? draw(random, c.command_heading) : Real(0.0f);
}

/// The command as the robot gets it now: with a heading to turn to, the yaw rate is the gain x the sine of the angle
/// to it, within the range of yaw rates, and the fastest where it is more than a right angle away.
template <class Real, int J>
STAMPEDE_FN void steer(const LeggedConstants& c, const PhysicsState<Real, J>& s, LeggedLane<Real, J>& carried) {
  if (!(c.heading_gain > 0.0f)) return;
  const Real none(0.0f);
  const Vec3<Real> forward = s.orientation.matrix().x;
  const Real norm = reciprocal_sqrt(max(forward.x * forward.x + forward.y * forward.y, Real(1e-12f)));
  Real sine, cosine;
  sincos(carried.heading, sine, cosine);
  const Real aside = (sine * forward.x - cosine * forward.y) * norm;
  const Real ahead = cosine * forward.x + sine * forward.y;
  const Real low(c.command_yaw.low), high(c.command_yaw.high);
  const Real rate = select(ahead < none, select(aside < none, low, high), aside * Real(c.heading_gain));
  carried.command.z = max(low, min(high, rate));
}

/// A start on the environment's tile of the level.
template <class Shape, class Real>
STAMPEDE_CALLED LeggedStart<Shape, Real> start_legged(const LeggedTask& task, Index lane, std::uint32_t clock,
                                                      Real level) {
  constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const LeggedConstants& c = *task.constants;
  // The first draws numbers of the environment, the same in all its lanes; the second draws for each limb.
  Random<Real> environment(task.seed, task.global_environments<K, Real>(lane), clock, Purpose::kReset);
  Random<Real> limb(task.seed, task.global_lanes<K, Real>(lane), clock, Purpose::kRandomise);
  const Real none(0.0f), one(1.0f);
  LeggedStart<Shape, Real> start;
  PhysicsState<Real, J>& s = start.state;
  s = fill_rows<PhysicsState<Real, J>>(none);
  const Vec3<Real> spawn = spawn_of<K>(c, task.ground, lane, level);
  s.position = {draw(environment, c.start_position), draw(environment, c.start_position), Real(c.home_height)};
  s.position = s.position + spawn;
  Real sine, cosine;
  sincos(draw(environment, c.start_yaw) * Real(0.5f), sine, cosine);
  const Quat<float>& home = c.home_orientation;
  s.orientation =
      Quat<Real>{cosine, none, none, sine} * Quat<Real>{Real(home.w), Real(home.x), Real(home.y), Real(home.z)};
  if (c.on_ground && has_map(task.ground)) {
    // Each limb's lowest point has to be on the ground or above it: the limb that needs most height decides.
    const Real x = of_limbs<Real>(c.lowest_x, lane), y = of_limbs<Real>(c.lowest_y, lane);
    const Real ahead = cosine * cosine - sine * sine, aside = Real(2.0f) * sine * cosine;
    const Real ground = ground_height(task.ground, s.position.x + ahead * x - aside * y,
                                      s.position.y + aside * x + ahead * y, s.position.z);
    s.position.z = Real(c.home_height) + group_max<K>(ground - of_limbs<Real>(c.lowest_above, lane));
  }
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    const Real at = of_limbs<Real>(c.default_position[i], lane), driven = of_limbs<Real>(c.driven[i], lane);
    const Real low = of_limbs<Real>(c.position_low[i], lane), high = of_limbs<Real>(c.position_high[i], lane);
    s.q[i] = min(max(at * draw(limb, c.start_joint_factor), low), high);
    s.v[i] = driven * draw(limb, c.start_joint_velocity);
    start.control[i] = at * driven;
    start.carried.action[i] = none;
  }
  PhysicsVariation<Real, J>& v = start.variation;
  v = no_variation<Real, J>({Real(c.gravity[0]), Real(c.gravity[1]), Real(c.gravity[2])});
  v.friction = draw(environment, c.friction);
  v.base_mass = draw(environment, c.base_mass);
  v.base_centre = {draw(environment, c.base_centre), draw(environment, c.base_centre),
                   draw(environment, c.base_centre)};
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    v.mass[i] = draw(limb, c.mass);
    v.strength[i] = draw(limb, c.strength);
    v.servo[i] = draw(limb, c.stiffness);
    v.velocity_gain[i] = draw(limb, c.damping);
    v.armature[i] = draw(limb, c.armature);
    v.friction_loss[i] = draw(limb, c.friction_loss);
  }
  start.delay = draw(environment, c.delay);
  start.carried.reading_delay = draw(environment, c.reading_delay);
  start.carried.foot_force = none;
  start.carried.air_time = Real(kNotYetDown);
  start.carried.touched = one;  // no foot touches down where an episode begins
  start.carried.command = draw_command(c, environment);
  start.carried.heading = draw_heading(c, environment);
  start.carried.command_age = none;
  start.carried.friction = v.friction;
  start.carried.velocity = s.v;
  start.carried.level = level;
  start.carried.commanded = start.carried.covered = none;
  return start;
}

/// Sets the command that an evaluation gives an environment, whose third number is a heading where one is commanded.
template <int K, class Real, int J>
STAMPEDE_FN void give_command(const LeggedTask& task, Index lane, LeggedLane<Real, J>& carried) {
  const float* const commands = task.commands;
  const Index stride = task.view.stride;
  carried.heading = load_each<K, Real>(commands + 2 * stride, lane);
  carried.command = {load_each<K, Real>(commands, lane), load_each<K, Real>(commands + stride, lane), carried.heading};
}

/// Starts all environments anew; with `random_phase` at random ages.
template <class Shape, class LaneReal>
struct ResetLegged {
  using Real = LaneReal;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  LeggedTask task;
  bool random_phase;
  float *policy, *privileged;  ///< [env][size]; the second null where there is no such group

  template <class>
  STAMPEDE_FN void operator()(Index lane) const {
    const LeggedConstants& c = *task.constants;
    const LeggedRows& rows = task.rows;
    const EnvironmentView& view = task.view;
    Real level(0.0f);
    if (c.levels > 0) {
      Random<Real> random(task.seed, task.global_environments<K, Real>(lane), 0, Purpose::kLevel);
      level = draw_level(random, c.start_levels);
      if (task.ground.level != nullptr) level = load_each<K, Real>(task.ground.level, lane);
    }
    LeggedStart<Shape, Real> start = start_legged<Shape, Real>(task, lane, 0, level);
    if (task.commands != nullptr) give_command<K>(task, lane, start.carried);
    steer(c, start.state, start.carried);
    Random<Real> phase(task.seed, task.global_environments<K, Real>(lane), 0, Purpose::kPhase);
    const Real age = to_real<Real>(to_int(phase.uniform() * Real(static_cast<float>(c.max_steps))));
    store_each<K>(view.age, lane, random_phase ? age : Real(0.0f));
    store_each<K>(view.episode_return, lane, Real(0.0f));
    store_each<K>(view.in_statistics, lane,
                  random_phase ? select(age == Real(0.0f), Real(1.0f), Real(0.0f)) : Real(1.0f));
    write_rows<Real>(rows.state, lane, start.state);
    write_rows<Real>(rows.last_coordinates, lane, coordinates_of(start.state));
    write_rows<Real>(rows.variation, lane, start.variation);
    write_rows<Real>(rows.carried, lane, start.carried);
    write_rows<Real>(rows.control, lane, start.control);
    write_rows<Real>(rows.delayed, lane, DelayedControl<Real, J>{start.control, start.delay});
    const LeggedView<Shape, Real> seen(c, task.ground, lane, start.state, start.carried);
    Random<Real> noise(task.seed, task.global_lanes<K, Real>(lane), 0, Purpose::kNoise);
    write_observation(seen, c.policy, c.policy_terms, c.policy_size, &noise, policy);
    if (privileged == nullptr) return;
    write_observation(seen, c.privileged, c.privileged_terms, c.privileged_size, static_cast<Random<Real>*>(nullptr),
                      privileged);
  }
};

}  // namespace stampede
