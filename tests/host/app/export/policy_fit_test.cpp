/// \file A policy and a task are matched by name.

#include "host/app/export/policy_fit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "host/app/export/policy_tensors.hpp"
#include "host/task/planned_task.hpp"
#include "tests/host/fake_engine.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;

TaskSpec compiled(const std::string& name) { return find_task(name).specify({}); }

TEST(PolicyFit, PolicyMustFitTheTask) {
  Policy policy = test::fake_policy("pendulum", 0.3f);
  EXPECT_NO_THROW(check_policy_fits(policy, compiled("pendulum"), "p"));
  expect_parts(error_of([&] { check_policy_fits(policy, compiled("cartpole-swingup"), "p"); }),
               {"p: ", "'pendulum'", "'cartpole-swingup'"});
  policy.task.clear();
  expect_parts(error_of([&] { check_policy_fits(policy, compiled("cartpole-swingup"), "p"); }),
               {"3 observations", "has 5"});
}

TaskSpec go2(std::vector<std::string> set = {}) {
  set.insert(set.begin(), "task=go2-flat");
  return *plan_task(resolve_settings({"", set, {}})).spec;
}

/// A policy for a walking task with all numbers different.
Policy policy_for(const TaskSpec& task) {
  std::mt19937 random(7);
  const auto fill = [&](int count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& x : values) x = std::uniform_real_distribution<float>(-1, 1)(random);
    return values;
  };
  const int observations = task.policy().size(), actions = task.action.size();
  Policy policy;
  policy.task = task.name;
  policy.robot = task.facts.at("robot");
  std::vector<DenseLayer> layers(2);
  layers[0] = {observations, 5, fill(5 * observations), fill(5)};
  layers[1] = {5, actions, fill(5 * actions), fill(actions)};
  policy.set_layers(layers);
  policy.log_std = fill(actions);
  policy.observation_mean = fill(observations);
  for (const float x : fill(observations)) policy.observation_variance.push_back(0.1f + x * x);
  policy.action_centre = task.action.centre;
  policy.action_scale = task.action.scale;
  policy.action_low = task.action.low;
  policy.action_high = task.action.high;
  policy.facts = policy_facts(policy, task);
  return policy;
}

