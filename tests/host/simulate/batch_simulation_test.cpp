/// \file Robots side by side: what is read and written for all environments at once is what is read and written one by
/// one, and contact forces carry the robot.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "host/base/error.hpp"
#include "host/model/robot/load.hpp"
#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

constexpr int kEnvs = 37;

std::unique_ptr<Simulation> make_simulation(const RobotModel& robot, bool contact_forces) {
  SimulationRequest request;
  request.robot = &robot;
  request.num_envs = kEnvs;
  request.contact_forces = contact_forces;
  return engine_for(best_instruction_set(), 2)->make_simulation(request);
}

TEST(BatchSimulation, AllEnvironmentsAtOnceAreThoseOneByOne) {
  const CompiledRobot go2 = load_robot("go2");
  const auto at_once = make_simulation(go2.robot, false), one_by_one = make_simulation(go2.robot, false);
  const auto nq = static_cast<std::size_t>(go2.robot.nq), nv = static_cast<std::size_t>(go2.robot.nv),
             nu = static_cast<std::size_t>(go2.robot.nu);
  std::vector<float> ctrl;
  for (std::size_t env = 0; env < kEnvs; ++env) {
    std::vector<double> own;
    for (std::size_t i = 0; i < nu; ++i) {
      const auto offset = static_cast<float>(0.2 * std::sin(static_cast<double>(3 * env + i)));
      ctrl.push_back(static_cast<float>(go2.robot.home_ctrl[i]) + offset);
      own.push_back(static_cast<double>(ctrl.back()));
    }
    one_by_one->set_control(0, static_cast<std::int64_t>(env), own.data());
  }
  at_once->set_controls(0, ctrl.data());
  std::vector<float> qpos(kEnvs * nq), qvel(kEnvs * nv);
  for (int call = 0; call < 3; ++call) {
    at_once->step(0, 7);
    one_by_one->step(0, 7);
    at_once->get_states(qpos.data(), qvel.data());
    for (std::size_t env = 0; env < kEnvs; ++env) {
      std::vector<double> position(nq), velocity(nv);
      one_by_one->get_state(static_cast<std::int64_t>(env), position.data(), velocity.data());
      for (std::size_t i = 0; i < nq; ++i) ASSERT_EQ(static_cast<double>(qpos[env * nq + i]), position[i]) << i;
      for (std::size_t i = 0; i < nv; ++i) ASSERT_EQ(static_cast<double>(qvel[env * nv + i]), velocity[i]) << i;
      // A state that is set in between is read again, and leaves the others alone.
      if (env != 3) continue;
      velocity[0] += 0.25;
      for (Simulation* each : {at_once.get(), one_by_one.get()}) each->set_state(3, position.data(), velocity.data());
    }
  }
}

TEST(BatchSimulation, ContactForcesCarryTheRobot) {
  const CompiledRobot go2 = load_robot("go2");
  const auto kept = make_simulation(go2.robot, true), plain = make_simulation(go2.robot, false);
  const auto limbs = static_cast<std::size_t>(go2.robot.limbs), parts = static_cast<std::size_t>(go2.robot.joints) + 2;
  std::vector<float> force(kEnvs * limbs * parts, -1.0f);
  kept->step(0, static_cast<int>(2.0 / go2.robot.options.timestep));
  kept->step(0, 4);  // when it has come to rest: the largest force of the steps before is that of the landing
  kept->get_contact_forces(force.data());
  for (std::size_t env = 0; env < kEnvs; ++env) {
    double feet = 0;
    for (std::size_t limb = 0; limb < limbs; ++limb) {
      const float* row = force.data() + (env * limbs + limb) * parts;
      for (std::size_t part = 0; part + 1 < parts; ++part) EXPECT_EQ(row[part], 0.0f);
      feet += static_cast<double>(row[parts - 1]);
    }
    EXPECT_NEAR(feet, 9.81 * go2.robot.total_mass, 0.05 * 9.81 * go2.robot.total_mass);
  }
  EXPECT_THROW(plain->get_contact_forces(force.data()), Error);
}

}  // namespace
}  // namespace stampede::testing
