/// \file What an environment does depends on nothing but itself: not on its place, its neighbours, or the number of
/// threads; what is not finite is held; what finds no contact slot is counted.

#include <bit>
#include <cstdint>
#include <numeric>

#include "host/peers/scenes.hpp"
#include "tests/host/peers/testing.hpp"

namespace stampede::test {
namespace {

constexpr int kEnvs = 256, kControlSteps = 20, kDecimation = 4;

/// All of the states after a run: [env][qpos, qvel, qacc].
using Ends = std::vector<Numbers>;

/// Runs environment order[i] of the scene at place i; the result is by environment.
Ends run(Engine& engine, const RobotModel& robot, const Scene& scene, const std::vector<int>& order,
         SimulationCounts* counts = nullptr) {
  const auto nq = at(robot.nq), nv = at(robot.nv), nu = at(robot.nu);
  const auto simulation = simulate(robot, static_cast<int>(order.size()), false, engine);
  const std::size_t envs = scene.qpos.size() / nq;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t e = at(order[i]);
    simulation->set_state(static_cast<std::int64_t>(i), &scene.qpos[e * nq], &scene.qvel[e * nv]);
  }
  for (int t = 0; t < scene.control_steps; ++t) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      simulation->set_control(0, static_cast<std::int64_t>(i), &scene.ctrl[(at(t) * envs + at(order[i])) * nu]);
    }
    simulation->step(0, kDecimation);
  }
  Ends ends(envs);
  for (std::size_t i = 0; i < order.size(); ++i) {
    Numbers& end = ends[at(order[i])];
    end.resize(nq + 2 * nv);
    simulation->get_state(static_cast<std::int64_t>(i), end.data(), &end[nq], &end[nq + nv]);
  }
  if (counts != nullptr) *counts = simulation->counts();
  return ends;
}

