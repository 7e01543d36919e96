/// \file Masses, frames and inertias, against MuJoCo's mass matrix and bias; joints and constraints, by hand.
#include "host/model/robot/constants.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/host/model/robot/dynamics.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

using test::load_text;
using test::quadruped;
using test::with;

double largest(const double* x, std::size_t n) {
  double most = 0;
  for (std::size_t i = 0; i < n; ++i) most = std::max(most, std::abs(x[i]));
  return most;
}

/// Compares with MuJoCo in random states, joints far beyond their ranges too.
void expect_same_dynamics(const CompiledRobot& compiled) {
  const RobotModel& robot = compiled.robot;
  const mjModel* m = compiled.model.get();
  DataHandle data(mj_makeData(m));
  std::mt19937 generator(1);
  std::normal_distribution<double> normal;
  const auto nv = static_cast<std::size_t>(robot.nv);
  for (int state = 0; state < 20; ++state) {
    for (int i = 0; i < m->nq; ++i) data->qpos[i] = normal(generator);
    for (int i = 0; i < m->nv; ++i) data->qvel[i] = 3 * normal(generator);
    mj_normalizeQuat(m, data->qpos);
    mj_forward(m, data.get());
    std::vector<double> mass(nv * nv);
    mj_fullM(m, data.get(), mass.data());
    const test::Dynamics ours = test::dynamics_of(robot, data->qpos, data->qvel);
    const double mass_scale = largest(mass.data(), nv * nv), bias_scale = largest(data->qfrc_bias, nv);
    for (std::size_t i = 0; i < nv * nv; ++i) {
      EXPECT_TRUE(std::abs(ours.mass_matrix[i] - mass[i]) <= 1e-12 * mass_scale) << i / nv << ", " << i % nv;
    }
    for (std::size_t i = 0; i < nv; ++i) {
      EXPECT_TRUE(std::abs(ours.bias[i] - data->qfrc_bias[i]) <= 1e-12 * bias_scale)
          << i << ": " << ours.bias[i] << " is not " << data->qfrc_bias[i];
    }
  }
}

TEST(Constants, DynamicsOfASkewedQuadruped) { expect_same_dynamics(load_text(quadruped())); }

TEST(Constants, DynamicsOfTheRobotsThatComeWithIt) {
  for (const char* name : {"anymal_c", "bolt", "cartpole", "double_pendulum", "go2", "hexapod", "solo12"}) {
    SCOPED_TRACE(name);
    expect_same_dynamics(load_robot(name));
  }
}

TEST(Constants, DynamicsOfSlidesAndOfSeveralJointsOnOneBody) {
  const CompiledRobot planar = load_text(R"(<mujoco><option gravity="1 2 -9"/><worldbody>
    <body pos="0 0.3 1" quat="0.8 0.1 0.2 0.1">
      <joint name="x" type="slide" axis="1 0 0.1" pos="0.1 0 0" armature="0.3"/>
      <joint name="z" type="slide" axis="0 0 1" ref="0.7"/>
      <joint name="turn" axis="0 1 0.2" pos="0 0.1 0.2"/>
      <inertial pos="0.1 0.2 0.3" quat="1 0.4 0 0.1" mass="3" diaginertia="0.1 0.2 0.25"/>
      <body pos="0 0 -0.3" quat="1 0 0 0.5"><inertial pos="0 0.1 0" mass="0.5" diaginertia="0.01 0.02 0.02"/>
        <body pos="0.1 0 0"><joint name="knee" axis="1 1 0" pos="0 0 0.05"/>
          <inertial pos="0 0 -0.1" mass="0.4" diaginertia="0.01 0.01 0.002"/></body>
      </body></body></worldbody></mujoco>)");
  EXPECT_EQ(planar.robot.limbs, 1);
  EXPECT_EQ(planar.robot.joints, 4);
  EXPECT_EQ(planar.robot.size.joints, 6);
  EXPECT_TRUE(planar.robot.options.slides);
  expect_same_dynamics(planar);
}

