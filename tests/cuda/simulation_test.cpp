/// \file Robots on the GPU beside those on the CPU: stages, a motion, permutations, what is not finite.

#include "cuda/simulation.hpp"

#include <bit>
#include <numeric>

#include "host/physics/scenes.hpp"
#include "tests/host/physics/testing.hpp"

namespace stampede::test {
namespace {

std::unique_ptr<Simulation> on_gpu(const RobotModel& robot, int envs) {
  SimulationRequest request;
  request.robot = &robot;
  request.num_envs = envs;
  return make_cuda_simulation(request);
}

/// Skips with the reason where there is no GPU.
class CudaSimulation : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      on_gpu(load_robot("double_pendulum").robot, 1);
    } catch (const Error& error) {
      GTEST_SKIP() << "no GPU: " << error.what();
    }
  }
};

/// Robots by name, and one on ground of all kinds.
RobotModel robot_of(const std::string& name) {
  if (name != "terrain") return load_robot(name).robot;
  LoadOptions options;
  options.terrain = with_kinds({}, "all");
  options.terrain->levels = 1;
  return load_robot("go2", options).robot;
}

Scene scene_of(const std::string& name, const RobotModel& robot, int envs, int steps = 10) {
  return make_scene(robot.map != nullptr ? "terrain" : name, robot, envs, steps, 4 * robot.options.timestep, 5);
}

void start(Simulation& simulation, const RobotModel& robot, const Scene& scene, const std::vector<int>& order) {
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t e = at(order[i]);
    simulation.set_state(static_cast<std::int64_t>(i), &scene.qpos[e * at(robot.nq)], &scene.qvel[e * at(robot.nv)]);
    simulation.set_control(0, static_cast<std::int64_t>(i), &scene.ctrl[e * at(robot.nu)]);
  }
}
std::vector<int> in_order(int n) {
  std::vector<int> order(at(n));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Numbers end_of(Simulation& simulation, const RobotModel& robot, std::int64_t env) {
  Numbers end(at(robot.nq + robot.nv));
  simulation.get_state(env, end.data(), &end[at(robot.nq)]);
  return end;
}
bool same_bits(const Numbers& a, const Numbers& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<std::uint64_t>(a[i]) != std::bit_cast<std::uint64_t>(b[i])) return false;
  }
  return a.size() == b.size();
}

TEST_F(CudaSimulation, StagesAreThoseOfDoubles) {
  for (const char* name : {"go2", "anymal_c", "bolt", "hexapod", "double_pendulum", "terrain"}) {
    SCOPED_TRACE(name);
    const RobotModel robot = robot_of(name);
    for (const char* kind : {"standing", "random"}) {
      SCOPED_TRACE(kind);
      constexpr int kEnvs = 97;
      const Scene scene = scene_of(kind, robot, kEnvs, 1);
      // A moment later feet are on the ground; both are given the float's state.
      const auto gpu = on_gpu(robot, kEnvs), oracle = simulate(robot, kEnvs, true);
      start(*gpu, robot, scene, in_order(kEnvs));
      start(*oracle, robot, scene, in_order(kEnvs));
      gpu->step(0, 40);
      for (int env = 0; env < kEnvs; ++env) {
        Numbers q(at(robot.nq)), v(at(robot.nv)), a(at(robot.nv));
        gpu->get_state(env, q.data(), v.data(), a.data());
        oracle->set_state(env, q.data(), v.data(), a.data());
      }
      const auto got = gpu->inspect(0), want = oracle->inspect(0);
      Numbers errors;
      for (int env = 0; env < kEnvs; ++env) {
        const StageReport &g = got[at(env)], &w = want[at(env)];
        EXPECT_TRUE(largest_difference(g.mass_matrix, w.mass_matrix.data()) <= 1e-5 * largest(w.mass_matrix));
        EXPECT_TRUE(largest_difference(g.bias, w.bias.data()) <= 1e-5 * (1 + largest(w.bias)));
        errors.push_back(distance(g.qacc, w.qacc.data()) / (1 + norm(w.qacc)));
      }
      EXPECT_TRUE(quantile(errors, 0.9) <= 1e-3) << quantile(errors, 0.9);
      EXPECT_TRUE(quantile(errors, 0.5) <= 1e-4) << quantile(errors, 0.5);
    }
  }
}

TEST_F(CudaSimulation, PermutedEnvironmentsGivePermutedResults) {
  for (const char* name : {"go2", "hexapod", "double_pendulum", "terrain"}) {
    SCOPED_TRACE(name);
    const RobotModel robot = robot_of(name);
    for (const int envs : {1, 31, 33, 257}) {
      const Scene scene = scene_of("random", robot, envs, 1);
      std::vector<int> order = in_order(envs);
      std::shuffle(order.begin(), order.end(), std::mt19937(4));
      const auto straight = on_gpu(robot, envs), again = on_gpu(robot, envs), shuffled = on_gpu(robot, envs);
      start(*straight, robot, scene, in_order(envs));
      start(*again, robot, scene, in_order(envs));
      start(*shuffled, robot, scene, order);
      for (Simulation* simulation : {straight.get(), again.get(), shuffled.get()}) simulation->step(0, 50);
      for (int i = 0; i < envs; ++i) {
        EXPECT_TRUE(same_bits(end_of(*straight, robot, i), end_of(*again, robot, i))) << i;
        EXPECT_TRUE(same_bits(end_of(*straight, robot, order[at(i)]), end_of(*shuffled, robot, i))) << i;
      }
      EXPECT_EQ(straight->counts().iterations, shuffled->counts().iterations);
      EXPECT_EQ(straight->counts().contacts, shuffled->counts().contacts);
    }
  }
}

TEST_F(CudaSimulation, WhatIsNotFiniteIsHeldAlone) {
  const RobotModel robot = robot_of("go2");
  const Scene scene = scene_of("trot", robot, 16, 1);
  const auto clean = on_gpu(robot, 16), spoilt = on_gpu(robot, 16);
  start(*clean, robot, scene, in_order(16));
  start(*spoilt, robot, scene, in_order(16));
  Numbers ctrl(scene.ctrl.begin(), scene.ctrl.begin() + robot.nu);
  ctrl[3] = std::nan("");
  spoilt->set_control(0, 5, ctrl.data());
  clean->step(0, 20);
  spoilt->step(0, 20);
  EXPECT_EQ(clean->counts().held, 0);
  EXPECT_EQ(spoilt->counts().held, 20);
  for (int env = 0; env < 16; ++env) {
    if (env != 5) EXPECT_TRUE(same_bits(end_of(*clean, robot, env), end_of(*spoilt, robot, env))) << env;
  }
}

}  // namespace
}  // namespace stampede::test
