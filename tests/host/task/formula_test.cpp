/// \file Formulas as text and as lists of operations. What the operations compute is tested beside NumPy
/// (tests/python/test_formulas.py), mistakes there too.

#include "host/task/formula.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/task/settings_io.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

/// Two limbs of two joints each.
FormulaBody small_body() {
  FormulaBody body;
  body.lanes = 2;
  body.joints_a_limb = 2;
  body.points = 5;
  body.limbs = {"left", "right"};
  body.joints = {{"left_hip", 0, 0}, {"left_knee", 0, 1}, {"right_hip", 1, 0}, {"right_knee", 1, 1}};
  return body;
}

std::vector<FormulaStep> steps_of(const std::string& text) {
  std::vector<LimbTable<float>> masks;
  FormulaCompiler compiler(small_body(), kKeptRows, masks);
  const FormulaValue value = compiler.compile(text, "test", {});
  for (const int node : value.node) {
    if (node >= 0) compiler.result(FormulaOp::kEnd, node, 0, 0, 0, 0);
  }
  return compiler.finish("test");
}

std::vector<FormulaOp> operations_of(const std::string& text) {
  std::vector<FormulaOp> operations;
  for (const FormulaStep& step : steps_of(text)) operations.push_back(step.op);
  return operations;
}

TEST(Formula, ConstantsAreFolded) {
  using enum FormulaOp;
  const std::vector<FormulaStep> steps = steps_of("(1 + 2 * 3)^2 / abs(-7) - sqrt(4)");
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].op, kConstant);
  EXPECT_EQ(steps[0].number, 5.0f);
  // What is not finite is left to be noticed where it is computed.
  EXPECT_EQ(operations_of("1 / 0"), (std::vector<FormulaOp>{kConstant, kConstant, kDivide, kEnd}));
}

TEST(Formula, CommonPartsAreShared) {
  using enum FormulaOp;
  EXPECT_EQ(operations_of("(yaw_rate - command_yaw)^2 + (yaw_rate - command_yaw) * (yaw_rate - command_yaw)"),
            (std::vector<FormulaOp>{kSignal, kSignal, kSubtract, kMultiply, kAdd, kEnd}));
  EXPECT_EQ(operations_of("yaw_rate * command_yaw - command_yaw * yaw_rate"),
            (std::vector<FormulaOp>{kSignal, kSignal, kMultiply, kSubtract, kEnd}));
}

TEST(Formula, JointsThatAreNotChosenCostNothing) {
  using enum FormulaOp;
  EXPECT_EQ(operations_of("sum(joint_torque[\"*_knee\"])"), (std::vector<FormulaOp>{kSignal, kGroupSum, kEnd}));
  EXPECT_EQ(operations_of("sum(joint_torque[\"left_knee\"])"),
            (std::vector<FormulaOp>{kSignal, kChoose, kGroupSum, kEnd}));
}

/// What is not of points is computed before the turns, and keeps its place through all of them.
TEST(Formula, PointsAreTakenTurnByTurn) {
  using enum FormulaOp;
  EXPECT_EQ(operations_of("largest(abs(scan_height - mean(scan_height) * exp(yaw_rate)))"),
            (std::vector<FormulaOp>{kTurns, kPoint, kTurnSum, kGroupSum, kConstant, kDivide, kSignal, kExp, kMultiply,
                                    kTurns, kPoint, kSubtract, kAbs, kTurnMax, kGroupMax, kEnd}));
  const std::vector<FormulaStep> steps = steps_of("sum(exp(scan_height * yaw_rate) * scan_x)");
  ASSERT_EQ(steps.size(), 10u);
  EXPECT_EQ(steps[0].op, kSignal);
  EXPECT_EQ(steps[1].op, kTurns);
  EXPECT_EQ(steps[1].number, 3);  // 5 points on 2 lanes
  EXPECT_EQ(steps[7].op, kTurnSum);
  EXPECT_EQ(steps[7].number, 5);  // operations
  EXPECT_EQ(steps[7].to, steps[1].to);
  for (std::size_t i = 2; i < 7; ++i) {
    EXPECT_NE(steps[i].to, steps[0].to) << i;
    EXPECT_NE(steps[i].to, steps[7].to) << i;
  }
  // The same loop is not taken twice.
  EXPECT_EQ(operations_of("sum(scan_height) - 2 * mean(scan_height) - sum(scan_height)"),
            (std::vector<FormulaOp>{kTurns, kPoint, kTurnSum, kGroupSum, kConstant, kConstant, kDivide, kMultiply,
                                    kSubtract, kSubtract, kEnd}));
}