/// What a policy of two layers does, by name.
std::map<std::string, double> acts(const Policy& policy, const TaskSpec& task,
                                   const std::map<std::string, double>& seen) {
  std::vector<double> x;
  for (std::size_t i = 0; i < task.policy().names.size(); ++i) {
    const double deviation = std::sqrt(static_cast<double>(policy.observation_variance[i]) + 1e-8);
    x.push_back((seen.at(task.policy().names[i]) - static_cast<double>(policy.observation_mean[i])) / deviation);
  }
  for (const DenseLayer& layer : policy.layers()) {
    std::vector<double> y;
    for (std::size_t o = 0; o < layer.bias.size(); ++o) {
      double sum = static_cast<double>(layer.bias[o]);
      for (std::size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(layer.weight[o * x.size() + i]) * x[i];
      y.push_back(std::tanh(sum));
    }
    x = y;
  }
  std::map<std::string, double> action;
  for (std::size_t a = 0; a < x.size(); ++a) {
    action[task.action.names[a]] =
        static_cast<double>(policy.action_centre[a]) + static_cast<double>(policy.action_scale[a]) * x[a];
  }
  return action;
}

/// The task with its joints in reverse order, as another listing of the same robot has them.
TaskSpec reversed(TaskSpec task) {
  std::reverse(task.action.names.begin(), task.action.names.end());
  std::reverse(task.observations[0].names.begin(), task.observations[0].names.end());
  for (const char* key : {"default_pose", "action_scale", "stiffness", "damping", "torque_low", "torque_high"}) {
    auto values = nlohmann::json::parse(task.facts.at(key));
    std::reverse(values.begin(), values.end());
    task.facts[key] = values.dump();
  }
  return task;
}

TEST(PolicyFit, JointsInAnotherOrderAreMatchedByName) {
  const TaskSpec task =
      go2({"symmetry.mirror=false", "control.pose=[0.1, 0.8, -1.4, -0.1, 0.7, -1.5, 0.1, 0.9, -1.6, -0.1, 0.6, -1.3]"});
  const Policy policy = policy_for(task);
  const TaskSpec other = reversed(task);
  std::vector<std::string> notes;
  const Policy fitted = fit_policy(policy, other, "p", notes);
  EXPECT_TRUE(notes.empty()) << notes.front();
  std::map<std::string, double> seen;
  double next = 0.3;
  for (const std::string& name : task.policy().names) seen[name] = next = 3.7 * next * (1 - next);
  EXPECT_EQ(acts(fitted, other, seen).size(), 12u);
  for (const auto& [joint, action] : acts(policy, task, seen)) {
    EXPECT_NEAR(acts(fitted, other, seen).at(joint), action, 1e-12) << joint;
  }
  EXPECT_EQ(fitted.action_low.front(), policy.action_low.back());
  // Its facts went along, so that it may be fitted once more.
  const Policy twice = fit_policy(fitted, other, "p", notes);
  EXPECT_EQ(twice.layers()[0].weight, fitted.layers()[0].weight);
  const Policy back = fit_policy(fitted, task, "p", notes);
  EXPECT_EQ(back.layers()[0].weight, policy.layers()[0].weight);
  EXPECT_EQ(back.layers()[1].weight, policy.layers()[1].weight);
  EXPECT_EQ(back.layers()[1].bias, policy.layers()[1].bias);
  EXPECT_EQ(back.facts, policy.facts);
}

/// Only dense layers can be put into another order.
TEST(PolicyFit, AnotherModuleKeepsItsOrder) {
  const TaskSpec task = go2();
  Policy policy = policy_for(task);
  ModuleWeights filter;
  filter.kind = "filter";
  filter.name = "actor.filter";
  policy.actor.insert(policy.actor.begin(), filter);
  std::vector<std::string> notes;
  EXPECT_EQ(fit_policy(policy, task, "p", notes).layers()[1].weight, policy.layers()[1].weight);
  expect_parts(error_of([&] { fit_policy(policy, reversed(task), "p", notes); }),
               {"p: ", "another order", "'actor.filter'"});
}

TEST(PolicyFit, ACheckpointsNetworksAreThoseOfItsConfiguration) {
  const TaskSpec task = go2();
  const Policy policy = policy_for(task);
  Policy other = policy;
  other.actor.insert(other.actor.begin(), other.actor.front());
  other.actor.front().kind = "filter";
  EXPECT_NO_THROW(check_same_networks(policy, policy, "c"));
  expect_parts(error_of([&] { check_same_networks(other, policy, "c"); }),
               {"c: ", "[\"filter\", \"dense\"]", "network.modules = [\"dense\"]"});
}

TEST(PolicyFit, WhatOneOfBothHasNotIsNamed) {
  const TaskSpec task = go2();
  const Policy policy = policy_for(task);
  std::vector<std::string> notes;
  const auto refusal = [&](const TaskSpec& other) {
    return error_of([&] { fit_policy(policy, other, "p.onnx", notes); });
  };
  TaskSpec other = task;
  other.action.names[4] = "elbow";
  expect_parts(refusal(other), {"p.onnx: ", "joint 'elbow'", "not trained with"});
  other = task;
  other.action.names.pop_back();
  expect_parts(refusal(other), {"p.onnx: ", "joint 'RR_calf_joint'"});
  const TaskSpec more =
      go2({"observations.policy=[\"base_linear_velocity\", \"projected_gravity\", \"command\", "
           "\"joint_position\", \"joint_velocity\", \"last_action\"]"});
  expect_parts(refusal(more), {"observation 'base_linear_velocity.x'"});
}

TEST(PolicyFit, OtherControlIsRefusedOrNamed) {
  const TaskSpec task = go2();
  const Policy policy = policy_for(task);
  std::vector<std::string> notes;
  const auto fit = [&](const std::string& set) { fit_policy(policy, go2({set}), "p.onnx", notes); };
  expect_parts(error_of([&] { fit("control.action_scale=0.5"); }),
               {"p.onnx: ", "action scale", "0.25", "'FL_hip_joint'", "0.5"});
  expect_parts(error_of([&] {
                 fit("control.pose=[0.068, 0.785, -1.44, -0.068, 0.785, -1.44, 0.068, 0.785, -1.44, -0.068, "
                     "0.785, -1.3]");
               }),
               {"default position", "-1.44", "'RR_calf_joint'", "-1.3"});
  EXPECT_TRUE(notes.empty());
  fit("control.stiffness=30");
  fit("control.decimation=5");
  ASSERT_EQ(notes.size(), 2u);
  expect_parts(notes[0], {"stiffness 25", "'FL_hip_joint'", "30"});
  expect_parts(notes[1], {"control step of 0.02 s", "0.025 s"});
}

TEST(PolicyFit, NumbersOfLimbsFromEarlierVersionsMeanTheSameOrder) {
  const TaskSpec task = go2({"observations.policy=[\"joint_position\", \"foot_contact\"]"});
  Policy policy = policy_for(task);
  std::vector<std::string> old = task.policy().names;
  for (std::size_t limb = 0; limb < 4; ++limb) old[12 + limb] = "foot_contact." + std::to_string(limb);
  policy.facts["observation_names"] = nlohmann::json(old).dump();
  std::vector<std::string> notes;
  EXPECT_EQ(fit_policy(policy, task, "p", notes).layers()[0].weight, policy.layers()[0].weight);
  expect_parts(error_of([&] { fit_policy(policy, reversed(task), "p", notes); }), {"foot_contact."});
}

TEST(PolicyFit, APlaceInACheckpointThatChangedIsNamed) {
  const std::map<std::string, std::string> then = {{"observation_names", R"(["a","b"])"}, {"action_names", R"(["x"])"}};
  EXPECT_NO_THROW(check_same_places(then, then, "c"));
  EXPECT_NO_THROW(check_same_places({}, then, "c"));  // of an earlier version
  expect_parts(error_of([&] {
                 check_same_places(then, {{"observation_names", R"(["b","a"])"}}, "c");
               }),
               {"c: observation 1 is 'a'", "'b'"});
  expect_parts(error_of([&] {
                 check_same_places(then, {{"action_names", R"(["x","y"])"}}, "c");
               }),
               {"action 2 is missing", "'y'"});
}

}  // namespace
}  // namespace stampede
