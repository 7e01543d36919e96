/// \file A walking task's file: what it may say of its robot, and one line for each mistake.

#include "host/task/planned_task.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "host/base/files.hpp"
#include "host/model/robot/find_robot.hpp"
#include "host/model/robot/shapes.hpp"
#include "host/task/protocol.hpp"
#include "host/task/settings_io.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

PlannedTask with(std::vector<std::string> set) {
  SettingsSources sources;
  sources.set = std::move(set);
  sources.set.insert(sources.set.begin(), "task=go2-flat");
  return plan_task(resolve_settings(sources));
}

TEST(LeggedTasks, TrainingKeepsAMarginOffALimitAndEvaluationsJudgeTheLimit) {
  const PlannedTask task = with({"constraints.joint_torque.margin=0.25", "constraints.joint_torque.limit=20"});
  const auto limit = [](const TaskSpec& spec) {
    for (std::size_t i = 0; i < spec.constraints.list.size(); ++i) {
      if (spec.constraints.list[i].name == "joint_torque")
        return std::pair{spec.legged->constants.constraint[i].limit, spec.constraints.list[i].limit};
    }
    return std::pair{0.0f, 0.0f};
  };
  EXPECT_EQ(limit(*task.spec), std::pair(15.0f, 20.0f));
  for (const bool randomise : {false, true}) {
    EXPECT_EQ(limit(*evaluation_request(task, 4, randomise).task), std::pair(20.0f, 20.0f));
  }
}

/// A margin tightens, on whichever side of the limit the constraint holds, and whatever the limit's sign.
TEST(LeggedTasks, AMarginTightensOnWhicheverSideTheLimitIs) {
  const auto judged = [](const std::string& quantity, const std::string& limit) {
    const PlannedTask task = with({"constraints.x.quantity=" + quantity, "constraints.x.limit=" + limit,
                                   "constraints.x.margin=0.25", "constraints.x.kind=soft"});
    EXPECT_EQ(task.spec->constraints.list.back().name, "x");
    return task.spec->legged->constants.constraint[task.spec->constraints.list.size() - 1].limit;
  };
  for (const QuantityInfo& info : kQuantities) {
    if (info.side == Side::kEqual) continue;
    EXPECT_EQ(judged(info.name, "0.5"), info.side == Side::kAtLeast ? 0.625f : 0.375f) << info.name;
  }
  EXPECT_EQ(judged("air_time", "0.2"), 0.25f);
  EXPECT_EQ(judged("feet_at_least", "2"), 2.5f);
  EXPECT_EQ(judged("base_height", "0.2"), 0.25f);
  EXPECT_EQ(judged("foot_force", "100"), 75.0f);
  EXPECT_EQ(judged("upside_down", "-0.5"), -0.625f);

  const auto message = [&](const std::string& quantity, const std::string& limit) {
    return error_of([&] { judged(quantity, limit); });
  };
  expect_parts(message("feet_down", "2"), {"constraints.x.margin = 0.25", "feet_down", "no side", "0 would be right"});
  expect_parts(message("diagonal_feet", "0"), {"constraints.x.margin = 0.25", "limit of 0", "0 would be right"});
  expect_parts(message("upside_down", "-1"), {"constraints.x.margin = 0.25", "-1 to -1.25", "smaller margin"});
  expect_parts(message("feet_at_least", "4"), {"constraints.x.margin = 0.25", "4 to 5", "from 0 to 4"});
}

