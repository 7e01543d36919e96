/// \file A walking task's file: what it may say of its robot, and one line for each mistake.

#include "host/legged/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "host/base/files.hpp"
#include "host/legged/protocol.hpp"
#include "host/settings/settings_io.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

Settings with(std::vector<std::string> set) {
  SettingsSources sources;
  sources.set = std::move(set);
  sources.set.insert(sources.set.begin(), "task=go2-flat");
  return resolve_settings(sources);
}

TEST(LeggedTasks, TrainingKeepsAMarginOffALimitAndEvaluationsJudgeTheLimit) {
  const Settings settings = with({"constraints.joint_torque.margin=0.25", "constraints.joint_torque.limit=20"});
  const auto limit = [](const LeggedPlan& plan) {
    for (std::size_t i = 0; i < plan.constraints.size(); ++i) {
      if (plan.constraints[i].name == "joint_torque")
        return std::pair{plan.constants.constraint[i].limit, plan.constraints[i].limit};
    }
    return std::pair{0.0f, 0.0f};
  };
  EXPECT_EQ(limit(*settings.plan), std::pair(15.0f, 20.0f));
  for (const bool randomise : {false, true}) {
    EXPECT_EQ(limit(*evaluation_request(settings, 4, randomise).legged), std::pair(20.0f, 20.0f));
  }
}

