#pragma once
/// \file The end of a control step of walking robots: rewards, constraints, ends, starts and observations.

#include "envs/legged/changes.hpp"
#include "envs/legged/start.hpp"

namespace stampede {

/// What follows the physics in a control step. A lane's steps are listed in `operator()`, in their order.
template <class Shape, class LaneReal>
struct FinishStep {
  using Real = LaneReal;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  using State = PhysicsState<Real, J>;
  using Carried = LeggedLane<Real, J>;
  using Record = PhysicsRecord<Real, J>;
  using Change = LeggedChange<Real, J>;
  using View = LeggedView<Shape, Real>;

  LeggedTask task;
  const std::uint32_t* clock;
  std::uint32_t offset;
  StepOutput out;
  float* totals;       ///< [kLeggedTotals][stride]: added to
  float* last_finite;  ///< [nq + nv][stride]: coordinates before the last step that was `bad`
  // What the step's formulas gave (envs/legged/formulas.hpp), [stride] each; null where there are none.
  const float* formula_reward = nullptr;
  const float* formula_end = nullptr;  ///< 1 where one of them ends the episode, else 0

  template <class>
  STAMPEDE_FN void operator()(Index lane) const {
    const std::uint32_t now = *clock + offset + 1;
    auto s = read_rows<State, Real>(task.rows.state, lane);
    auto carried = read_rows<Carried, Real>(task.rows.carried, lane);
    auto record = read_rows<Record, Real>(task.rows.record, lane);
    const auto target = read_rows<Array<Real, J>, Real>(task.rows.control, lane);

    const MaskOf<Real> broken = drop_broken_records<Shape>(s, record);
    const Change change = note_changes<Shape>(*task.constants, lane, s, record, target, carried);
    const View seen(*task.constants, task.ground, lane, s, carried);
    const Real distance = note_progress(seen, carried);
    const Reward reward = sum_rewards(seen, record, change, broken);
    const MaskOf<Real> violated = judge_constraints(seen, record, change, reward.bad);
    const Ending ending = end_episodes(seen, carried, change, reward, violated);
    write_results(seen, record, distance, reward, ending);
    count_over_slots(lane);
    if (any_together(ending.ended)) {
      write_final_observation(seen);
      keep_last_observation(lane);
      keep_last_finite(lane, reward.bad);
      count_finished(lane, ending);
      start_anew(lane, now, ending.ended, distance, target, s, carried);
    }
    renew_commands(lane, now, carried);
    steer(*task.constants, s, carried);
    push_bases(lane, now, ending.ended, s);
    write_back(lane, s, carried);
    write_next_observations(lane, now, s, carried);
  }

 private:
  struct Reward {
    Real value;
    MaskOf<Real>
        bad;  ///< the state is broken or the reward not finite: the episode ends, and nothing of the step counts
  };

  struct Ending {
    MaskOf<Real> terminated;   ///< by a fall, a bad state or a constraint
    MaskOf<Real> ended;        ///< terminated, or at the time limit
    Real age, episode_return;  ///< this step included
  };

  /// On ground of tiles: adds to `commanded` and `covered`, by which the level of the next episode is decided. Returns
  /// the robot's horizontal distance from where episodes start on its tile [m]; 0 without tiles.
  STAMPEDE_FN Real note_progress(const View& seen, Carried& carried) const {
    const LeggedConstants& c = *task.constants;
    const Real none(0.0f);
    if (c.levels == 0) return none;
    const Vec3<Real> away = seen.s.position - spawn_of<K>(c, task.ground, seen.lane, carried.level);
    const Vec3<Real>& u = carried.command;
    const Real speed = sqrt(u.x * u.x + u.y * u.y), dt(c.control_dt);
    const Real along = (u.x * seen.forward + u.y * seen.sideways) * reciprocal(max(speed, Real(1e-6f)));
    carried.commanded += speed * dt;
    carried.covered += max(none, min(along, speed)) * dt;
    add_to_total(kLevelTotal, seen.lane, carried.level);
    return sqrt(away.x * away.x + away.y * away.y);
  }

