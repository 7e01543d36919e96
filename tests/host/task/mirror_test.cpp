/// \file Left and right of robots: what the mirror says against what the physics does.

#include "host/task/mirror.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "host/model/robot/mujoco_handles.hpp"
#include "host/task/legged_spec.hpp"
#include "host/task/planned_task.hpp"
#include "mujoco/mujoco.h"

namespace stampede {
namespace {

Settings task(const std::string& name) {
  SettingsSources sources;
  sources.set = {"task=" + name};
  return resolve_settings(sources);
}

std::vector<double> pose_of(const RobotModel& robot, const std::vector<float>& given) {
  std::vector<double> pose;
  for (std::size_t i = 0; i < robot.joint_info.size(); ++i) {
    pose.push_back(given.empty() ? robot.home_qpos[static_cast<std::size_t>(robot.joint_info[i].position)]
                                 : static_cast<double>(given[i]));
  }
  return pose;
}

/// A robot and its mirror image, moving from mirrored states under mirrored controls in MuJoCo, stay each other's image.
TEST(Mirror, ImagesMoveAsImages) {
  for (const std::string name : {"go2-flat", "anymal-flat", "solo12-flat", "bolt-flat"}) {
    SCOPED_TRACE(name);
    const Settings settings = task(name);
    const CompiledRobot compiled = load_robot(settings.legged->control.robot, legged_load_options(*settings.legged));
    const RobotModel& robot = compiled.robot;
    const std::vector<double> pose = pose_of(robot, settings.legged->control.pose);
    const RobotMirror mirror = find_mirror(compiled, pose);
    const mjModel* m = compiled.model.get();
    const DataHandle one(mj_makeData(m)), other(mj_makeData(m));
    std::mt19937 generator(5);
    std::uniform_real_distribution<double> draw(-0.2, 0.2);
    mjData *a = one.get(), *b = other.get();
    const double turned[4] = {std::cos(0.1), std::sin(0.1) * 0.6, std::sin(0.1) * 0.8, 0};
    std::copy(robot.home_qpos.begin(), robot.home_qpos.end(), a->qpos);
    std::copy(robot.home_qpos.begin(), robot.home_qpos.end(), b->qpos);
    for (mjData* d : {a, b}) d->qpos[2] += 0.05, d->qpos[1] = 0;
    std::copy(turned, turned + 4, a->qpos + 3);
    // A rotation's image turns about the image of its axis, the other way round.
    b->qpos[3] = turned[0], b->qpos[4] = -turned[1], b->qpos[5] = turned[2], b->qpos[6] = -turned[3];
    for (std::size_t i = 0; i < robot.joint_info.size(); ++i) {
      a->qpos[robot.joint_info[i].position] = pose[i] + draw(generator);
      if (robot.joint_info[i].actuator >= 0) a->ctrl[robot.joint_info[i].actuator] = pose[i] + draw(generator);
    }
    for (std::size_t i = 0; i < robot.joint_info.size(); ++i) {
      const auto image = static_cast<std::size_t>(mirror.joint[i]);
      const double sign = static_cast<double>(mirror.sign[i]);
      const RobotJoint &from = robot.joint_info[image], &to = robot.joint_info[i];
      b->qpos[to.position] = pose[i] + sign * (a->qpos[from.position] - pose[image]);
      if (to.actuator >= 0) b->ctrl[to.actuator] = pose[i] + sign * (a->ctrl[from.actuator] - pose[image]);
    }
    for (int step = 0; step < 60; ++step) mj_step(m, a), mj_step(m, b);
    double moved = 0;
    EXPECT_NEAR(a->qpos[0], b->qpos[0], 4e-3);
    EXPECT_NEAR(a->qpos[1], -b->qpos[1], 4e-3);
    EXPECT_NEAR(a->qpos[2], b->qpos[2], 4e-3);
    for (std::size_t i = 0; i < robot.joint_info.size(); ++i) {
      const auto image = static_cast<std::size_t>(mirror.joint[i]);
      const double here = b->qpos[robot.joint_info[i].position] - pose[i];
      const double there = a->qpos[robot.joint_info[image].position] - pose[image];
      EXPECT_NEAR(here, static_cast<double>(mirror.sign[i]) * there, 0.03) << robot.joint_info[i].name;
      moved = std::max(moved, std::fabs(there));
    }
    EXPECT_GT(moved, 0.1);
  }
}

TEST(Mirror, RowsExchangeLeftAndRight) {
  const TaskSpec spec = *plan_task(task("go2-rough")).spec;
  ASSERT_TRUE(spec.mirror.present());
  const std::vector<std::string>& names = spec.policy().names;
  ASSERT_EQ(spec.mirror.policy.place.size(), names.size());
  const auto place = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  const auto expect = [&](const std::string& name, const std::string& from, float sign) {
    EXPECT_EQ(names.at(static_cast<std::size_t>(spec.mirror.policy.place.at(place(name)))), from);
    EXPECT_EQ(spec.mirror.policy.sign.at(place(name)), sign) << name;
  };
  expect("base_angular_velocity.x", "base_angular_velocity.x", -1);
  expect("base_angular_velocity.y", "base_angular_velocity.y", 1);
  expect("projected_gravity.y", "projected_gravity.y", -1);
  expect("command.x", "command.x", 1);
  expect("command.z", "command.z", -1);
  expect("joint_position.FL_hip_joint", "joint_position.FR_hip_joint", -1);
  expect("joint_velocity.RR_calf_joint", "joint_velocity.RL_calf_joint", 1);
  // Twice in the mirror is as before.
  for (const MirrorMap* map : {&spec.mirror.policy, &spec.mirror.critic, &spec.mirror.action}) {
    for (std::size_t i = 0; i < map->place.size(); ++i) {
      const auto image = static_cast<std::size_t>(map->place[i]);
      EXPECT_EQ(map->place.at(image), static_cast<int>(i));
      EXPECT_EQ(map->sign[i] * map->sign[image], 1.0f);
    }
  }
  EXPECT_EQ(spec.mirror.critic.place.size(), static_cast<std::size_t>(spec.legged->constants.privileged_size));
  // The scan's first row is the rightmost.
  const int first = spec.legged->constants.privileged_size - spec.legged->constants.scan_points;
  EXPECT_EQ(spec.mirror.critic.place[static_cast<std::size_t>(first)],
            spec.legged->constants.privileged_size - spec.legged->constants.scan_columns);
}

TEST(Mirror, DiagonalsOfQuadrupedsOnly) {
  const auto diagonals = [](const std::string& name) {
    const CompiledRobot compiled = load_robot(name);
    return find_diagonals(compiled, pose_of(compiled.robot, {}));
  };
  const auto go2 = diagonals("go2");
  ASSERT_EQ(go2.size(), 2u);
  EXPECT_EQ(go2[0], (std::array<int, 2>{0, 3}));
  EXPECT_EQ(go2[1], (std::array<int, 2>{1, 2}));
  EXPECT_TRUE(diagonals("bolt").empty());
  EXPECT_TRUE(diagonals("hexapod").empty());
}

}  // namespace
}  // namespace stampede
