/// \file The spec of a task: the same again from the file that a run keeps, and the same but for what is changed.
#include "host/task/planned_task.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "host/base/files.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

void expect_same(const TaskSpec& a, const TaskSpec& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.kernel, b.kernel);
  EXPECT_EQ(a.observations, b.observations);
  EXPECT_EQ(a.action, b.action);
  EXPECT_EQ(a.states, b.states);
  EXPECT_EQ(a.max_steps, b.max_steps);
  EXPECT_EQ(a.control_dt, b.control_dt);
  EXPECT_EQ(a.metric, b.metric);
  EXPECT_EQ(a.parameters, b.parameters);
  EXPECT_EQ(a.constraints.list, b.constraints.list);
  EXPECT_TRUE(same_bytes(a.constraints.columns, b.constraints.columns));
  EXPECT_EQ(a.constraints.soft, b.constraints.soft);
  EXPECT_EQ(a.constraints.tau, b.constraints.tau);
  EXPECT_EQ(a.constraints.min_p, b.constraints.min_p);
  EXPECT_EQ(a.constraints.rise_share, b.constraints.rise_share);
  EXPECT_EQ(a.mirror, b.mirror);
  EXPECT_EQ(a.metrics.size(), b.metrics.size());
  EXPECT_EQ(a.facts, b.facts);
  EXPECT_EQ(a.notes, b.notes);
  ASSERT_EQ(a.legged != nullptr, b.legged != nullptr);
  if (a.legged == nullptr) return;
  const LeggedSpec &x = *a.legged, &y = *b.legged;
  EXPECT_EQ(std::memcmp(&x.constants, &y.constants, sizeof x.constants), 0);
  EXPECT_EQ(x.spawn, y.spawn);
  EXPECT_EQ(x.sensed, y.sensed);
  EXPECT_TRUE(same_bytes(x.robot.joint, y.robot.joint));
  EXPECT_TRUE(same_bytes(x.robot.contact, y.robot.contact));
  EXPECT_EQ(x.robot.home_qpos, y.robot.home_qpos);
  ASSERT_EQ(x.robot.map != nullptr, y.robot.map != nullptr);
  EXPECT_TRUE(x.robot.map == nullptr || x.robot.map->buffer == y.robot.map->buffer);
}

/// Every task that comes with the program, with some of its settings changed.
TEST(PlannedTask, ASpecIsTheSameAgainFromTheFileOfARun) {
  for (const TaskInfo& info : tasks()) {
    SCOPED_TRACE(info.name);
    std::vector<std::string> set = {"task=" + info.name, "seed=9"};
    // A camera has a rate and a latency of its own.
    const Settings plain = resolve_settings({"", set, {}});
    const bool looks = plain.legged && plain.legged->observations.policy.front() == "depth";
    set.emplace_back(looks ? "camera.latency=2" : "policy_observation.history=2");
    if (info.legged()) set.insert(set.end(), {"commands.x=[-0.25, 0.75]", "control.episode=7.3"});
    const PlannedTask task = plan_task(resolve_settings({"", set, {}}));
    const TemporaryFolder folder;
    write_file(folder / "config.toml", to_toml(task.settings));
    const PlannedTask again = plan_task(resolve_settings({(folder / "config.toml").string(), {}, {}}));
    expect_same(*again.spec, *task.spec);
    EXPECT_EQ(to_toml(again.settings), to_toml(task.settings));
  }
}

TEST(PlannedTask, OtherSettingsOfTheSameRobotCompileNothing) {
  const PlannedTask task = plan_task(resolve_settings({"", {"task=go2-flat"}, {}}));
  const int before = robots_compiled();
  Settings longer = task.settings;
  longer.legged->control.episode = 3;
  const std::shared_ptr<const TaskSpec> spec = specify(task, longer);
  EXPECT_EQ(robots_compiled(), before);
  EXPECT_EQ(spec->max_steps, 150);
  EXPECT_EQ(spec->facts, task.spec->facts);
  EXPECT_EQ(spec->policy(), task.spec->policy());
}

TEST(PlannedTask, ACriticThatSeesThePolicysRowHasNoReadingOfItsOwn) {
  expect_parts(error_of([] {
                 plan_task(resolve_settings({"", {"task=pendulum", "critic_observation.every=2"}, {}}));
               }),
               {"'pendulum'", "critic_observation", "policy_observation"});
  const PlannedTask task = plan_task(
      resolve_settings({"", {"task=go2-flat", "critic_observation.every=2", "policy_observation.delay=1"}, {}}));
  EXPECT_EQ(task.spec->find_group("critic")->every, 2);
  EXPECT_EQ(task.spec->policy().delay, 1);
}

}  // namespace
}  // namespace stampede