  /// The reward, never negative, and the sum of each term for the training's report.
  STAMPEDE_FN Reward sum_rewards(const View& seen, const Record& record, const Change& change,
                                 MaskOf<Real> broken) const {
    const LeggedConstants& c = *task.constants;
    const Real none(0.0f), one(1.0f);
    Real reward = formula_reward != nullptr ? load_each<K, Real>(formula_reward, seen.lane) : none;
    STAMPEDE_NO_UNROLL
    for (int term = 0; term < kRewardTermCount; ++term) {
      if (c.reward_weight[term] == 0.0f) continue;
      const Real part = reward_of<Shape>(static_cast<RewardTerm>(term), seen, record, change) *
                        Real(c.reward_weight[term] * c.control_dt);
      reward += part;
      add_to_total(term, seen.lane, select(is_finite(part) && !broken, part, none));
    }
    const MaskOf<Real> bad = group_sum<K>(select(is_finite(reward), none, one)) > Real(0.5f) || broken;
    return {select(bad, none, max(reward, none)), bad};
  }

  /// Writes the violations, where they are asked for. Returns where any constraint is violated.
  STAMPEDE_FN MaskOf<Real> judge_constraints(const View& seen, const Record& record, const Change& change,
                                             MaskOf<Real> bad) const {
    const LeggedConstants& c = *task.constants;
    MaskOf<Real> violated = Real(0.0f) > Real(1.0f);
    if (out.violation == nullptr && !c.constraints_end) return violated;
    STAMPEDE_NO_UNROLL
    for (int i = 0; i < c.constraints; ++i) {
      violated =
          judge<Shape>(c.constraint[i], seen, record, change, !bad, out.violation, out.violation_stride) || violated;
    }
    return violated;
  }

  /// Which episodes end here, with their age and return.
  STAMPEDE_FN Ending end_episodes(const View& seen, const Carried& carried, const Change& change, const Reward& reward,
                                  MaskOf<Real> violated) const {
    const LeggedConstants& c = *task.constants;
    const EnvironmentView& view = task.view;
    const Real age = load_each<K, Real>(view.age, seen.lane) + Real(1.0f);
    MaskOf<Real> terminated = reward.bad || change.base_force > Real(c.end_base_force) ||
                              change.body_force > Real(c.end_body_force) || seen.gravity.z > Real(c.end_gravity_z);
    if (c.end_drop > 0.0f && c.levels > 0) {
      const Real start = min(spawn_of<K>(c, task.ground, seen.lane, carried.level).z, Real(0.0f)) + Real(c.home_height);
      terminated = terminated || seen.s.position.z < start - Real(c.end_drop);
    }
    if (c.constraints_end) terminated = terminated || violated;
    if (formula_end != nullptr) {
      const Real end = load_each<K, Real>(formula_end, seen.lane);
      terminated = terminated || end > Real(0.5f);
    }
    const MaskOf<Real> ended = terminated || age >= Real(static_cast<float>(c.max_steps));
    return {terminated, ended, age, load_each<K, Real>(view.episode_return, seen.lane) + reward.value};
  }

  /// Writes reward, end and LeggedFigures of the step, and age and return of the episode that goes on or begins.
  STAMPEDE_FN void write_results(const View& seen, const Record& record, Real distance, const Reward& reward,
                                 const Ending& ending) const {
    const EnvironmentView& view = task.view;
    const Index lane = seen.lane;
    const Real none(0.0f);
    store_each<K>(out.reward, lane, reward.value);
    store_each<K>(out.ended, lane,
                  select(ending.terminated, Real(kTerminated), select(ending.ended, Real(kTimedOut), Real(kRunning))));
    if (out.figures != nullptr) write_figures(seen, record, distance);
    meet();  // by now all lanes of a group have read the age that its first one overwrites
    store_each<K>(view.age, lane, select(ending.ended, none, ending.age));
    store_each<K>(view.episode_return, lane, select(ending.ended, none, ending.episode_return));
  }

