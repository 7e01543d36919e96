#pragma once
/// \file A control step of walking robots: actions in, the physics in between (host/simulate/robots.hpp), then rewards,
/// constraints, ends, starts and observations out.

#include "envs/batch.hpp"
#include "envs/legged/quantities.hpp"

namespace stampede {

/// The lanes' rows that a task works on.
struct LeggedRows {
  RowsView<float> state, variation, control, late, record;  ///< the robots'
  RowsView<float> memory;                                   ///< LeggedLane
  RowsView<float> good;                                     ///< RobotCoordinates at the end of the last control step
  float* over_slots;  ///< of the lanes, counted by the physics and taken from there after each control step
};

/// A robot's position and velocity: what of its state is neither the solver's nor the task's.
template <class Real, int J>
struct RobotCoordinates {
  Vec3<Real> position;
  Quat<Real> orientation;
  Vec3<Real> velocity, spin;
  Array<Real, J> q, v;
};
template <class Real, int J>
STAMPEDE_FN RobotCoordinates<Real, J> coordinates_of(const PhysicsState<Real, J>& s) {
  return {s.position, s.orientation, s.velocity, s.spin, s.q, s.v};
}

/// Writes them in MuJoCo's order, qpos, then qvel, where the mask says so: row r of environment e to [r][stride].
template <class Shape, class Real>
STAMPEDE_FN void put_coordinates(const LeggedConstants& c, const RobotCoordinates<Real, Shape::kJoints>& s, float* to,
                                 Index stride, Index lane, MaskOf<Real> mask) {
  constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const Real base[13] = {s.position.x,    s.position.y,    s.position.z, s.orientation.w, s.orientation.x,
                         s.orientation.y, s.orientation.z, s.velocity.x, s.velocity.y,    s.velocity.z,
                         s.spin.x,        s.spin.y,        s.spin.z};
  STAMPEDE_UNROLL
  for (int r = 0; r < 13; ++r) {
    float* const row = to + (r < 7 ? r : c.joints + r) * stride;
    store_each<K>(row, lane, select(mask, base[r], load_each<K, Real>(row, lane)));
  }
  const auto put = [&](int first, const LimbPlaces& places, Real x) {
    float* const rows = to + first * stride;
    const Real before = gather_from_rows<K, Real>(rows, 1, stride, places, lane);
    scatter_to_rows<K>(rows, 1, stride, places, lane, select(mask, x, before));
  };
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    put(7, c.joint_place[i], s.q[i]);
    put(c.joints + 13, c.joint_place[i], s.v[i]);
  }
}

/// What all kernels of a task's step work with.
struct LeggedTask {
  const LeggedConstants* constants;
  LeggedGround ground;
  LeggedRows rows;
  EnvironmentView view;
  const float* commands;  ///< in evaluations, instead of drawn ones: [3][stride]; null: drawn
  std::uint64_t seed;
};

/// No force [N, N m], work [J] or velocity [m/s, rad/s] of a robot is larger: its state is on the way to overflow.
inline constexpr float kLargestSane = 1e8f;

/// Where the numbers of a struct are no larger; nothing that is not finite is.
template <class Real, class Struct>
STAMPEDE_FN MaskOf<Real> all_sane(const Struct& s) {
  MaskOf<Real> sane = abs(get_row<Real>(s, 0)) <= Real(kLargestSane);
  STAMPEDE_UNROLL
  for (int r = 1; r < kRows<Struct, Real>; ++r) sane = sane && abs(get_row<Real>(s, r)) <= Real(kLargestSane);
  return sane;
}

/// Draws within a span.
template <class Real>
STAMPEDE_FN Real draw(Random<Real>& random, const Span& span) {
  return random.uniform(Real(span.low), Real(span.high));
}

/// Actions to controls: joint targets [rad], the last ones acting on for the environment's delay.
template <class Shape, class LaneReal>
struct ApplyActions {
  using Real = LaneReal;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const LeggedConstants* constants;
  LeggedRows rows;
  const float* action;  ///< [env][actions]: targets [rad]

  template <class>
  STAMPEDE_FN void operator()(Index lane) const {
    auto late = read_rows<LateControl<Real, J>, Real>(rows.late, lane);
    late.last = read_rows<Array<Real, J>, Real>(rows.control, lane);
    Array<Real, J> target;
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      const Real given = gather_from_rows<K, Real>(action, constants->actions, 1, constants->action_place[i], lane);
      target[i] = select(of_limbs<Real>(constants->driven[i], lane) > Real(0.5f), given, Real(0.0f));
    }
    write_rows<Real>(rows.late, lane, late);
    write_rows<Real>(rows.control, lane, target);
  }
};