std::vector<int> in_order(int n) {
  std::vector<int> order(at(n));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

/// How many environments differ in any bit.
int different(const Ends& a, const Ends& b) {
  int count = 0;
  for (std::size_t e = 0; e < a.size(); ++e) {
    bool same = a[e].size() == b[e].size();
    for (std::size_t i = 0; same && i < a[e].size(); ++i) {
      same = std::bit_cast<std::uint64_t>(a[e][i]) == std::bit_cast<std::uint64_t>(b[e][i]);
    }
    count += !same;
  }
  return count;
}

Scene scene_of(const std::string& name, const RobotModel& robot, int envs = kEnvs) {
  return make_scene(name, robot, envs, kControlSteps, kDecimation * robot.options.timestep, 3);
}

void expect_permutable(const RobotModel& robot, const std::string& name) {
  SCOPED_TRACE(name);
  const Scene scene = scene_of(name, robot);
  SimulationCounts counts;
  const Ends straight = run(cpu_engine(), robot, scene, in_order(kEnvs), &counts);
  EXPECT_GT(counts.iterations, 0);
  const bool touches = !robot.kind.empty() && robot.has_ground();
  EXPECT_EQ(counts.contacts > 0, touches);
  EXPECT_EQ(counts.held, 0);
  std::mt19937 generator(4);
  for (int round = 0; round < 2; ++round) {
    std::vector<int> order = in_order(kEnvs);
    std::shuffle(order.begin(), order.end(), generator);
    SimulationCounts shuffled;
    EXPECT_EQ(different(straight, run(cpu_engine(), robot, scene, order, &shuffled)), 0);
    EXPECT_EQ(shuffled.iterations, counts.iterations);
    EXPECT_EQ(shuffled.contacts, counts.contacts);
    EXPECT_EQ(shuffled.capped, counts.capped);
  }
  // Alone, beside nobody.
  for (const int alone : {0, 77}) {
    const Ends one = run(cpu_engine(), robot, scene, {alone});
    EXPECT_EQ(different({straight[at(alone)]}, {one[at(alone)]}), 0);
  }
}

TEST(Lanes, PermutedEnvironmentsGivePermutedResults) {
  for (const double impratio : {1.0, 10.0, 100.0}) {
    SCOPED_TRACE(impratio);
    RobotModel robot = load_robot("go2").robot;
    robot.options.impratio = impratio;
    expect_permutable(robot, "trot");
    expect_permutable(robot, "random");
  }
}
TEST(Lanes, PermutedRobotsOfOtherShapes) {
  for (const char* name : {"bolt", "hexapod", "cartpole", "double_pendulum"}) {
    SCOPED_TRACE(name);
    const RobotModel robot = load_robot(name).robot;
    expect_permutable(robot, "trot");
    expect_permutable(robot, "random");
  }
}
TEST(Lanes, PermutedOnATiltedPlane) {
  RobotModel robot = load_robot("solo12").robot;
  robot.plane.normal = {std::sin(0.1), 0, std::cos(0.1)};
  expect_permutable(robot, "trot");
  expect_permutable(robot, "random");
  robot.options.pyramidal = true;
  expect_permutable(robot, "random");
}

TEST(Lanes, PermutedOnTerrain) {
  LoadOptions options;
  TerrainSettings settings;
  settings.levels = 2, settings.border = 1;
  options.terrain = with_kinds(settings, "all");
  const RobotModel robot = load_robot("go2", options).robot;
  expect_permutable(robot, "terrain");
}

TEST(Lanes, ThreadsDoNotMatter) {
  const RobotModel robot = load_robot("go2").robot;
  const Scene scene = scene_of("random", robot);
  const Ends alone = run(cpu_engine(), robot, scene, in_order(kEnvs));
  for (const int threads : {2, 3}) {
    const std::unique_ptr<Engine> engine = make_engine("cpu", threads);
    EXPECT_EQ(engine->threads(), threads);
    EXPECT_EQ(different(alone, run(*engine, robot, scene, in_order(kEnvs))), 0) << threads << " threads";
  }
}

/// Runs with something that is not finite in one environment: that one is held, the others do not notice.
void expect_held(const RobotModel& robot, Scene spoilt, const Scene& clean, int bad, double steps_held) {
  SimulationCounts counts, before;
  const Ends want = run(cpu_engine(), robot, clean, in_order(16), &before),
             got = run(cpu_engine(), robot, spoilt, in_order(16), &counts);
  EXPECT_EQ(before.held, 0);
  EXPECT_EQ(counts.held, steps_held);
  for (int e = 0; e < 16; ++e) {
    EXPECT_EQ(e != bad ? different({want[at(e)]}, {got[at(e)]}) : 0, 0) << "environment " << e;
  }
}

TEST(Lanes, ControlsThatAreNotFiniteHoldTheirEnvironmentAlone) {
  for (const char* name : {"go2", "double_pendulum"}) {
    SCOPED_TRACE(name);
    const RobotModel robot = load_robot(name).robot;
    const Scene clean = scene_of("random", robot, 16);
    const auto nu = at(robot.nu), nq = at(robot.nq);
    for (const double poison : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      // From the start: the state is the one that it was put in.
      Scene spoilt = clean;
      for (int t = 0; t < kControlSteps; ++t) spoilt.ctrl[(at(t) * 16 + 5) * nu] = poison;
      expect_held(robot, spoilt, clean, 5, kControlSteps * kDecimation);
      const Ends held = run(cpu_engine(), robot, spoilt, in_order(16));
      for (std::size_t i = robot.options.floating ? 7 : 0; i < nq; ++i) {
        EXPECT_EQ(held[5][i], static_cast<double>(static_cast<float>(clean.qpos[5 * nq + i])));
      }
      // For one control step: then it goes on.
      spoilt = clean;
      spoilt.ctrl[(at(7) * 16 + 5) * nu + nu - 1] = poison;
      expect_held(robot, spoilt, clean, 5, kDecimation);
    }
  }
}

TEST(Lanes, StatesThatAreNotFiniteAreHeldAlone) {
  const RobotModel robot = load_robot("go2").robot;
  const Scene clean = scene_of("trot", robot, 16);
  const auto nq = at(robot.nq), nv = at(robot.nv);
  for (const double poison : {std::nan(""), HUGE_VAL}) {
    for (const std::size_t i : {std::size_t{2}, nq - 1}) {
      Scene spoilt = clean;
      spoilt.qpos[6 * nq + i] = poison;
      expect_held(robot, spoilt, clean, 6, kControlSteps * kDecimation);
    }
    Scene spoilt = clean;
    spoilt.qvel[6 * nv + 4] = poison;
    expect_held(robot, spoilt, clean, 6, kControlSteps * kDecimation);
  }
  // Finite, but not for long: rates beyond what a float's square holds.
  Scene spoilt = clean;
  spoilt.qvel[6 * nv + 8] = 1e30;
  expect_held(robot, spoilt, clean, 6, kControlSteps * kDecimation);
}

/// A body on two spheres, a limb that carries three: depths differ.
std::string spheres(const std::vector<std::string>& on_limb) {
  std::string text = R"(<mujoco><option timestep="0.002" cone="elliptic"/>
    <worldbody><geom type="plane" size="0 0 1"/><body pos="0 0 0.3"><freejoint/>
      <inertial pos="0 0 0" mass="3" diaginertia="0.03 0.04 0.05"/>
      <body pos="0 0 -0.2"><joint axis="0 1 0" damping="0.1"/><inertial pos="0 0 -0.05" mass="1" diaginertia="0.01 0.01 0.002"/>
  )";
  for (const std::string& position : on_limb) {
    text += "<geom type='sphere' size='0.02' contype='0' conaffinity='1' pos='" + position + "'/>";
  }
  return text + "</body></body></worldbody></mujoco>";
}