/// A dog of 8 kg as URDF: box trunk, cylinder thighs, ball feet; knees bend from -2.6 to -0.4 rad.
std::string small_dog() {
  const auto inertial = [](const char* mass) {
    return std::string("<inertial><mass value='") + mass +
           "'/><inertia ixx='0.004' iyy='0.004' izz='0.002' ixy='0' ixz='0' iyz='0'/></inertial>";
  };
  const auto joint = [](const std::string& name, const std::string& parent, const std::string& child, const char* at,
                        const char* axis, const char* range) {
    return "<joint name='" + name + "' type='revolute'><parent link='" + parent + "'/><child link='" + child +
           "'/><origin xyz='" + at + "'/><axis xyz='" + axis + "'/><limit " + range +
           " effort='30' velocity='20'/></joint>";
  };
  std::string text = "<robot name='dog'><link name='trunk'>" + inertial("8") +
                     "<collision><geometry><box size='0.4 0.2 0.1'/></geometry></collision></link>";
  for (const std::string leg : {"lf", "rf", "lh", "rh"}) {
    const bool left = leg[0] == 'l';
    text += "<link name='" + leg + "_hip'>" + inertial("0.6") + "</link><link name='" + leg + "_thigh'>" +
            inertial("0.8") +
            "<collision><origin xyz='0 0 -0.1'/><geometry><cylinder radius='0.02' length='0.16'/></geometry>"
            "</collision></link><link name='" +
            leg + "_shin'>" + inertial("0.2") +
            "<collision><origin xyz='0 0 -0.2'/><geometry><sphere radius='0.025'/></geometry></collision></link>";
    const std::string hip = std::string(leg[1] == 'f' ? "0.18" : "-0.18") + (left ? " 0.08 0" : " -0.08 0");
    text += joint(leg + "_roll", "trunk", leg + "_hip", hip.c_str(), "1 0 0", "lower='-0.8' upper='0.8'");
    text += joint(leg + "_pitch", leg + "_hip", leg + "_thigh", left ? "0 0.05 0" : "0 -0.05 0", "0 1 0",
                  "lower='-1' upper='2.5'");
    text += joint(leg + "_knee", leg + "_thigh", leg + "_shin", "0 0 -0.2", "0 1 0", "lower='-2.6' upper='-0.4'");
  }
  return text + "</robot>";
}

/// How far a robot in the task's pose starts over the ground.
double clearance(const TaskSpec& spec) {
  std::vector<double> qpos = spec.legged->robot.home_qpos;
  for (std::size_t i = 0; i < spec.action.centre.size(); ++i) {
    qpos[static_cast<std::size_t>(spec.legged->robot.joint_info[i].position)] =
        static_cast<double>(spec.action.centre[i]);
  }
  return static_cast<double>(spec.legged->constants.home_height) + lowest_point(spec.legged->robot, qpos.data());
}

std::string pose_of(double thigh, double knee) {
  std::string pose = "control.pose=[";
  for (int leg = 0; leg < 4; ++leg) pose += fmt::format("{}0, {}, {}", leg > 0 ? ", " : "", thigh, knee);
  return pose + "]";
}

TEST(LeggedTasks, StartsHaveTheLowestPointOnTheGroundInThePoseThatIsGiven) {
  const TemporaryFolder folder;
  const std::string robot = (folder / "dog.urdf").string();
  write_file(robot, small_dog(), Durability::kProcess);
  const auto plan_with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> set = {"task=legged-flat", "control.robot=\"" + robot + "\"", "control.stiffness=30",
                                    "control.damping=0.7"};
    set.insert(set.end(), more.begin(), more.end());
    write_file(folder / "walk.toml", "extends = \"legged-flat\"\n", Durability::kProcess);
    set[0] = "task=\"" + (folder / "walk.toml").string() + "\"";
    return plan_task(resolve_settings({"", set, {}})).spec;
  };
  // Thigh 0.8 and knee -1.6 rad: two segments of 0.2 m, both 0.8 rad off the vertical, and the foot's radius.
  const auto plan = plan_with({pose_of(0.8, -1.6)});
  EXPECT_NEAR(plan->legged->constants.home_height, 0.4 * std::cos(0.8) + 0.025, 1e-6);
  EXPECT_NEAR(clearance(*plan), 0, 1e-6);
  EXPECT_GT(plan->legged->robot.home_qpos[2], static_cast<double>(plan->legged->constants.home_height) + 0.05)
      << "the home is another";
  const auto taller = plan_with({pose_of(0.2, -0.5)});
  EXPECT_NEAR(taller->legged->constants.home_height, 0.2 * std::cos(0.2) + 0.2 * std::cos(0.3) + 0.025, 1e-6);
  EXPECT_NEAR(clearance(*taller), 0, 1e-6);
  // What the task says itself stands.
  EXPECT_EQ(plan_with({pose_of(0.8, -1.6), "start.height=0.5"})->legged->constants.home_height, 0.5f);
  // Beyond a range, named.
  expect_parts(error_of([&] { plan_with({pose_of(0.8, 1.6)}); }),
               {"control.pose", "'lf_knee'", "1.6", "-2.6 to -0.4 rad"});
  expect_parts(error_of([&] { plan_with({pose_of(2.6, -1.6)}); }), {"control.pose", "'lf_pitch'", "2.6", "-1 to 2.5"});
}