/// A fresh start of the lanes' environments.
template <class Shape, class Real>
struct LeggedStart {
  static constexpr int J = Shape::kJoints;
  PhysicsState<Real, J> state;
  PhysicsVariation<Real, J> variation;
  LeggedLane<Real, J> memory;
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
    // Drawn whoever turns: && of a single environment would leave the draw out, and all that follow would be others.
    const MaskOf<Real> free = random.uniform() >= Real(c.straight_share);
    turns = turns && free;
  }
  return {select(walks, u.x, none), select(walks, u.y, none), select(turns, u.z, none)};
}

/// A start on the tile of a level.
template <class Shape, class Real>
STAMPEDE_CALLED LeggedStart<Shape, Real> start_legged(const LeggedTask& task, Index lane, std::uint32_t clock,
                                                      Real level) {
  constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const LeggedConstants& c = *task.constants;
  // The first draws for the whole robot, the second for each limb.
  Random<Real> environment(task.seed, environment_indices<K, Real>(lane), clock, Purpose::kReset);
  Random<Real> limb(task.seed, lane_indices<Real>(lane), clock, Purpose::kRandomise);
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
    // As high as the limb that has the highest ground below it needs it.
    const Real x = of_limbs<Real>(c.lowest_x, lane), y = of_limbs<Real>(c.lowest_y, lane);
    const Real ahead = cosine * cosine - sine * sine, aside = Real(2.0f) * sine * cosine;
    const Real ground =
        ground_height(task.ground, s.position.x + ahead * x - aside * y, s.position.y + aside * x + ahead * y);
    s.position.z = Real(c.home_height) + group_max<K>(ground - of_limbs<Real>(c.lowest_above, lane));
  }
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    const Real at = of_limbs<Real>(c.default_position[i], lane), driven = of_limbs<Real>(c.driven[i], lane);
    const Real low = of_limbs<Real>(c.position_low[i], lane), high = of_limbs<Real>(c.position_high[i], lane);
    s.q[i] = min(max(at * draw(limb, c.start_joint_factor), low), high);
    s.v[i] = driven * draw(limb, c.start_joint_velocity);
    start.control[i] = at * driven;
    start.memory.action[i] = none;
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
  start.memory.reading_delay = draw(environment, c.reading_delay);
  start.memory.foot_force = none;
  start.memory.air_time = Real(kNotYetDown);
  start.memory.touched = one;  // no foot touches down where an episode begins
  start.memory.command = draw_command(c, environment);
  start.memory.command_age = none;
  start.memory.friction = v.friction;
  start.memory.velocity = s.v;
  start.memory.level = level;
  start.memory.commanded = start.memory.covered = none;
  return start;
}

/// The command that an evaluation gives an environment.
template <int K, class Real>
STAMPEDE_FN Vec3<Real> given_command(const LeggedTask& task, Index lane) {
  const float* const commands = task.commands;
  const Index stride = task.view.stride;
  return {load_each<K, Real>(commands, lane), load_each<K, Real>(commands + stride, lane),
          load_each<K, Real>(commands + 2 * stride, lane)};
}

/// Starts all environments anew; with `random_phase` at random ages.
template <class Shape, class LaneReal>
struct ResetLegged {
  using Real = LaneReal;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  LeggedTask task;
  bool random_phase;
  float *policy, *critic;  ///< [env][size]; critic null where both look at the same