  STAMPEDE_FN void write_figures(const View& seen, const Record& record, Real distance) const {
    const Index lane = seen.lane;
    const auto put = [&](LeggedFigure figure, Real x) {
      store_each<K>(out.figures + static_cast<int>(figure) * task.view.stride, lane, x);
    };
    put(LeggedFigure::kVelocityX, seen.forward);
    put(LeggedFigure::kVelocityY, seen.sideways);
    put(LeggedFigure::kYawRate, seen.yaw_rate);
    put(LeggedFigure::kCommandX, seen.carried.command.x);
    put(LeggedFigure::kCommandY, seen.carried.command.y);
    put(LeggedFigure::kCommandYaw, seen.carried.command.z);
    put(LeggedFigure::kCommandAge, seen.carried.command_age);
    put(LeggedFigure::kPower, reward_of<Shape>(RewardTerm::kPower, seen, record, Change{}));
    // Bit i is set where the foot of limb i is on the ground.
    const Real bit = of_limbs<Real>(task.constants->limb_bit, lane);
    put(LeggedFigure::kFeet, group_sum<K>(record.touches * bit));
    put(LeggedFigure::kDistance, distance);
  }

  /// Moves the physics' count of contacts without a slot from the lanes to the environments.
  STAMPEDE_FN void count_over_slots(Index lane) const {
    const Real none(0.0f), over = load<Real>(task.rows.over_slots + lane);
    if (any_together(over > none)) {
      count_each<K>(task.view.count(kOverSlots), lane, group_sum<K>(over));
      store(task.rows.over_slots + lane, none);
    }
  }

  /// The privileged observation (else the policy's) of the last state, before the reset: time-outs are bootstrapped
  /// from it. Without noise.
  STAMPEDE_FN void write_final_observation(const View& seen) const {
    const LeggedConstants& c = *task.constants;
    const bool own = out.privileged_observation != nullptr;
    write_observation(seen, own ? c.privileged : c.policy, own ? c.privileged_terms : c.policy_terms,
                      own ? c.privileged_size : c.policy_size, static_cast<Random<Real>*>(nullptr),
                      out.final_observation);
  }

  /// The same in `last_observation`, of the environments that a time limit cut off: on a GPU the lanes of a group share
  /// its numbers.
  STAMPEDE_FN void keep_last_observation(Index lane) const {
    if (out.last_observation == nullptr) return;
    const LeggedConstants& c = *task.constants;
    const Index size = out.privileged_observation != nullptr ? c.privileged_size : c.policy_size;
    constexpr Index kTogether = kLanes<Real> == 1 ? K : 1;
    meet();  // by now all lanes of a group have written their numbers
    copy_timed_out(out.ended, out.final_observation, out.last_observation, lane / K, kLanes<Real> * kTogether / K, size,
                   lane % kTogether, kTogether);
  }

  /// Counts bad steps, and keeps the coordinates at their start.
  STAMPEDE_FN void keep_last_finite(Index lane, MaskOf<Real> bad) const {
    if (!any_together(bad)) return;
    count_each<K>(task.view.count(kNonfinite), lane, select(bad, Real(1.0f), Real(0.0f)));
    put_coordinates<Shape>(*task.constants,
                           read_rows<RobotCoordinates<Real, J>, Real>(task.rows.last_coordinates, lane), last_finite,
                           task.view.stride, lane, bad);
  }

  /// Adds the episodes that ended to the statistics, but for those that began at a random age.
  STAMPEDE_FN void count_finished(Index lane, const Ending& ending) const {
    const EnvironmentView& view = task.view;
    const Real none(0.0f), one(1.0f), whole = load_each<K, Real>(view.in_statistics, lane);
    const MaskOf<Real> counted = ending.ended && whole > Real(0.5f);
    store_each<K>(view.in_statistics, lane, select(ending.ended, one, whole));
    count_each<K>(view.count(kFinished), lane, select(counted, one, none));
    add_each(counted, view.finished_return, lane, ending.episode_return);
    add_each(counted, view.finished_length, lane, ending.age);
    add_each(counted && ending.terminated, view.finished_metric, lane, one);  // falls
  }