TEST(Constants, DynamicsOfLimbsOnAFixedBase) {
  // A base that stands in the world, inside a body that does; limbs of unlike lengths, the shorter one first.
  const CompiledRobot hand = load_text(R"(<mujoco><worldbody><body pos="1 2 3" quat="1 0.5 0 0">
    <body name="palm" pos="0.2 0 0" quat="1 0 0.3 0">
      <body pos="0.1 0 0"><joint name="a" axis="1 0 0"/><inertial pos="0 0 .1" mass="1" diaginertia=".1 .1 .1"/></body>
      <body pos="-0.1 0 0"><joint name="b" axis="0 1 0"/><inertial pos="0 .1 .1" mass="1" diaginertia=".1 .2 .2"/>
        <body pos="0 0 0.2"><joint name="c" axis="0 0 1" pos="0.1 0 0"/>
          <inertial pos="0.3 0 .1" mass="0.5" diaginertia=".1 .1 .1"/></body></body>
    </body></body></worldbody></mujoco>)");
  EXPECT_EQ(hand.robot.limbs, 2);
  EXPECT_EQ(hand.robot.joints, 2);
  EXPECT_FALSE(hand.robot.options.floating);
  EXPECT_EQ(hand.robot.joint_info.size(), 3u);
  EXPECT_EQ(hand.robot.joint_info[2].limb, 1);
  EXPECT_EQ(hand.robot.joint_info[2].place, 1);
  expect_same_dynamics(hand);
  // Limbs that hang on different bodies of the world: the world itself is the base.
  const CompiledRobot apart = load_text(R"(<mujoco><worldbody>
    <body pos="1 0 0"><joint axis="1 0 0"/><inertial pos="0 0 .1" mass="1" diaginertia=".1 .1 .1"/></body>
    <body pos="-1 0 0"><body><joint axis="0 1 0"/><inertial pos="0 .1 .1" mass="1" diaginertia=".1 .2 .2"/></body></body>
    </worldbody></mujoco>)");
  EXPECT_EQ(apart.robot.limbs, 2);
  EXPECT_EQ(apart.robot.base.mass, 0);
  EXPECT_EQ(apart.robot.options.fixed_position.x, 0);
  expect_same_dynamics(apart);
}

TEST(Constants, WeldedBodiesAreFusedAndWhatIsNotThereStaysStill) {
  const RobotModel robot = load_text(quadruped()).robot;
  EXPECT_EQ(robot.size.limbs, 4);
  EXPECT_EQ(robot.size.joints, 3);
  EXPECT_DOUBLE_EQ(robot.base.mass, 6.9 + 0.4);
  EXPECT_DOUBLE_EQ(robot.joint[1].mass, 1.1 + 0.1);
  EXPECT_NEAR(robot.total_mass, 6.9 + 0.4 + 4 * (0.7 + 1.1 + 0.1 + 0.2), 1e-13);
  EXPECT_EQ(robot.joint[0].reference, 0.1);
  EXPECT_EQ(robot.joint_info[4].name, "hfe1");
  EXPECT_EQ(robot.joint_info[4].actuator, 4);
  const RobotModel hexapod = load_robot("hexapod").robot;
  EXPECT_EQ(hexapod.size.limbs, 6);
  // A limb of one joint in a size with two.
  const RobotModel pole = load_text(R"(<mujoco><worldbody><body><joint name="a"/><geom size="1" contype="0"/></body>
    <body pos="5 0 0"><joint name="b"/><geom size="1" contype="0"/></body></worldbody></mujoco>)")
                              .robot;
  EXPECT_EQ(pole.size.joints, 3);
  for (const std::size_t padding : {1u, 2u, 4u, 5u}) {
    EXPECT_EQ(pole.joint[padding].mass, 0);
    EXPECT_EQ(pole.joint[padding].armature, 1);
    EXPECT_EQ(pole.joint[padding].high, 1e30);
  }
}