  template <class>
  STAMPEDE_FN void operator()(Index lane) const {
    const LeggedConstants& c = *task.constants;
    const LeggedRows& rows = task.rows;
    const EnvironmentView& view = task.view;
    Real level(0.0f);
    if (c.levels > 0) {
      Random<Real> random(task.seed, environment_indices<K, Real>(lane), 0, Purpose::kLevel);
      level = draw_level(random, c.start_levels);
      if (task.ground.level != nullptr) level = load_each<K, Real>(task.ground.level, lane);
    }
    LeggedStart<Shape, Real> start = start_legged<Shape, Real>(task, lane, 0, level);
    if (task.commands != nullptr) start.memory.command = given_command<K, Real>(task, lane);
    Random<Real> phase(task.seed, environment_indices<K, Real>(lane), 0, Purpose::kPhase);
    const Real age = to_real<Real>(to_int(phase.uniform() * Real(static_cast<float>(c.max_steps))));
    store_each<K>(view.age, lane, random_phase ? age : Real(0.0f));
    store_each<K>(view.episode_return, lane, Real(0.0f));
    store_each<K>(view.whole, lane, random_phase ? select(age == Real(0.0f), Real(1.0f), Real(0.0f)) : Real(1.0f));
    write_rows<Real>(rows.state, lane, start.state);
    write_rows<Real>(rows.good, lane, coordinates_of(start.state));
    write_rows<Real>(rows.variation, lane, start.variation);
    write_rows<Real>(rows.memory, lane, start.memory);
    write_rows<Real>(rows.control, lane, start.control);
    write_rows<Real>(rows.late, lane, LateControl<Real, J>{start.control, start.delay});
    const LeggedView<Shape, Real> seen(c, task.ground, lane, start.state, start.memory);
    Random<Real> noise(task.seed, lane_indices<Real>(lane), 0, Purpose::kNoise);
    write_observation(seen, c.policy, c.policy_terms, c.policy_size, &noise, policy);
    if (critic == nullptr) return;
    write_observation(seen, c.critic, c.critic_terms, c.critic_size, static_cast<Random<Real>*>(nullptr), critic);
  }
};

/// After the physics of a control step.
template <class Shape, class LaneReal>
struct FinishStep {
  using Real = LaneReal;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  LeggedTask task;
  const std::uint32_t* clock;
  std::uint32_t offset;
  StepOutput out;
  float* totals;     ///< [kLeggedTotals][stride]: added to
  float* last_good;  ///< [nq + nv][stride]: coordinates before the last that were not finite

  template <class>
  STAMPEDE_FN void operator()(Index lane) const {
    const LeggedConstants& c = *task.constants;
    const LeggedRows& rows = task.rows;
    const EnvironmentView& view = task.view;
    const std::uint64_t seed = task.seed;
    const Real none(0.0f), one(1.0f);
    const std::uint32_t now = *clock + offset + 1;
    auto s = read_rows<PhysicsState<Real, J>, Real>(rows.state, lane);
    auto memory = read_rows<LeggedLane<Real, J>, Real>(rows.memory, lane);
    auto record = read_rows<PhysicsRecord<Real, J>, Real>(rows.record, lane);
    const auto target = read_rows<Array<Real, J>, Real>(rows.control, lane);
    // Before anything is judged by it: where the state was held, or a force or velocity overflowed or is about to, nothing
    // that was recorded counts.
    const MaskOf<Real> sane =
        all_sane<Real>(record) && all_sane<Real>(s.v) && all_sane<Real>(s.velocity) && all_sane<Real>(s.spin);
    const MaskOf<Real> broken = group_sum<K>(select(record.held > Real(0.5f) || !sane, one, none)) > Real(0.5f);
    if (any_together(broken)) {
      record = select_all<Real>(broken, fill_rows<PhysicsRecord<Real, J>>(none), record);
    }

    // ---- what the step changed
    LeggedChange<Real, J> change;
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      change.acceleration[i] = (s.v[i] - memory.velocity[i]) * Real(1.0f / c.control_dt);
      const Real action =
          (target[i] - of_limbs<Real>(c.default_position[i], lane)) * of_limbs<Real>(c.inverse_action_scale[i], lane);
      change.action[i] = action - memory.action[i];
      memory.action[i] = action;
    }
    const MaskOf<Real> was_down = memory.air_time >= none;
    change.touchdown = select(was_down, record.touches * (one - memory.touched), none);
    change.air_time = memory.air_time + Real(c.control_dt);
    memory.air_time = select(record.touches > Real(0.5f), none, select(was_down, change.air_time, memory.air_time));
    memory.touched = record.touches;
    memory.foot_force = record.force[J + 1];
    memory.command_age += one;
    Real upper = record.force[0];
    STAMPEDE_UNROLL
    for (int i = 1; i < J; ++i) upper = max(upper, record.force[i]);
    change.base_force = group_max<K>(record.force[0]);
    change.body_force = group_max<K>(upper);
    change.leg_force = record.force[J];