TEST(LeggedTasks, StartsOfFilesWithAKeyframeOrWithout) {
  // Keyframes that stand are taken to the last digit.
  for (const char* task : {"go2-flat", "go2-rough", "anymal-flat", "bolt-flat"}) {
    const auto plan = plan_task(resolve_settings({"", {std::string("task=") + task}, {}})).spec;
    EXPECT_EQ(plan->legged->constants.home_height, static_cast<float>(plan->legged->robot.home_qpos[2])) << task;
    EXPECT_NEAR(clearance(*plan), 0, 1e-5) << task;
  }
  // A keyframe in the air, on a plane half a metre up.
  const TemporaryFolder folder;
  const std::string file = (folder / "lifted.xml").string();
  std::string text = read_file(find_robot("go2"));
  const auto replace = [&](const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
  };
  replace("qpos=\"0 0 0.335581", "qpos=\"0 0 1.2");
  replace("name=\"floor\"", "name=\"floor\" pos=\"0 0 0.5\"");
  write_file(file, text, Durability::kProcess);
  const auto lifted = plan_task(resolve_settings({"", {"task=go2-flat", "control.robot=\"" + file + "\""}, {}})).spec;
  EXPECT_NEAR(lifted->legged->constants.home_height, 0.5 + 0.335581, 1e-5);
  // A home beyond a joint's range is no pose to start from.
  replace("0.068 0.785 -1.44", "0.068 0.785 0.44");
  write_file(file, text, Durability::kProcess);
  expect_parts(error_of([&] {
                 plan_task(resolve_settings({"", {"task=go2-flat", "control.robot=\"" + file + "\""}, {}}));
               }),
               {"home", "'FL_calf_joint'", "0.44", "control.pose"});
}

TEST(LeggedTasks, MistakesAreNamedInOneLine) {
  const auto message = [](const std::string& set) { return error_of([&] { with({set}); }); };
  expect_parts(message("constraints.x.quantity=joint_torqe"),
               {"constraints.x.quantity", "joint_torqe", "'joint_torque'"});
  expect_parts(message("constraints.joint_torque.joints=[\"FL_hip_jiont\"]"),
               {"constraints.joint_torque.joints", "'go2'", "'FL_hip_jiont'", "'FL_hip_joint'"});
  expect_parts(message("constraints.body_contact.joints=[\"*\"]"), {"body_contact", "not judged joint by joint"});
  expect_parts(message("constraints.\"hip/torque\".quantity=joint_torque"),
               {"\"hip/torque\"", "'/'", "'_' would be right"});
  expect_parts(message("constraints.joint_torque.limit=-1"), {"constraints.joint_torque.limit = -1", "from 0 to"});
  expect_parts(message("constraints.base_orientation.limit=1.5"), {"constraints.base_orientation.limit = 1.5", "to 1"});
  expect_parts(message("constraints.hip.p_max=1.5"), {"constraints.hip.p_max = 1.5", "from 0 to 1"});
  expect_parts(message("constraints.hip.margin=1"), {"constraints.hip.margin = 1", "from 0 to 0.9"});
  expect_parts(message("constraints.hip.pmax=0.5"), {"'constraints.hip.pmax'", "'p_max'"});
  expect_parts(message("constraints.hip.when=allways"), {"constraints.hip.when", "'always'"});
  expect_parts(message("control.feet=[\"FL_foot\", \"tail\"]"), {"go2.xml", "no geom 'tail'"});
  expect_parts(message("control.robot=go3"), {"'go3' does not exist", "'go2'"});
  expect_parts(message("control.robot=cartpole"), {"cartpole.xml", "no geom"});
  expect_parts(message("control.pose=[0, 0]"), {"control.pose has 2 numbers", "12 joints"});
  expect_parts(message("observations.policy=[\"joint_position\", \"smell\"]"), {"observations.policy", "smell"});
  expect_parts(message("randomise.friction=[1.2, 0.8]"), {"randomise.friction", "low is above high"});
  expect_parts(message("randomise.delay=[0, 0.1]"), {"randomise.delay", "control step"});
  expect_parts(message("randomise.observation_delay=[0, 0.1]"), {"randomise.observation_delay", "control step"});
  expect_parts(message("rewards.track_liner=1"), {"'rewards.track_liner'", "'rewards.track_linear'"});
  expect_parts(message("terrain.tile=0"), {"terrain.tile = 0", "from 0.5"});
  expect_parts(message("terrain.kinds=[\"stairs\"]"), {"terrain.kinds", "stairs-up"});
  expect_parts(error_of([] { with({"task=go2-rough", "terrain.columns=2"}); }), {"columns 2 are too few for 8 kinds"});
  expect_parts(error_of([] { with({"task=go2-rough", "terrain.tile=7.95"}); }), {"7.95 m is not a whole number"});
  expect_parts(message("scan.spacing=0.01"), {"scan has 151 x 61 points", "at most 512"});
  expect_parts(error_of([] { with({"task=go2-rough", "scan.y=[0, 0.6]"}); }), {"symmetry.mirror", "scan.y"});
  expect_parts(error_of([] { with({"control.pose=[0.3, 0.9, -1.8, 0, 0.9, -1.8, 0, 0.9, -1.8, 0, 0.9, -1.8]"}); }),
               {"symmetry.mirror", "FL_thigh_joint", "no image"});
  expect_parts(error_of([] {
                 with({"task=bolt-flat", "constraints.x.quantity=diagonal_feet", "constraints.x.limit=0"});
               }),
               {"constraints.x", "four limbs", "'bolt'"});
  expect_parts(message("objective=shapd"), {"unknown objective 'shapd'", "'shaped'"});
  expect_parts(error_of([] { resolve_settings({"", {"task=pendulum", "objective=cat"}, {}}); }), {"objective"});
}