TEST(Lanes, TheDeepestKeepTheirSlotsAndTheOthersAreCounted) {
  const std::string deep = "0.1 0.02 -0.087", middle = "-0.1 0 -0.085", shallow = "0 0.05 -0.082";
  const RobotModel one = load_text(spheres({deep})).robot, two = load_text(spheres({deep, middle})).robot;
  // In any order that the candidates come in.
  std::vector<std::vector<std::string>> orders = {
      {deep, middle, shallow}, {shallow, middle, deep}, {middle, deep, shallow}, {shallow, deep, middle}};
  for (const bool in_double : {false, true}) {
    SCOPED_TRACE(in_double ? "double" : "float");
    for (const auto& order : orders) {
      RobotModel all = load_text(spheres(order)).robot;
      for (const int slots : {1, 2}) {
        RobotModel fewer = all;
        fewer.options.slots = slots;
        const auto cut = simulate(fewer, 2, in_double), want = simulate(slots == 1 ? one : two, 2, in_double);
        const double qpos[8] = {0, 0, 0.3, 1, 0, 0, 0, 0}, qvel[7] = {0.1, 0.05, -0.2, 0.1, -0.2, 0.3, 0.2};
        double qacc[7], q[8];
        for (Simulation* simulation : {cut.get(), want.get()}) {
          simulation->set_state(0, qpos, qvel);
          // Of the neighbour nothing touches.
          double up[8];
          std::copy(qpos, qpos + 8, up);
          up[2] = 2;
          simulation->set_state(1, up, qvel);
        }
        const StageReport got = cut->inspect(0)[0], expected = want->inspect(0)[0];
        EXPECT_EQ(got.contacts, 3);
        EXPECT_EQ(expected.contacts, slots);
        EXPECT_TRUE(distance(got.qacc, expected.qacc.data()) <= (in_double ? 1e-9 : 1e-4) * norm(expected.qacc));
        cut->step(0, 1);
        cut->get_state(0, q, nullptr, qacc);
        EXPECT_EQ(cut->counts().over_slots, 3 - slots);
        EXPECT_EQ(cut->counts().contacts, 3);
        EXPECT_EQ(want->counts().over_slots, 0);
        if (slots == 2) continue;  // the third would carry nothing
        // With room for all, something else comes out.
        const auto room = simulate(all, 2, in_double);
        room->set_state(0, qpos, qvel);
        EXPECT_FALSE(distance(room->inspect(0)[0].qacc, expected.qacc.data()) <= 1e-3 * norm(expected.qacc));
      }
    }
  }
}

}  // namespace
}  // namespace stampede::test