    const LeggedView<Shape, Real> seen(c, task.ground, lane, s, memory);
    Real distance = none;
    if (c.levels > 0) {
      const Vec3<Real> away = s.position - spawn_of<K>(c, task.ground, lane, memory.level);
      distance = sqrt(away.x * away.x + away.y * away.y);
      const Vec3<Real>& u = memory.command;
      const Real speed = sqrt(u.x * u.x + u.y * u.y), dt(c.control_dt);
      const Real along = (u.x * seen.forward + u.y * seen.sideways) * reciprocal(max(speed, Real(1e-6f)));
      memory.commanded += speed * dt;
      memory.covered += max(none, min(along, speed)) * dt;
      add_to_total(kLevelTotal, lane, memory.level);
    }

    // ---- rewards
    Real reward = none;
    STAMPEDE_NO_UNROLL
    for (int term = 0; term < kRewardTermCount; ++term) {
      if (c.reward_weight[term] == 0.0f) continue;
      const Real part = reward_of<Shape>(static_cast<RewardTerm>(term), seen, record, change) *
                        Real(c.reward_weight[term] * c.control_dt);
      reward += part;
      add_to_total(term, lane, select(is_finite(part) && !broken, part, none));
    }
    const MaskOf<Real> bad = group_sum<K>(select(is_finite(reward), none, one)) > Real(0.5f) || broken;
    reward = select(bad, none, max(reward, none));

    // ---- constraints
    MaskOf<Real> violated = none > one;
    if (out.violation != nullptr || c.constraints_end) {
      STAMPEDE_NO_UNROLL
      for (int i = 0; i < c.constraints; ++i) {
        violated =
            judge<Shape>(c.constraint[i], seen, record, change, !bad, out.violation, out.violation_stride) || violated;
      }
    }

    // ---- ends
    const Real age = load_each<K, Real>(view.age, lane) + one;
    MaskOf<Real> terminated = bad || change.base_force > Real(c.end_base_force) ||
                              change.body_force > Real(c.end_body_force) || seen.gravity.z > Real(c.end_gravity_z);
    if (c.constraints_end) terminated = terminated || violated;
    const MaskOf<Real> ended = terminated || age >= Real(static_cast<float>(c.max_steps));
    const Real episode_return = load_each<K, Real>(view.episode_return, lane) + reward;
    store_each<K>(out.reward, lane, reward);
    store_each<K>(out.ended, lane,
                  select(terminated, Real(kTerminated), select(ended, Real(kTimedOut), Real(kRunning))));
    if (out.figures != nullptr) write_figures(seen, record, distance, lane);
    store_each<K>(view.age, lane, select(ended, none, age));
    store_each<K>(view.episode_return, lane, select(ended, none, episode_return));
    const Real over = load<Real>(rows.over_slots + lane);
    if (any_together(over > none)) {
      count_each<K>(view.count(kOverSlots), lane, group_sum<K>(over));
      store(rows.over_slots + lane, none);
    }

    if (any_together(ended)) {
      const bool own = out.critic_observation != nullptr;
      write_observation(seen, own ? c.critic : c.policy, own ? c.critic_terms : c.policy_terms,
                        own ? c.critic_size : c.policy_size, static_cast<Random<Real>*>(nullptr),
                        out.final_observation);
      if (any_together(bad)) {
        count_each<K>(view.count(kNonfinite), lane, select(bad, one, none));
        put_coordinates<Shape>(c, read_rows<RobotCoordinates<Real, J>, Real>(rows.good, lane), last_good, view.stride,
                               lane, bad);
      }
      const Real whole = load_each<K, Real>(view.whole, lane);
      const MaskOf<Real> counted = ended && whole > Real(0.5f);
      store_each<K>(view.whole, lane, select(ended, one, whole));
      count_each<K>(view.count(kFinished), lane, select(counted, one, none));
      add_each(counted, view.finished_return, lane, episode_return);
      add_each(counted, view.finished_length, lane, age);
      add_each(counted && terminated, view.finished_metric, lane, one);  // falls
      Real level = memory.level;
      if (c.levels > 0 && task.ground.level == nullptr) {
        Random<Real> random(seed, environment_indices<K, Real>(lane), now, Purpose::kLevel);
        level = next_level(c, memory, distance, random);
      }
      LeggedStart<Shape, Real> start = start_legged<Shape, Real>(task, lane, now, level);
      s = select_all<Real>(ended, start.state, s);
      memory = select_all<Real>(ended, start.memory, memory);
      write_rows<Real>(
          rows.variation, lane,
          select_all<Real>(ended, start.variation, read_rows<PhysicsVariation<Real, J>, Real>(rows.variation, lane)));
      write_rows<Real>(rows.control, lane, select_all<Real>(ended, start.control, target));
      auto late = read_rows<LateControl<Real, J>, Real>(rows.late, lane);
      late.steps = select(ended, start.delay, late.steps);
      write_rows<Real>(rows.late, lane, late);
    }

