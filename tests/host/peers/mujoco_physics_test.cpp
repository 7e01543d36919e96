/// \file MuJoCo under a walking task: its solver runs to the end whatever the file says, and what breaks is told.

#include "host/peers/mujoco_physics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "host/base/files.hpp"
#include "host/model/robot/find_robot.hpp"
#include "host/task/planned_task.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

using test::expect_parts;
using test::TemporaryFolder;

struct Place {
  ExternalStep step;
  ExternalState state;
  ExternalRecord record;
};

/// A robot at home, its servos holding it, for twenty steps.
Place at_home(const RobotModel& robot) {
  Place place;
  place.step.ctrl = place.step.last_ctrl = robot.home_ctrl;
  place.step.steps = 20;
  place.state.qpos = robot.home_qpos;
  place.state.qvel.resize(static_cast<std::size_t>(robot.nv));
  place.state.qacc.resize(static_cast<std::size_t>(robot.nv));
  place.record.torque.resize(robot.joint_info.size());
  place.record.force.resize(static_cast<std::size_t>(robot.limbs * ExternalRecord::kSlots));
  place.record.touches.resize(static_cast<std::size_t>(robot.limbs));
  place.record.work.resize(static_cast<std::size_t>(robot.limbs));
  return place;
}

PlannedTask with_robot(const std::string& robot) {
  return plan_task(resolve_settings({"", {"task=go2-flat", "control.robot=\"" + robot + "\""}, {}}));
}

TEST(MujocoPhysics, TheFilesSolverOptionsAreNotFollowedAndSaid) {
  const TemporaryFolder folder;
  const std::string text = read_file(find_robot("go2"));
  const std::string file = (folder / "go2.xml").string();
  write_file(file, test::with(text, "<option ", "<option iterations=\"1\" ls_iterations=\"4\" "), Durability::kProcess);
  const PlannedTask hasty = with_robot(file), sound = with_robot("go2");
  ASSERT_EQ(hasty.spec->notes.size(), sound.spec->notes.size() + 1);
  expect_parts(hasty.spec->notes.back(), {"iterations=\"1\"", "ls_iterations=\"4\"", "not followed"});
  Place places[] = {at_home(hasty.spec->legged->robot), at_home(sound.spec->legged->robot)};
  for (Place& place : places) {  // fallen onto its feet, which takes more than an iteration
    place.state.qpos[2] += 0.02;
    place.state.qvel[2] = -2;
  }
  make_mujoco_physics(hasty, 1)->step(0, places[0].step, places[0].state, places[0].record);
  make_mujoco_physics(sound, 1)->step(0, places[1].step, places[1].state, places[1].record);
  EXPECT_GT(places[0].record.force[ExternalRecord::kSlots - 1], 0);
  EXPECT_EQ(places[0].state.qpos, places[1].state.qpos);
  EXPECT_EQ(places[0].state.qvel, places[1].state.qvel);
}

TEST(MujocoPhysics, ABrokenStateIsToldAndNotPutRight) {
  const PlannedTask task = with_robot("go2");
  const auto physics = make_mujoco_physics(task, 1);
  const auto step = [&](Place& place) {
    physics->step(0, place.step, place.state, place.record);
    return !std::isfinite(place.state.qpos[2]);
  };
  Place place = at_home(task.spec->legged->robot);
  EXPECT_FALSE(step(place));
  place.state.qvel[8] = 1e12;  // beyond what MuJoCo takes for sound: it would begin at its reference pose
  EXPECT_TRUE(step(place));
  place = at_home(task.spec->legged->robot);
  place.step.ctrl[3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(step(place));
  place = at_home(task.spec->legged->robot);
  EXPECT_FALSE(step(place)) << "the next state is sound again";
}

}  // namespace
}  // namespace stampede