TEST(LeggedTasks, NumbersByJoint) {
  const PlannedTask task = with({"control.action_scale={\"*\"=0.25, \"*_hip_joint\"=0.125}",
                                 "control.stiffness={\"*_calf_joint\"=40, \"*\"=25}"});
  const TaskSpec& spec = *task.spec;
  ASSERT_EQ(spec.action.scale.size(), 12u);
  for (std::size_t a = 0; a < 12; ++a) {
    const bool hip = spec.action.names[a].find("_hip_joint") != std::string::npos;
    EXPECT_EQ(spec.action.scale[a], hip ? 0.125f : 0.25f);
  }
  for (const RobotJoint& info : spec.legged->robot.joint_info) {
    const bool calf = info.name.find("_calf_joint") != std::string::npos, hip = info.place == 0;
    EXPECT_EQ(
        spec.legged->robot.joint[static_cast<std::size_t>(info.limb * spec.legged->robot.size.joints + info.place)]
            .servo,
        calf ? 40 : 25);
    EXPECT_EQ(spec.legged->constants.inverse_action_scale[info.place].value[info.limb], hip ? 8.0f : 4.0f);
  }
  // What is written for a run says the same.
  const TemporaryFolder folder;
  write_file(folder / "config.toml", to_toml(task.settings));
  SettingsSources sources;
  sources.config_file = (folder / "config.toml").string();
  const Settings again = resolve_settings(sources);
  EXPECT_EQ(plan_task(again).spec->action.scale, spec.action.scale);
  EXPECT_EQ(to_toml(again), to_toml(task.settings));
  // A number on top of a table counts for all.
  EXPECT_EQ(with({"control.stiffness={\"*\"=25}", "control.stiffness=30"}).spec->legged->robot.joint[0].servo, 30);

  const auto message = [](const std::string& set) { return error_of([&] { with({set}); }); };
  expect_parts(message("control.action_scale={\"*\"=0.25, \"*_hip_jiont\"=1}"),
               {"control.action_scale", "'*_hip_jiont'"});
  expect_parts(message("control.action_scale={\"*_hip_joint\"=1}"), {"control.action_scale", "_thigh_joint'", "\"*\""});
  expect_parts(message("control.stiffness={\"*\"=-1}"), {"control.stiffness.\"*\"", "from 0 to"});
  // Of no effect without a stiffness, and a mistake all the same.
  expect_parts(error_of([&] {
                 with({"control.stiffness=0", "control.torque_limit={\"*\"=9, \"*_kneee\"=3}"});
               }),
               {"control.torque_limit", "'*_kneee'"});
  expect_parts(message("control.stiffness={}"), {"control.stiffness", "says nothing"});
  expect_parts(message("control.stiffness=[1]"), {"control.stiffness", "a number, or numbers by joint"});
  EXPECT_TRUE(error_of([&] {
                with({"symmetry.mirror=true", "control.stiffness={\"*\"=25, \"FL_*\"=30}"});
              }).find("images of each other") != std::string::npos);
}