TEST(Formula, PlacesAreUsedAgain) {
  std::string sum = "0";
  for (int i = 0; i < 120; ++i) sum += " + exp(yaw_rate * " + std::to_string(i + 1) + ")";
  for (const FormulaStep& step : steps_of(sum)) EXPECT_LT(step.to, 8);
  // Each of a hundred numbers is needed until the end.
  std::string brackets;
  for (int i = 0; i < 90; ++i) brackets += "exp(yaw_rate * " + std::to_string(i + 2) + ") / (";
  const std::string deep = brackets + "1" + std::string(90, ')');
  test::expect_parts(test::error_of([&] { steps_of(deep); }), {"test", "more than 63 numbers at the same time"});
}

TEST(Formula, WhatReadsARowComesBeforeWhatWritesIt) {
  const std::vector<FormulaStep> steps = steps_of("previous(yaw_rate) + previous(previous(yaw_rate)) * 2");
  std::vector<bool> written(256, false);
  int kept = 0;
  for (const FormulaStep& step : steps) {
    if (step.op == FormulaOp::kRecall) {
      EXPECT_FALSE(written[step.a]);
    }
    if (step.op != FormulaOp::kKeep) continue;
    written[step.b] = true;
    ++kept;
  }
  EXPECT_EQ(kept, 2);
}

Settings settings_of(const std::vector<std::string>& set) {
  SettingsSources sources;
  sources.set = set;
  sources.set.insert(sources.set.begin(), "task=go2-flat");
  return resolve_settings(sources);
}

TEST(Formula, AConfigurationHoldsThem) {
  const Settings settings = settings_of(
      {"rewards.track_linear.formula='exp(-velocity_x^2)'", "rewards.track_angular.formula='exp(-yaw_rate^2)'",
       "rewards.mine.weight=-2", "rewards.mine.formula='sum(joint_torque[\"*_calf_joint\"])'", "rewards.mine=-3",
       "rewards.alive.weight=0.25", "constraints.far.formula='foot_speed - 1'",
       "constraints.far.when='foot_contact > 0.5'", "terminations.low.formula='base_height < 0.1'",
       "terminations.drop=0.5", "state.phase.start='uniform(0, 1)'", "state.phase.next='fract(phase + control_dt)'",
       "observations.terms.clock.formula=['phase', '1 - phase']", "observations.policy=['clock', 'command']",
       "symmetry.mirror=false"});
  const LeggedSettings& legged = *settings.legged;
  ASSERT_EQ(legged.reward_formulas.size(), 3u);
  EXPECT_EQ(legged.reward_formulas[0].weight, 1.0f);  // the built-in term's
  EXPECT_EQ(legged.rewards[static_cast<std::size_t>(RewardTerm::kTrackLinear)], 0.0f);
  EXPECT_EQ(legged.rewards[static_cast<std::size_t>(RewardTerm::kAlive)], 0.25f);
  EXPECT_EQ(legged.reward_formulas[1].weight, 0.5f);
  EXPECT_EQ(legged.reward_formulas[2].weight, -3.0f);

  const test::TemporaryFolder folder;
  const std::string file = (folder / "config.toml").string();
  write_file(file, to_toml(settings));
  SettingsSources sources;
  sources.config_file = file;
  const Settings again = resolve_settings(sources);
  EXPECT_EQ(to_toml(again), to_toml(settings));
  ASSERT_EQ(again.legged->observation_formulas.size(), 1u);
  EXPECT_EQ(again.legged->observation_formulas[0].formula[1].text, "1 - phase");
  EXPECT_EQ(again.legged->reward_formulas[2].formula.text, "sum(joint_torque[\"*_calf_joint\"])");
  EXPECT_EQ(again.legged->terminations.drop, 0.5f);
}

}  // namespace
}  // namespace stampede