    // ---- what the world does
    Random<Real> random(seed, environment_indices<K, Real>(lane), now, Purpose::kCommand);
    if (task.commands != nullptr) {
      memory.command = given_command<K, Real>(task, lane);
    } else {
      const MaskOf<Real> anew = memory.command_age >= Real(static_cast<float>(c.command_steps));
      if (any_together(anew)) {
        const Vec3<Real> command = draw_command(c, random);
        memory.command = select(anew, command, memory.command);
        memory.command_age = select(anew, none, memory.command_age);
      }
    }
    if (c.push_velocity > 0.0f) {
      Random<Real> push(seed, environment_indices<K, Real>(lane), now, Purpose::kPush);
      const MaskOf<Real> pushed = push.uniform() < Real(c.push_probability) && !ended;
      const Real most(c.push_velocity);
      const Real x = push.uniform(-most, most), y = push.uniform(-most, most);
      s.velocity = {select(pushed, x, s.velocity.x), select(pushed, y, s.velocity.y), s.velocity.z};
    }

    write_rows<Real>(rows.state, lane, s);
    write_rows<Real>(rows.good, lane, coordinates_of(s));
    memory.velocity = s.v;
    write_rows<Real>(rows.memory, lane, memory);
    const LeggedView<Shape, Real> next(c, task.ground, lane, s, memory);
    Random<Real> noise(seed, lane_indices<Real>(lane), now, Purpose::kNoise);
    write_observation(next, c.policy, c.policy_terms, c.policy_size, &noise, out.observation);
    if (out.critic_observation == nullptr) return;
    write_observation(next, c.critic, c.critic_terms, c.critic_size, static_cast<Random<Real>*>(nullptr),
                      out.critic_observation);
  }

 private:
  STAMPEDE_FN static void add_each(MaskOf<Real> mask, float* to, Index lane, Real x) {
    store_each<K>(to, lane, load_each<K, Real>(to, lane) + select(mask, x, Real(0.0f)));
  }

  STAMPEDE_FN void add_to_total(int row, Index lane, Real x) const {
    float* const sum = totals + row * task.view.stride;
    store_each<K>(sum, lane, load_each<K, Real>(sum, lane) + x);
  }

  STAMPEDE_FN void write_figures(const LeggedView<Shape, Real>& seen, const PhysicsRecord<Real, J>& record,
                                 Real distance, Index lane) const {
    const auto put = [&](LeggedFigure figure, Real x) {
      store_each<K>(out.figures + static_cast<int>(figure) * task.view.stride, lane, x);
    };
    put(LeggedFigure::kVelocityX, seen.forward);
    put(LeggedFigure::kVelocityY, seen.sideways);
    put(LeggedFigure::kYawRate, seen.yaw_rate);
    put(LeggedFigure::kCommandX, seen.memory.command.x);
    put(LeggedFigure::kCommandY, seen.memory.command.y);
    put(LeggedFigure::kCommandYaw, seen.memory.command.z);
    put(LeggedFigure::kCommandAge, seen.memory.command_age);
    put(LeggedFigure::kPower, reward_of<Shape>(RewardTerm::kPower, seen, record, LeggedChange<Real, J>{}));
    // Feet on the ground as the digits of a binary number.
    const Real bit = of_limbs<Real>(task.constants->limb_bit, lane);
    put(LeggedFigure::kFeet, group_sum<K>(record.touches * bit));
    put(LeggedFigure::kDistance, distance);
  }
};

/// Lets what the policy reads of its sensors come late: between this reading and the last, noise and all.
struct DelayReadings {
  const float* delay;   ///< of environment e at [e * group], in control steps up to 1
  const float* age;     ///< [env]: 0 at an episode's start, before which there is nothing to read
  const float* sensed;  ///< [size]: 1 for sensors, 0 for what the policy knows by itself
  Index group;
  int size;
  bool begin;          ///< all episodes start
  float* last;         ///< [env][size]
  float* observation;  ///< [env][size]

  template <class Real>
  STAMPEDE_FN void operator()(Index env) const {
    const Real none(0.0f), share = load_strided<Real>(delay + env * group, group);
    const Real late = begin ? none : select(load<Real>(age + env) > Real(0.5f), share, none);
    STAMPEDE_NO_UNROLL
    for (int i = 0; i < size; ++i) {
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