TEST(LeggedTasks, ConstraintsHaveAColumnForEachThingJudged) {
  const PlannedTask task = with({});
  const TaskSpec& spec = *task.spec;
  const auto columns = [&](const std::string& name) {
    for (const ConstraintSpec& info : spec.constraints.list) {
      if (info.name == name) return info.columns;
    }
    return -1;
  };
  EXPECT_EQ(columns("action_rate"), 12);
  EXPECT_EQ(columns("knee_torque"), 4);
  EXPECT_EQ(columns("joint_torque"), 8);
  EXPECT_EQ(columns("foot_force"), 4);
  EXPECT_EQ(columns("front_thigh"), 2);
  EXPECT_EQ(columns("upside_down"), 1);
  int sum = 0;
  for (const ConstraintSpec& info : spec.constraints.list) {
    EXPECT_EQ(info.begin, sum);
    sum += info.columns;
  }
  EXPECT_EQ(spec.legged->constants.columns, sum);
  EXPECT_EQ(spec.constraints.columns.size(), static_cast<std::size_t>(sum));
  EXPECT_EQ(spec.policy().size(), 45);
  EXPECT_EQ(spec.policy().names.size(), 45u);
  EXPECT_EQ(spec.policy().names[9], "joint_position.FL_hip_joint");
  EXPECT_EQ(spec.action.size(), 12);
  EXPECT_EQ(spec.max_steps, 500);
}

TEST(LeggedTasks, TheLastOfSeveralExtendedFilesLiesOnTop) {
  const PlannedTask task = with({"task=go2-rough"});
  EXPECT_EQ(task.settings.legged->control.robot, "go2");
  EXPECT_EQ(task.settings.train.iterations, 3000);
  EXPECT_EQ(task.settings.legged->terrain.kinds.size(), 8u);
  EXPECT_EQ(task.spec->legged->constants.levels, 10);
  ASSERT_EQ(task.spec->legged->spawn.size(), 3u * 10 * 16);
  const std::vector<std::string>& files = find_task("go2-rough").files;
  ASSERT_EQ(files.size(), 4u);
  EXPECT_NE(files[2].find("legged-rough.toml"), std::string::npos);
  TemporaryFolder folder;
  write_file((folder / "mine.toml").string(), "extends = [\"go2-flat\", 3]\n", Durability::kProcess);
  expect_parts(error_of([&] { with({"task=\"" + (folder / "mine.toml").string() + "\""}); }),
               {"mine.toml:1", "extends", "list"});
}

TEST(LeggedTasks, AFileThatExtendsAnotherIsATask) {
  const TemporaryFolder folder;
  const std::string file = (folder / "mydog.toml").string();
  write_file(file, R"(extends = "legged-flat"
[control]
robot = "go2"
[constraints.mine]
quantity = "joint_velocity"
joints = ["*_calf_joint"]
limit = 3
[for.shaped.rewards]
torque = -7
)",
             Durability::kProcess);
  SettingsSources sources;
  sources.set = {"task=\"" + file + "\"", "seed=5", "commands.x=[0, 2]"};
  const PlannedTask task = plan_task(resolve_settings(sources));
  EXPECT_EQ(task.settings.task, "mydog");
  EXPECT_EQ(task.settings.legged->constraints.back().name, "mine");
  EXPECT_EQ(task.settings.legged->control.timestep, 0.005f);
  EXPECT_EQ(task.settings.legged->rewards[static_cast<std::size_t>(RewardTerm::kTorque)], 0.0f);

  // What a run keeps needs the file no more.
  const std::string text = to_toml(task.settings);
  expect_parts(text, {"extends = []", "task = \"mydog\"", "x = [0.0, 2.0]"});
  write_file(folder / "config.toml", text, Durability::kProcess);
  const Settings again = resolve_settings({(folder / "config.toml").string(), {}, {}});
  EXPECT_EQ(to_toml(again), text);

  sources.set.push_back("objective=shaped");
  const Settings shaped = resolve_settings(sources);
  EXPECT_EQ(shaped.legged->rewards[static_cast<std::size_t>(RewardTerm::kTorque)], -7.0f);
  EXPECT_FALSE(plan_task(shaped).spec->constraints.soft);

  write_file(file, "extends = \"legged-falt\"\n", Durability::kProcess);
  expect_parts(error_of([&] {
                 resolve_settings({"", {"task=\"" + file + "\""}, {}});
               }),
               {"mydog.toml:1: extends", "'legged-falt'", "'legged-flat'"});
  write_file(file, "extends = \"mydog.toml\"\n", Durability::kProcess);
  expect_parts(error_of([&] { resolve_settings({"", {"task=\"" + file + "\""}, {}}); }), {"circle"});
  write_file(file, "extends = \"legged-flat\"\n", Durability::kProcess);
  expect_parts(error_of([&] {
                 plan_task(resolve_settings({"", {"task=\"" + file + "\""}, {}}));
               }),
               {"control.robot is missing"});
}