  /// Starts the next episode where one ended; on ground of tiles on the level that `next_level` gives, in evaluations
  /// on the level given.
  STAMPEDE_FN void start_anew(Index lane, std::uint32_t now, MaskOf<Real> ended, Real distance,
                              const Array<Real, J>& target, State& s, Carried& carried) const {
    const LeggedConstants& c = *task.constants;
    const LeggedRows& rows = task.rows;
    Real level = carried.level;
    if (c.levels > 0 && task.ground.level == nullptr) {
      Random<Real> random(task.seed, task.global_environments<K, Real>(lane), now, Purpose::kLevel);
      level = next_level(c, carried, distance, random);
    }
    LeggedStart<Shape, Real> start = start_legged<Shape, Real>(task, lane, now, level);
    s = select_all<Real>(ended, start.state, s);
    carried = select_all<Real>(ended, start.carried, carried);
    write_rows<Real>(
        rows.variation, lane,
        select_all<Real>(ended, start.variation, read_rows<PhysicsVariation<Real, J>, Real>(rows.variation, lane)));
    write_rows<Real>(rows.control, lane, select_all<Real>(ended, start.control, target));
    auto delayed = read_rows<DelayedControl<Real, J>, Real>(rows.delayed, lane);
    delayed.steps = select(ended, start.delay, delayed.steps);
    write_rows<Real>(rows.delayed, lane, delayed);
  }

  /// Draws new commands where the last ones are `command_steps` old; in evaluations the given ones stay.
  STAMPEDE_FN void renew_commands(Index lane, std::uint32_t now, Carried& carried) const {
    const LeggedConstants& c = *task.constants;
    if (task.commands != nullptr) {
      give_command<K>(task, lane, carried);
      return;
    }
    const MaskOf<Real> anew = carried.command_age >= Real(static_cast<float>(c.command_steps));
    if (!any_together(anew)) return;
    Random<Real> random(task.seed, task.global_environments<K, Real>(lane), now, Purpose::kCommand);
    const Vec3<Real> command = draw_command(c, random);
    const Real heading = draw_heading(c, random);
    carried.command = select(anew, command, carried.command);
    carried.heading = select(anew, heading, carried.heading);
    carried.command_age = select(anew, Real(0.0f), carried.command_age);
  }

  /// With `push_probability` in each step sets a base's horizontal velocity to a random one, as a push would.
  STAMPEDE_FN void push_bases(Index lane, std::uint32_t now, MaskOf<Real> ended, State& s) const {
    const LeggedConstants& c = *task.constants;
    if (!(c.push_velocity > 0.0f)) return;
    Random<Real> push(task.seed, task.global_environments<K, Real>(lane), now, Purpose::kPush);
    const MaskOf<Real> pushed = push.uniform() < Real(c.push_probability) && !ended;
    const Real most(c.push_velocity);
    const Real x = push.uniform(-most, most), y = push.uniform(-most, most);
    s.velocity = {select(pushed, x, s.velocity.x), select(pushed, y, s.velocity.y), s.velocity.z};
  }

  STAMPEDE_FN void write_back(Index lane, const State& s, Carried& carried) const {
    write_rows<Real>(task.rows.state, lane, s);
    write_rows<Real>(task.rows.last_coordinates, lane, coordinates_of(s));
    carried.velocity = s.v;
    write_rows<Real>(task.rows.carried, lane, carried);
  }

  /// What the next actions are chosen from: the policy's observation with noise, and the privileged one
  /// where there is one.
  STAMPEDE_FN void write_next_observations(Index lane, std::uint32_t now, const State& s,
                                           const Carried& carried) const {
    const LeggedConstants& c = *task.constants;
    const View next(c, task.ground, lane, s, carried);
    Random<Real> noise(task.seed, task.global_lanes<K, Real>(lane), now, Purpose::kNoise);
    write_observation(next, c.policy, c.policy_terms, c.policy_size, &noise, out.observation);
    if (out.privileged_observation == nullptr) return;
    write_observation(next, c.privileged, c.privileged_terms, c.privileged_size, static_cast<Random<Real>*>(nullptr),
                      out.privileged_observation);
  }

  STAMPEDE_FN static void add_each(MaskOf<Real> mask, float* to, Index lane, Real x) {
    store_each<K>(to, lane, load_each<K, Real>(to, lane) + select(mask, x, Real(0.0f)));
  }

  STAMPEDE_FN void add_to_total(int row, Index lane, Real x) const {
    float* const sum = totals + row * task.view.stride;
    store_each<K>(sum, lane, load_each<K, Real>(sum, lane) + x);
  }
};

}  // namespace stampede