TEST(LeggedTasks, MistakesAreNamedInOneLine) {
  const auto message = [](const std::string& set) { return error_of([&] { with({set}); }); };
  expect_parts(message("constraints.x.quantity=joint_torqe"),
               {"constraints.x.quantity", "joint_torqe", "'joint_torque'"});
  expect_parts(message("constraints.joint_torque.joints=[\"FL_hip_jiont\"]"),
               {"constraints.joint_torque.joints", "'go2'", "'FL_hip_jiont'", "'FL_hip_joint'"});
  expect_parts(message("constraints.body_contact.joints=[\"*\"]"), {"body_contact", "not judged joint by joint"});
  expect_parts(message("constraints.joint_torque.limit=-1"), {"constraints.joint_torque.limit = -1", "from 0 to"});
  expect_parts(message("constraints.base_orientation.limit=1.5"), {"constraints.base_orientation.limit = 1.5", "to 1"});
  expect_parts(message("constraints.hip.p_max=1.5"), {"constraints.hip.p_max = 1.5", "from 0 to 1"});
  expect_parts(message("constraints.hip.margin=1"), {"constraints.hip.margin = 1", "from 0 to 0.9"});
  expect_parts(message("constraints.hip.pmax=0.5"), {"'constraints.hip.pmax'", "'p_max'"});
  expect_parts(message("constraints.hip.when=allways"), {"constraints.hip.when", "'always'"});
  expect_parts(message("control.feet=[\"FL_foot\", \"tail\"]"), {"go2.xml", "no geom 'tail'"});
  expect_parts(message("control.robot=go3"), {"'go3' does not exist", "'go2'"});
  expect_parts(message("control.robot=cartpole"), {"cartpole.xml", "no position servo"});
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

TEST(LeggedTasks, ConstraintsHaveAColumnForEachThingJudged) {
  const Settings settings = with({});
  const LeggedPlan& plan = *settings.plan;
  const auto columns = [&](const std::string& name) {
    for (const ConstraintInfo& info : plan.constraints) {
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
  for (const ConstraintInfo& info : plan.constraints) {
    EXPECT_EQ(info.begin, sum);
    sum += info.columns;
  }
  EXPECT_EQ(plan.constants.columns, sum);
  EXPECT_EQ(plan.columns.size(), static_cast<std::size_t>(sum));
  EXPECT_EQ(plan.info.observations, 45);
  EXPECT_EQ(plan.info.observation_names.size(), 45u);
  EXPECT_EQ(plan.info.observation_names[9], "joint_position.FL_hip_joint");
  EXPECT_EQ(plan.info.actions, 12);
  EXPECT_EQ(plan.info.max_steps, 500);
}

TEST(LeggedTasks, TheLastOfSeveralExtendedFilesLiesOnTop) {
  const Settings settings = with({"task=go2-rough"});
  EXPECT_EQ(settings.legged->control.robot, "go2");
  EXPECT_EQ(settings.train.iterations, 3000);
  EXPECT_EQ(settings.legged->terrain.kinds.size(), 8u);
  EXPECT_EQ(settings.plan->constants.levels, 10);
  ASSERT_EQ(settings.plan->spawn.size(), 3u * 10 * 16);
  const std::vector<std::string>& files = task_of(settings).files;
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
  const Settings settings = resolve_settings(sources);
  EXPECT_EQ(settings.task, "mydog");
  EXPECT_EQ(settings.legged->constraints.back().name, "mine");
  EXPECT_EQ(settings.legged->control.timestep, 0.005f);
  EXPECT_EQ(settings.legged->rewards[static_cast<std::size_t>(RewardTerm::kTorque)], 0.0f);

  // What a run keeps needs the file no more.
  const std::string text = to_toml(settings);
  expect_parts(text, {"extends = []", "task = \"mydog\"", "x = [0.0, 2.0]"});
  write_file(folder / "config.toml", text, Durability::kProcess);
  const Settings again = resolve_settings({(folder / "config.toml").string(), {}, {}});
  EXPECT_EQ(to_toml(again), text);

  sources.set.push_back("objective=shaped");
  const Settings shaped = resolve_settings(sources);
  EXPECT_EQ(shaped.legged->rewards[static_cast<std::size_t>(RewardTerm::kTorque)], -7.0f);
  EXPECT_FALSE(shaped.plan->soft);

  write_file(file, "extends = \"legged-falt\"\n", Durability::kProcess);
  expect_parts(error_of([&] {
                 resolve_settings({"", {"task=\"" + file + "\""}, {}});
               }),
               {"mydog.toml:1: extends", "'legged-falt'", "'legged-flat'"});
  write_file(file, "extends = \"mydog.toml\"\n", Durability::kProcess);
  expect_parts(error_of([&] { resolve_settings({"", {"task=\"" + file + "\""}, {}}); }), {"circle"});
  write_file(file, "extends = \"legged-flat\"\n", Durability::kProcess);
  expect_parts(error_of([&] { resolve_settings({"", {"task=\"" + file + "\""}, {}}); }), {"control.robot is missing"});
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
  const Settings settings = resolve_settings({"", {"task=\"" + file + "\""}, {}});
  const std::vector<std::string> names = names_of(settings.legged->constraints);
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
  write_file(folder / "config.toml", to_toml(settings), Durability::kProcess);
  std::filesystem::remove(file);
  const Settings again = resolve_settings({(folder / "config.toml").string(), {}, {}});
  EXPECT_EQ(names_of(again.legged->constraints), names);
  EXPECT_TRUE(task_of(again).files.empty());
  ASSERT_EQ(again.plan->constraints.size(), settings.plan->constraints.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(again.plan->constraints[i].begin, settings.plan->constraints[i].begin) << names[i];
  }
}

TEST(LeggedTasks, AWholeConfigurationIsOfOneTaskAndNeedsItsRobotBesideIt) {
  const TemporaryFolder folder;
  const std::string config = (folder / "config.toml").string();
  std::string text = to_toml(with({"seed=4"}));
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
  const Settings settings = with({"observations.policy=[\"joint_position\", \"foot_contact\", \"height_scan\"]"});
  const std::vector<std::string>& names = settings.plan->info.observation_names;
  EXPECT_EQ(names.at(12), "foot_contact.FL_hip_joint");
  EXPECT_EQ(names.at(16), "height_scan.0");
  EXPECT_EQ(settings.plan->info.facts.count("scan"), 1u);
  EXPECT_EQ(settings.plan->critic_names.size(), static_cast<std::size_t>(settings.plan->constants.critic_size));
}

}  // namespace
}  // namespace stampede