std::vector<std::string> names_of(const std::vector<ConstraintSettings>& constraints) {
  std::vector<std::string> names;
  for (const ConstraintSettings& constraint : constraints) names.push_back(constraint.name);
  return names;
}

TEST(LeggedTasks, ConstraintsKeepTheOrderOfTheirDefinition) {
  const TemporaryFolder folder;
  const std::string file = (folder / "dog.toml").string();
  write_file(file, R"(
extends = ["go2-flat", "legged-rough"]
[constraints.zebra]
quantity = "joint_velocity"
limit = 3
[constraints.trot]
limit = 0
[constraints.aardvark]
quantity = "joint_torque"
limit = 3
)",
             Durability::kProcess);
  const PlannedTask task = plan_task(resolve_settings({"", {"task=\"" + file + "\""}, {}}));
  const std::vector<std::string> names = names_of(task.settings.legged->constraints);
  // What the parents define comes first, in their order; a later word on it does not move it.
  const auto place = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) - names.begin();
  };
  EXPECT_EQ(names.at(names.size() - 2), "zebra");
  EXPECT_EQ(names.back(), "aardvark");
  EXPECT_LT(place("joint_torque"), place("knee_torque"));
  EXPECT_LT(place("knee_torque"), place("joint_velocity"));  // in go2-flat.toml; not so in the alphabet
  EXPECT_LT(place("trot"), place("zebra"));

  // What a run keeps has the same order, whatever becomes of the files.
  write_file(folder / "config.toml", to_toml(task.settings), Durability::kProcess);
  std::filesystem::remove(file);
  const Settings again = resolve_settings({(folder / "config.toml").string(), {}, {}});
  EXPECT_EQ(names_of(again.legged->constraints), names);
  EXPECT_TRUE(task_of(again).files.empty());
  const PlannedTask planned = plan_task(again);
  ASSERT_EQ(planned.spec->constraints.list.size(), task.spec->constraints.list.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(planned.spec->constraints.list[i].begin, task.spec->constraints.list[i].begin) << names[i];
  }
}

TEST(LeggedTasks, AWholeConfigurationIsOfOneTaskAndNeedsItsRobotBesideIt) {
  const TemporaryFolder folder;
  const std::string config = (folder / "config.toml").string();
  std::string text = to_toml(with({"seed=4"}).settings);
  write_file(config, text, Durability::kProcess);
  EXPECT_EQ(resolve_settings({config, {"task=go2-flat"}, {}}).seed, 4u);
  expect_parts(error_of([&] {
                 resolve_settings({config, {"task=go2-rough"}, {}});
               }),
               {"'go2-rough'", "config.toml", "'go2-flat'", "extends = []"});
  const std::string robot = "robot = \"go2\"";
  text.replace(text.find(robot), robot.size(), "robot = \"trained_robot/go2.xml\"");
  write_file(config, text, Durability::kProcess);
  expect_parts(error_of([&] { resolve_settings({config, {}, {}}); }), {config, "trained_robot/go2.xml", "copy"});
}

TEST(LeggedTasks, ObservationsOfLimbsAreNamedByTheirFirstJoint) {
  const PlannedTask task = with({"observations.policy=[\"joint_position\", \"foot_contact\", \"height_scan\"]"});
  const std::vector<std::string>& names = task.spec->policy().names;
  EXPECT_EQ(names.at(12), "foot_contact.FL_hip_joint");
  EXPECT_EQ(names.at(16), "height_scan.0");
  EXPECT_EQ(task.spec->facts.count("scan"), 1u);
  EXPECT_EQ(task.spec->privileged_size(), task.spec->legged->constants.privileged_size);
}

}  // namespace
}  // namespace stampede
