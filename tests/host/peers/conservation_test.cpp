/// \file Laws that hold whatever the algorithm: momentum and energy in flight, rest, and Coulomb's friction.
///
/// Momentum and energy are MuJoCo's, of the states that are read back. Semi-implicit Euler itself changes them, in the first
/// order of the time step (the angular momentum of a robot in flight by about 1e-3 in 10 s at 2 ms, in MuJoCo as here), so
/// the law is looked for where the time step goes to 0, and at one time step MuJoCo's change is the measure.

#include "tests/host/peers/testing.hpp"

namespace stampede::test {
namespace {

constexpr double kSeconds = 10;

struct Laws {
  Numbers linear, angular;  ///< [kg m/s], about the centre of mass [kg m^2/s]
  double energy;            ///< [J]
};
Laws laws_of(const mjModel* m, mjData* d, const RobotState& s) {
  mju_copy(d->qpos, s.qpos.data(), m->nq);
  mju_copy(d->qvel, s.qvel.data(), m->nv);
  mj_fwdPosition(m, d);
  mj_fwdVelocity(m, d);
  mj_subtreeVel(m, d);
  mj_energyPos(m, d);
  mj_energyVel(m, d);
  Laws laws;
  for (int i = 0; i < 3; ++i) laws.linear.push_back(m->body_subtreemass[1] * d->subtree_linvel[3 + i]);
  laws.angular.assign(d->subtree_angmom + 3, d->subtree_angmom + 6);
  laws.energy = d->energy[0] + d->energy[1];
  return laws;
}

/// A robot on which nothing acts, not even gravity.
CompiledRobot in_flight(const std::string& name, double timestep) {
  LoadOptions options;
  options.timestep = timestep;
  CompiledRobot compiled = load_robot(name, options);
  remove_constraints(compiled);
  mjModel* m = compiled.model.get();
  m->opt.disableflags |= mjDSBL_ACTUATION | mjDSBL_GRAVITY;
  mju_zero(m->dof_damping, static_cast<int>(m->nv));
  RobotModel& robot = compiled.robot;
  robot.gravity = {0, 0, 0};
  robot.options.implicit_damping = robot.options.implicit_actuators = false;
  for (JointModel<double>& j : robot.joint) {
    j.damping = j.servo = j.gain = j.bias = j.stiffness = j.velocity_gain = 0;
  }
  return compiled;
}

constexpr int kEnvs = 8;

std::vector<RobotState> starts(const mjModel* m, double speed = 1) {
  std::mt19937_64 generator(1);
  std::vector<RobotState> states;
  for (int env = 0; env < kEnvs; ++env) states.push_back(random_state(m, generator, speed));
  return states;
}

std::vector<RobotState> fly(const RobotModel& robot, std::vector<RobotState> states, bool in_double) {
  const auto simulation = simulate(robot, kEnvs, in_double);
  for (int env = 0; env < kEnvs; ++env) {
    simulation->set_state(env, states[at(env)].qpos.data(), states[at(env)].qvel.data());
  }
  simulation->step(0, static_cast<int>(std::lround(kSeconds / robot.options.timestep)));
  EXPECT_EQ(simulation->counts().held, 0);
  for (int env = 0; env < kEnvs; ++env) {
    simulation->get_state(env, states[at(env)].qpos.data(), states[at(env)].qvel.data());
  }
  return states;
}

void expect_conserved(const std::string& name, double speed) {
  // The change at time steps h, h / 2 and h / 4: a polynomial through them has its value at 0 there.
  constexpr double kStep = 0.001;
  std::vector<Laws> before;
  std::vector<Laws> after[3];
  for (int halving = 0; halving < 3; ++halving) {
    const CompiledRobot compiled = in_flight(name, kStep / (1 << halving));
    const mjModel* m = compiled.model.get();
    DataHandle data(mj_makeData(m));
    const std::vector<RobotState> start = starts(m, speed), end = fly(compiled.robot, start, true);
    for (int env = 0; env < kEnvs; ++env) {
      if (halving == 0) before.push_back(laws_of(m, data.get(), start[at(env)]));
      after[halving].push_back(laws_of(m, data.get(), end[at(env)]));
    }
  }
  Numbers linear, angular, energy, coarse;
  for (std::size_t env = 0; env < before.size(); ++env) {
    const auto limit = [&](double whole, double half, double quarter) { return (whole - 6 * half + 8 * quarter) / 3; };
    const Laws &b = before[env], &h = after[0][env], &h2 = after[1][env], &h4 = after[2][env];
    Numbers p(3), l(3);
    for (std::size_t i = 0; i < 3; ++i) {
      p[i] = limit(h.linear[i], h2.linear[i], h4.linear[i]);
      l[i] = limit(h.angular[i], h2.angular[i], h4.angular[i]);
    }
    linear.push_back(distance(p, b.linear.data()) / norm(b.linear));
    angular.push_back(distance(l, b.angular.data()) / norm(b.angular));
    energy.push_back(std::abs(limit(h.energy, h2.energy, h4.energy) - b.energy) / b.energy);
    coarse.push_back(distance(h.angular, b.angular.data()) / norm(b.angular));
  }
  for (const auto& [law, errors] : {std::pair("linear", linear), {"angular", angular}, {"energy", energy}}) {
    EXPECT_TRUE(quantile(errors, 0.5) <= 1e-5) << law << ": " << quantile(errors, 0.5);
    figure(std::string(law) + " median", quantile(errors, 0.5));
    figure(std::string(law) + " largest", quantile(errors, 1));
  }
  figure("angular at 1 ms", quantile(coarse, 0.5));
}

TEST(ConservationSlow, MomentumAndEnergyOfGo2) { expect_conserved("go2", 1); }
TEST(ConservationSlow, MomentumAndEnergyOfSolo) { expect_conserved("solo12", 0.5); }

void expect_no_worse_than_mujoco(const std::string& name) {
  const CompiledRobot compiled = in_flight(name, 0.002);
  const mjModel* m = compiled.model.get();
  DataHandle data(mj_makeData(m));
  const std::vector<RobotState> start = starts(m);
  const std::vector<RobotState> ends[2] = {fly(compiled.robot, start, false), fly(compiled.robot, start, true)};
  Numbers linear[2], angular[2], energy[2];
  for (int env = 0; env < kEnvs; ++env) {
    mj_resetData(m, data.get());
    RobotState peer = start[at(env)];
    mju_copy(data->qpos, peer.qpos.data(), m->nq);
    mju_copy(data->qvel, peer.qvel.data(), m->nv);
    for (int i = 0; i < static_cast<int>(std::lround(kSeconds / 0.002)); ++i) mj_step(m, data.get());
    peer.qpos.assign(data->qpos, data->qpos + m->nq);
    peer.qvel.assign(data->qvel, data->qvel + m->nv);
    const Laws before = laws_of(m, data.get(), start[at(env)]), theirs = laws_of(m, data.get(), peer);
    for (int precision = 0; precision < 2; ++precision) {
      const Laws ours = laws_of(m, data.get(), ends[precision][at(env)]);
      // What is changed beyond MuJoCo's change, relative to what there was.
      const auto excess = [](double change, double change_of_theirs, double scale) {
        return (change - 1.1 * change_of_theirs) / scale;
      };
      linear[precision].push_back(excess(distance(ours.linear, before.linear.data()),
                                         distance(theirs.linear, before.linear.data()), norm(before.linear)));
      angular[precision].push_back(excess(distance(ours.angular, before.angular.data()),
                                          distance(theirs.angular, before.angular.data()), norm(before.angular)));
      energy[precision].push_back(
          excess(std::abs(ours.energy - before.energy), std::abs(theirs.energy - before.energy), before.energy));
    }
  }
  const auto check = [](const char* law, const Numbers(&errors)[2], double in_float, double in_double) {
    EXPECT_TRUE(quantile(errors[0], 0.5) <= in_float) << law << " in float: " << quantile(errors[0], 0.5);
    EXPECT_TRUE(quantile(errors[1], 1) <= in_double) << law << " in double: " << quantile(errors[1], 1);
    figure(std::string(law) + " float median", quantile(errors[0], 0.5));
    figure(std::string(law) + " float largest", quantile(errors[0], 1));
    figure(std::string(law) + " double", quantile(errors[1], 1));
  };
  check("linear", linear, 1e-5, 1e-9);
  check("angular", angular, 1e-5, 1e-9);
  check("energy", energy, 1e-5, 1e-9);
}

TEST(Conservation, NoWorseThanMujocoGo2) { expect_no_worse_than_mujoco("go2"); }
TEST(Conservation, NoWorseThanMujocoBolt) { expect_no_worse_than_mujoco("bolt"); }

/// Soft friction creeps: at impratio 1, MuJoCo's go2 goes 4 cm in 10 s, and so does ours. With friction
/// as much stiffer as simulations of legged robots have it, what rests must stay.
TEST(Conservation, WhatRestsStaysAtRest) {
  for (const char* name : {"go2", "solo12", "hexapod"}) {
    SCOPED_TRACE(name);
    RobotModel robot = load_robot(name).robot;
    robot.options.impratio = 100;
    const auto simulation = simulate(robot, 1, false);
    const int second = static_cast<int>(std::lround(1 / robot.options.timestep));
    simulation->step(0, 4 * second);
    Numbers before(at(robot.nq)), after(before), qvel(at(robot.nv));
    simulation->get_state(0, before.data(), nullptr);
    EXPECT_GT(before[2], 0.7 * robot.home_qpos[2]);  // it stands
    simulation->step(0, 10 * second);
    simulation->get_state(0, after.data(), qvel.data());
    EXPECT_GT(simulation->inspect(0)[0].contacts, 2);
    EXPECT_TRUE(largest_difference(after, before.data()) <= 5e-3) << largest_difference(after, before.data());
    EXPECT_TRUE(largest(qvel) <= 1e-3) << largest(qvel);
    figure(std::string(name) + " moved", largest_difference(after, before.data()));
    figure(std::string(name) + " speed", largest(qvel));
  }
}

/// A flat block with a little pendulum inside that is held by damping: there are no robots without a joint.
CompiledRobot block() {
  return load_text(R"(<mujoco><option timestep="0.002" cone="elliptic"/><worldbody>
    <geom type="plane" size="0 0 1" contype="1" conaffinity="0" friction="0.8"/>
    <body pos="0 0 0.02"><freejoint/><inertial pos="0 0 0" mass="5" diaginertia="0.05 0.05 0.1"/>
      <geom type="box" size="0.2 0.2 0.02" contype="0" conaffinity="1" friction="0.8"/>
      <body><joint axis="0 1 0" damping="1" armature="0.01"/><inertial pos="0 0 0" mass="0.01" diaginertia="1e-5 1e-5 1e-5"/>
      </body></body></worldbody></mujoco>)");
}

/// The block's path and speed along x, after so many seconds under a gravity that is tilted towards x.
struct Slid {
  double path = 0, speed = 0, sideways = 0, up = 0;
};
Slid slide(const CompiledRobot& compiled, double tilt, double speed, double seconds, bool in_double) {
  Variation variation;
  variation.gravity = {9.81 * std::sin(tilt), 0, -9.81 * std::cos(tilt)};
  const auto simulation = simulate(compiled.robot, 2, in_double);
  const double qpos[8] = {0, 0, 0.02, 1, 0, 0, 0, 0}, qvel[7] = {speed, 0, 0, 0, 0, 0, 0};
  simulation->set_state(1, qpos, qvel);
  simulation->set_variation(1, variation);
  simulation->step(0, static_cast<int>(std::lround(seconds / compiled.robot.options.timestep)));
  double q[8], v[7];
  simulation->get_state(1, q, v);
  return {q[0], v[0], q[1], v[2]};
}
Slid slide_in_mujoco(const CompiledRobot& compiled, double tilt, double seconds) {
  const ModelHandle model = comparable_model(compiled.model.get());
  mjModel* m = model.get();
  solve_tightly(m, 1e-20);
  m->opt.gravity[0] = 9.81 * std::sin(tilt);
  m->opt.gravity[2] = -9.81 * std::cos(tilt);
  DataHandle data(mj_makeData(m));
  for (int i = 0; i < static_cast<int>(std::lround(seconds / m->opt.timestep)); ++i) mj_step(m, data.get());
  return {data->qpos[0], data->qvel[0], data->qpos[1], data->qvel[2]};
}

TEST(Conservation, InsideTheConeItCreepsNoMoreThanInMujoco) {
  const CompiledRobot compiled = block();
  for (const double slope : {0.2, 0.5, 0.75}) {
    SCOPED_TRACE(slope);
    const Slid theirs = slide_in_mujoco(compiled, std::atan(slope), 3);
    EXPECT_GT(theirs.path, 0);
    EXPECT_LT(theirs.path, 0.1);
    for (const bool in_double : {false, true}) {
      const Slid ours = slide(compiled, std::atan(slope), 0, 3, in_double);
      EXPECT_TRUE(ours.path <= 1.05 * theirs.path + 1e-6) << ours.path << " " << theirs.path;
      EXPECT_TRUE(ours.path >= 0.95 * theirs.path - 1e-6) << ours.path << " " << theirs.path;
      EXPECT_TRUE(std::abs(ours.sideways) <= 1e-5) << ours.sideways;
      figure("creep", ours.path / theirs.path - 1);
    }
  }
}

/// A block that slides on a soft ground hops, in MuJoCo as here: what it presses with is told by how fast it rises.
TEST(Conservation, OutsideTheConeItSlidesAsCoulombSays) {
  const CompiledRobot compiled = block();
  for (const bool in_double : {false, true}) {
    const auto expect_coulomb = [&](double tilt, double speed, double from, double to) {
      const Slid first = slide(compiled, tilt, speed, from, in_double),
                 last = slide(compiled, tilt, speed, to, in_double);
      const double pressed = 9.81 * std::cos(tilt) * (to - from) + last.up - first.up;  // per mass
      const double slowed = 9.81 * std::sin(tilt) * (to - from) - (last.speed - first.speed);
      EXPECT_GT(first.speed, 0.01);
      EXPECT_GT(last.speed, 0.01);
      EXPECT_NEAR(slowed, 0.8 * pressed, 0.02 * 0.8 * pressed);
      figure("Coulomb", slowed / (0.8 * pressed) - 1);
      figure("without rising", slowed / (0.8 * 9.81 * std::cos(tilt) * (to - from)) - 1);
    };
    // Faster and faster down a slope, slower and slower on the level.
    expect_coulomb(std::atan(1.2), 0, 0.5, 1.5);
    expect_coulomb(std::atan(0.9), 0, 0.5, 2.5);
    expect_coulomb(0, 3, 0.02, 0.3);
    expect_coulomb(0, 0.5, 0, 0.05);
  }
}

}  // namespace
}  // namespace stampede::test