TEST(Constants, JointsOptionsAndHome) {
  const RobotModel robot = load_text(quadruped()).robot;
  const JointModel<double>&haa = robot.joint[0], &hfe = robot.joint[1], &kfe = robot.joint[2];
  EXPECT_EQ(haa.damping, 0.1);
  EXPECT_EQ(haa.armature, 0.01);
  EXPECT_EQ(haa.low, -1);
  EXPECT_EQ(hfe.friction_loss, 0.2);
  EXPECT_GT(hfe.friction_stiffness, 0);
  EXPECT_EQ(kfe.spring, 2);
  EXPECT_EQ(kfe.spring_rest, -1);
  const PhysicsOptions<double>& options = robot.options;
  EXPECT_TRUE(options.floating && options.springs && options.limits);
  EXPECT_TRUE(options.implicit_damping && options.limits_square);
  EXPECT_FALSE(options.slides || options.pyramidal || options.implicit_actuators);
  EXPECT_EQ(robot.home_qpos[2], 0.4);
  ASSERT_EQ(robot.home_ctrl.size(), 12u);
  EXPECT_NEAR(robot.home_ctrl[0], 0.1, 1e-15);
  const RobotModel fast = load_text(with(quadruped(), "cone=\"elliptic\"", "integrator='implicitfast'")).robot;
  EXPECT_TRUE(fast.options.implicit_actuators && fast.options.pyramidal);
  const RobotModel explicitly =
      load_text(with(quadruped(), "cone=\"elliptic\"/>", "><flag eulerdamp='disable'/></option>")).robot;
  EXPECT_FALSE(explicitly.options.implicit_damping);
  LoadOptions options_of_ours;
  options_of_ours.timestep = 0.001;
  EXPECT_EQ(load_text(quadruped(), "robot.xml", options_of_ours).robot.options.timestep, 0.001);
}

TEST(Constants, SoftnessFollowsMujocosClamps) {
  const double usual[] = {0.9, 0.95, 0.001, 0.5, 2};
  const double standard[] = {0.02, 1};
  Softness<double> s = softness_of(standard, usual, 0.002, true);
  EXPECT_NEAR(s.stiffness, 1 / (0.95 * 0.95 * 0.02 * 0.02), 1e-9);
  EXPECT_NEAR(s.damping, 2 / (0.95 * 0.02), 1e-9);
  EXPECT_NEAR(s.slack, 0.05, 1e-15);
  EXPECT_NEAR(s.rise, 0.05, 1e-15);
  EXPECT_NEAR(s.inverse_width, 1000, 1e-9);
  // Two steps at least, unless the file says otherwise.
  EXPECT_NEAR(softness_of(standard, usual, 0.03, true).damping, 2 / (0.95 * 0.06), 1e-9);
  EXPECT_NEAR(softness_of(standard, usual, 0.03, false).damping, 2 / (0.95 * 0.02), 1e-9);
  const double direct[] = {-1000, -50};
  EXPECT_NEAR(softness_of(direct, usual, 0.03, true).stiffness, 1000 / (0.95 * 0.95), 1e-9);
  EXPECT_NEAR(softness_of(direct, usual, 0.03, true).damping, 50 / 0.95, 1e-9);
  const double mixed[] = {0.3, -1};
  EXPECT_EQ(softness_of(mixed, usual, 0.002, true).stiffness, softness_of(standard, usual, 0.002, true).stiffness);
  // Beyond the clamps, and without a width.
  const double extreme[] = {0, 1, 0, 0, 0.5};
  s = softness_of(standard, extreme, 0.002, true);
  EXPECT_NEAR(s.slack, 1 - 0.5 * (1e-4 + 0.9999), 1e-15);
  EXPECT_EQ(s.rise, 0);
  EXPECT_EQ(s.inverse_width, 0);
  EXPECT_EQ(s.power, 1);
  EXPECT_EQ(s.midpoint, 1e-4);
  EXPECT_NEAR(impedance_at_rest(usual), 0.9, 1e-15);
}

TEST(Constants, TheLongestStableStepIsTheLongest) {
  const double solimp[] = {0.9, 0.95, 0.001, 0.5, 2};
  for (const auto& solref : {std::array{-1e5, -100.0}, std::array{-1e6, -10.0}, std::array{0.02, 1.0}}) {
    const double longest = longest_stable_step(solref.data(), solimp);
    const Softness<double> s = softness_of(solref.data(), solimp, 1e-9, true);
    for (const double share : {0.99, 1.01}) {
      const double h = share * longest;
      double r = 1, v = 0;
      for (int step = 0; step < 5000; ++step) v += h * (-s.damping * v - s.stiffness * r), r += h * v;
      EXPECT_EQ(std::isfinite(r) && std::abs(r) < 1, share < 1) << solref[0] << " " << share << " " << r;
    }
  }
}

}  // namespace
}  // namespace stampede
