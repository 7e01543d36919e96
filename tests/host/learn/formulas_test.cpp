/// \file Formulas in task files: each built-in reward and constraint as a formula beside its code, numbers of the
/// environments' own, ends, observations, and what is not finite.

#include <cmath>
#include <map>

#include "host/model/robot/shapes.hpp"
#include "host/task/protocol.hpp"
#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

struct Twin {
  const char* name;
  const char* weight;
  const char* formula;
};
constexpr Twin kTwins[] = {
    {"track_linear", "1", "exp(-((command_x - velocity_x)^2 + (command_y - velocity_y)^2) / 0.25)"},
    {"track_angular", "0.5", "exp(-(command_yaw - yaw_rate)^2 / 0.25)"},
    {"linear_velocity_z", "-2", "base_velocity_z^2"},
    {"angular_velocity_xy", "-0.05", "angular_velocity_x^2 + angular_velocity_y^2"},
    {"torque", "-2e-4", "sum(joint_torque^2)"},
    {"joint_acceleration", "-2.5e-7", "sum(joint_acceleration^2)"},
    {"action_rate", "-0.01", "sum((action - previous_action)^2)"},
    {"air_time", "0.5", "select(command_speed > 0.1, sum(foot_touchdown * (foot_air_time - 0.5)), 0)"},
    {"collision", "-1", "sum(limb_force > 0.1)"},
    {"orientation", "-5", "gravity_x^2 + gravity_y^2"},
    {"power", "-1e-3", "power"},
    {"stand_still", "-0.1", "select(command_speed <= 0.1, sum(abs(joint_position - joint_default)), 0)"},
    {"alive", "0.2", "1"},
};

std::string quoted(const std::string& text) { return "'" + text + "'"; }

/// Robots that may fall, so that they touch the ground with everything.
std::vector<std::string> tumbling() {
  return {"control.episode=0.6", "terminations.base_force=1e6", "terminations.body_force=1e6",
          "terminations.gravity_z=2", "commands.standing=0.3"};
}

Settings with(std::vector<std::string> more) {
  std::vector<std::string> set = tumbling();
  set.insert(set.end(), more.begin(), more.end());
  return walking_settings(set);
}

TEST(Formulas, AreTheBuiltInRewards) {
  std::vector<std::string> set;
  for (const Twin& twin : kTwins) {
    const std::string name = twin.name;
    set.push_back("rewards." + name + "=" + twin.weight);
    set.push_back("rewards.f_" + name + ".weight=" + twin.weight);
    set.push_back("rewards.f_" + name + ".formula=" + quoted(twin.formula));
  }
  const Settings settings = with(set);
  for_each_instruction_set([&](const std::string& instruction_set) {
    const auto engine = engine_for(instruction_set, 2);
    const auto trainer = make_trainer(*engine, settings);
    std::map<std::string, double> sizes;
    for (const Report& report : iterate(*trainer, 8)) {
      for (const Twin& twin : kTwins) {
        const double code = report[std::string("rewards/") + twin.name];
        const double formula = report[std::string("rewards/f_") + twin.name];
        EXPECT_TRUE(std::fabs(code - formula) <= 2e-5 * std::fabs(code) + 1e-9)
            << twin.name << ": " << code << ", " << formula << " as a formula";
        EXPECT_EQ(report[std::string("not_finite/rewards.f_") + twin.name], 0) << twin.name;
        sizes[twin.name] += std::fabs(code);
      }
      EXPECT_EQ(report["nonfinite"], 0);
    }
    for (const Twin& twin : kTwins) EXPECT_GT(sizes[twin.name], 0) << twin.name << " was always 0: nothing is shown";
  });
}

TEST(Formulas, AreTheBuiltInConstraints) {
  const std::map<std::string, std::string> formulas = {
      {"joint_torque", "joint_torque[\"*_hip_joint\", \"*_thigh_joint\"]"},
      {"knee_velocity", "abs(joint_velocity[\"*_calf_joint\"])"},
      {"joint_acceleration", "abs(joint_acceleration)"},
      {"action_rate", "abs(action - previous_action) / control_dt"},
      {"foot_force", "foot_force"},
      {"front_thigh", "abs(joint_position[\"F*_thigh_joint\"])"},
      {"hip", "abs(joint_position - joint_default)[\"*_hip_joint\"]"},
      {"base_orientation", "sqrt(gravity_x^2 + gravity_y^2)"},
      {"upside_down", "gravity_z > 0"},
      {"body_contact", "body_force > 1"},
      {"air_time", "select(foot_touchdown, 0.25 - foot_air_time, 0)"},
      {"feet_down", "abs(sum(foot_contact) - 2)"},
      {"trot",
       "abs(sum(foot_contact[\"FL*\"]) - sum(foot_contact[\"RR*\"])) + abs(sum(foot_contact[\"FR*\"]) - "
       "sum(foot_contact[\"RL*\"]))"}};
  // Of those that judge a limit by themselves, the formula does.
  const auto own_limit = [](const std::string& name) {
    return name == "upside_down" || name == "body_contact" || name == "air_time" || name == "feet_down" ||
           name == "trot";
  };
  const Settings plain = with({});
  std::vector<std::string> set;
  for (const ConstraintSettings& from : plain.legged->constraints) {
    const auto formula = formulas.find(from.name);
    if (formula == formulas.end()) continue;
    const std::string key = "constraints.f_" + from.name;
    set.push_back(key + ".formula=" + quoted(formula->second));
    set.push_back(key + ".when=" + from.when.text);
    if (own_limit(from.name)) continue;
    set.push_back(key + ".limit=" + std::to_string(from.limit));
    set.push_back(key + ".margin=" + std::to_string(from.margin));
  }
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto trainer = make_trainer(*engine, with(set));
  std::map<std::string, double> violated;
  for (const Report& report : iterate(*trainer, 8)) {
    for (const auto& [name, formula] : formulas) {
      for (const char* which : {"/violated", "/mean", "/applied"}) {
        const double code = report["constraints/" + name + which], other = report["constraints/f_" + name + which];
        EXPECT_TRUE(std::fabs(code - other) <= 2e-5 * std::fabs(code) + 1e-6)
            << name << which << ": " << code << ", " << other << " as a formula";
      }
      violated[name] += report["constraints/" + name + "/violated"];
    }
  }
  int some = 0;
  for (const auto& [name, share] : violated) some += share > 0;
  EXPECT_GE(some, 10);
}

/// A number of the environment's own holds what previous() remembers; and a training that is resumed goes on with both.
TEST(Formulas, KeepNumbersFromStepToStep) {
  const Settings settings = with({"state.before.start='0'", "state.before.next='velocity_x'",
                                  "rewards.kept.formula='select(episode_start, 0, (velocity_x - before)^2)'",
                                  "rewards.previous.formula='(velocity_x - previous(velocity_x))^2'",
                                  "rewards.joints.formula='sum(abs(joint_position - previous(joint_position)))'"});
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto trainer = make_trainer(*engine, settings);
  for (const Report& report : iterate(*trainer, 4)) {
    EXPECT_EQ(report["rewards/kept"], report["rewards/previous"]);
    EXPECT_GT(report["rewards/previous"], 0);
    EXPECT_GT(report["rewards/joints"], 0);
    EXPECT_LT(report["rewards/joints"], 12 * 0.5);
  }
  const auto other = engine_for(best_instruction_set(), 1);
  const auto resumed = make_trainer(*other, settings);
  resumed->restore(trainer->state());
  iterate(*trainer, 2);
  iterate(*resumed, 2);
  EXPECT_TRUE(same_state(resumed->state(), trainer->state()));
}

TEST(Formulas, EndEpisodes) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto trainer = make_trainer(*engine, with({"terminations.soon.formula='time > 0.099'",
                                                   "train.random_initial_phase=false", "train.horizon=12"}));
  const Report report = iterate(*trainer, 1).front();
  EXPECT_EQ(report["episode_length_mean"], 5);
  EXPECT_EQ(report.count("episodes"), 37 * 2);
}

TEST(Formulas, WhatIsNotFiniteIsCountedAndNamed) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto trainer = make_trainer(
      *engine, with({"rewards.bad.formula='1 / 0'", "rewards.worse.formula='min(1, log(-time))'",
                     "rewards.guarded.formula='select(time > 1e6, 1 / (time - time), 2)'",
                     "constraints.bad.formula='sqrt(-foot_force - 1)'", "terminations.bad.formula='0 / 0 > 1'",
                     "state.bad.start='3'", "state.bad.next='bad / 0'", "rewards.state.formula='bad'"}));
  const Report report = iterate(*trainer, 2).back();
  EXPECT_EQ(report["not_finite/rewards.bad"], 1);
  EXPECT_EQ(report["not_finite/rewards.worse"], 1);
  EXPECT_EQ(report["not_finite/rewards.guarded"], 0);
  EXPECT_EQ(report["not_finite/constraints.bad"], 1);
  EXPECT_EQ(report["not_finite/terminations.bad"], 1);
  EXPECT_EQ(report["not_finite/state.bad"], 1);
  EXPECT_EQ(report["rewards/bad"], 0);
  EXPECT_NEAR(report["rewards/guarded"], 2, 1e-5);
  EXPECT_NEAR(report["rewards/state"], 3, 1e-5);
  EXPECT_EQ(report["constraints/bad/violated"], 0);
  EXPECT_EQ(report["constraints/bad/applied"], 1);
  EXPECT_EQ(report["nonfinite"], 0);
}

TEST(Formulas, ThatAreNotFiniteAreToldOfEvaluations) {
  EvaluationRequest request;
  request.task = plan_task(with({"rewards.bad.formula='1 / (time - time)'", "rewards.good.formula='time'",
                                 "constraints.early.formula='sqrt(time - 0.101)'", "symmetry.mirror=false",
                                 "observations.terms.o.formula='log(-1)'",
                                 "observations.policy=['o', 'joint_position', 'command']"}))
                     .spec;
  request.episodes = 21;
  const auto engine = engine_for(best_instruction_set(), 2);
  const Evaluation evaluation = engine->evaluate(request, still_policy(*request.task));
  const std::vector<std::string>& names = request.task->legged->formulas.names;
  const std::vector<double>& shares = evaluation.legged.formulas_not_finite;
  ASSERT_EQ(shares.size(), names.size());
  std::map<std::string, double> share;
  for (std::size_t i = 0; i < names.size(); ++i) share[names[i]] = shares[i];
  EXPECT_EQ(share["rewards.bad"], 1);
  EXPECT_EQ(share["rewards.good"], 0);
  EXPECT_NEAR(share["constraints.early"], 5.0 / 30, 1e-6);  // the first 0.1 s of 0.6 s
  EXPECT_EQ(share["observations.terms.o"], 1);
}

/// What the critic's value of a time-out is computed from: a state that would not be finite is seen as it is kept.
TEST(Formulas, LastObservationsSeeWhatIsKept) {
  const auto task = plan_task(with({"state.kept.start='3'", "state.kept.next='select(time < 0.09, kept + 1, 1 / 0)'",
                                    "observations.terms.o.formula=['kept', '1 / (kept - 6)']", "symmetry.mirror=false",
                                    "terminations.soon.formula='time > 0.099'", "train.random_initial_phase=false",
                                    "observations.policy=['o', 'joint_position', 'command']",
                                    "observations.critic=['joint_position', 'o']"}))
                        .spec;
  const auto engine = engine_for(best_instruction_set(), 1);
  const auto environment = engine->make_environment({task, 5, 3, false});
  const std::vector<float> still(static_cast<std::size_t>(5 * task->action.size()), 0.0f);
  for (int step = 1; step <= 5; ++step) {
    environment->step(still);
    const std::vector<float> seen = environment->observations().to_host();
    if (step < 5) {
      EXPECT_EQ(seen[0], static_cast<float>(3 + std::min(step, 4)));
    }
  }
  EXPECT_NE(environment->ended().to_host()[0], 0);
  const std::vector<float> last = environment->final_observations().to_host();
  EXPECT_EQ(last[12], 7.0f);  // behind the critic's joints
  EXPECT_EQ(last[13], 1.0f);
}

/// A clock that the policy sees, and where its feet are, by the traced states.
TEST(Formulas, AreObserved) {
  const Settings settings = with({"symmetry.mirror=false", "state.phase.start='uniform(0, 1)'",
                                  "state.phase.next='fract(phase + 2 * control_dt)'",
                                  "observations.terms.clock.formula=['phase', 'foot_height', 'foot_z']",
                                  "observations.policy=['clock', 'base_angular_velocity', 'joint_position']"});
  const PlannedTask task = plan_task(settings);
  EvaluationRequest request = evaluation_request(task, 9, false);
  request.trace = true;
  const auto engine = engine_for(best_instruction_set(), 2);
  const TaskSpec& spec = *request.task;
  ASSERT_EQ(spec.policy().size(), 9 + 3 + 12);
  EXPECT_EQ(spec.policy().names[0], "clock.0");
  EXPECT_EQ(spec.policy().names[1], "clock.1.FL_hip_joint");
  EXPECT_EQ(spec.policy().names[9], "base_angular_velocity.x");
  const Evaluation evaluation = engine->evaluate(request, still_policy(spec));
  std::map<std::string, std::vector<float>> values;
  for (const Tensor& tensor : evaluation.trace) values[tensor.name] = floats_of(tensor);
  const auto steps = static_cast<std::size_t>(evaluation.trace.front().shape[0]);
  constexpr std::size_t kEpisodes = 9, kWidth = 24;
  const std::size_t states = static_cast<std::size_t>(spec.states);
  double least = 1, most = 0;
  for (std::size_t step = 0; step + 1 < std::min<std::size_t>(steps, 20); ++step) {
    for (std::size_t episode = 0; episode < kEpisodes; ++episode) {
      const std::size_t row = step * kEpisodes + episode, next = row + kEpisodes;
      if (values["active"][next] == 0.0f) continue;
      const double phase = static_cast<double>(values["observation"][row * kWidth]);
      const double after = static_cast<double>(values["observation"][next * kWidth]);
      EXPECT_NEAR(std::remainder(after - phase - 0.04, 1.0), 0, 1e-5);
      EXPECT_GE(phase, 0);
      EXPECT_LT(phase, 1);
      least = std::min(least, phase), most = std::max(most, phase);
      std::vector<double> qpos(values["state"].begin() + static_cast<std::ptrdiff_t>(row * states),
                               values["state"].begin() + static_cast<std::ptrdiff_t>(row * states + 19));
      const std::vector<Vec3<double>> lowest = lowest_points(spec.legged->robot, qpos.data());
      for (std::size_t foot = 0; foot < 4; ++foot) {
        EXPECT_NEAR(values["observation"][row * kWidth + 1 + foot], qpos[2] + lowest[foot].z, 2e-5);
        EXPECT_NEAR(values["observation"][row * kWidth + 5 + foot], lowest[foot].z + 0.022, 2e-3);
      }
    }
  }
  EXPECT_LT(least, 0.2);
  EXPECT_GT(most, 0.8);
}

/// Of the scan's points, beside the built-in observations of them.
TEST(Formulas, SeeTheScan) {
  const Settings settings =
      rough_settings({"symmetry.mirror=false", "noise.height_scan=0", "terrain.easiest=1",
                      "observations.terms.ground.formula=['largest(scan_height)', 'mean(scan_height)', "
                      "'smallest(scan_height)', 'smallest(scan_clearance)', "
                      "'sum(scan_height * (scan_x > 0.5 and scan_y < 0))', 'largest(scan_x)', 'smallest(scan_y)']",
                      "observations.policy=['ground', 'height_scan', 'clearance']"});
  const PlannedTask task = plan_task(settings);
  EvaluationRequest request = evaluation_request(task, 9, false);
  request.trace = true;
  const auto engine = engine_for(best_instruction_set(), 2);
  const TaskSpec& spec = *request.task;
  const LeggedConstants& c = spec.legged->constants;
  const int columns = c.scan_columns, points = c.scan_points;
  ASSERT_NE(points % lanes_of(spec.legged->robot), 0) << "each lane has a point in the last turn: not all is shown";
  Evaluation evaluation = engine->evaluate(request, still_policy(spec));
  const std::vector<float> seen = floats_of(find(evaluation.trace, "observation"));
  const std::size_t width = 7 + static_cast<std::size_t>(points) + 1;
  ASSERT_EQ(static_cast<std::size_t>(spec.policy().size()), width);
  double uneven = 0;
  for (std::size_t row = 0; row < seen.size(); row += width) {
    if (std::all_of(&seen[row], &seen[row] + width, [](float x) { return x == 0; })) continue;  // the episode is over
    const float* const scan = &seen[row + 7];
    float most = scan[0], least = scan[0];
    double sum = 0, ahead = 0;
    for (int i = 0; i < points; ++i) {
      most = std::max(most, scan[i]), least = std::min(least, scan[i]);
      sum += static_cast<double>(scan[i]);
      const float x = c.scan_x + static_cast<float>(i % columns) * c.scan_spacing;
      const float y = c.scan_y + static_cast<float>(i / columns) * c.scan_spacing;
      if (x > 0.5f && y < -1e-3f) ahead += static_cast<double>(scan[i]);
    }
    EXPECT_EQ(seen[row], most);
    EXPECT_NEAR(static_cast<double>(seen[row + 1]), sum / points, 1e-5);
    EXPECT_EQ(seen[row + 2], least);
    EXPECT_EQ(seen[row + 3], scan[points]);
    EXPECT_NEAR(static_cast<double>(seen[row + 4]), ahead, 1e-5);
    EXPECT_NEAR(seen[row + 5], c.scan_x + static_cast<float>(columns - 1) * c.scan_spacing, 1e-6f);
    EXPECT_NEAR(seen[row + 6], c.scan_y, 1e-6f);
    uneven = std::max(uneven, static_cast<double>(most - least));
  }
  EXPECT_GT(uneven, 0.05) << "the ground was level: nothing is shown";
}

#ifdef STAMPEDE_PARITY
TEST(Formulas, GiveTheSameBitsWithEveryPackWidthAndAnyNumberOfThreads) {
  const Settings settings = with(
      {"rewards.track_linear.formula='exp(-4 * ((command_x - velocity_x)^2 + (command_y - velocity_y)^2))'",
       "rewards.swing.formula='mean(tanh(foot_height) * sin(2 * pi * fract(time + is_foot(\"FL*\", \"RR*\") / 2)))'",
       "constraints.slip.formula='foot_speed - 0.3'", "constraints.slip.when='foot_contact > 0.5'",
       "rewards.ground.formula='largest(scan_height * scan_x) - mean(abs(scan_height - mean(scan_height)))'",
       "constraints.apart.formula='0.05 - limb_distance'"});
  std::uint64_t expected = 0;
  for_each_instruction_set([&](const std::string& instruction_set) {
    for (const int threads : {1, 3}) {
      const auto engine = engine_for(instruction_set, threads);
      const auto trainer = make_trainer(*engine, settings);
      iterate(*trainer, 4);
      const std::uint64_t hash = hash_of_parameters(trainer->state());
      if (expected == 0) expected = hash;
      EXPECT_EQ(hash, expected) << threads << " threads";
    }
  });
}
#endif

/// An evaluation asks for no privileged observations: nothing is written beyond the policy's last ones (a sanitizer
/// sees it, and so do the neighbours: the same task without the critic's clock gives the same numbers).
TEST(Formulas, OfTheCriticStayOutOfEvaluations) {
  const std::vector<std::string> clock = {
      "state.phase.start='uniform(0, 1)'", "state.phase.next='fract(phase + 2 * control_dt)'",
      "observations.terms.clock.formula=['sin(2 * pi * phase)', 'phase']", "symmetry.mirror=false",
      "observations.policy=['clock', 'joint_position', 'command']"};
  std::vector<std::string> both = clock;
  both.push_back(
      "observations.critic=['base_linear_velocity', 'joint_velocity', 'last_action', 'joint_position', 'clock']");
  const auto evaluated = [&](const std::vector<std::string>& set) {
    EvaluationRequest request;
    request.task = plan_task(with(set)).spec;
    request.episodes = 40;
    request.trace = true;
    const auto engine = engine_for(best_instruction_set(), 2);
    Evaluation evaluation = engine->evaluate(request, still_policy(*request.task));
    return floats_of(find(evaluation.trace, "observation"));
  };
  std::vector<std::string> without = clock;
  without.push_back("observations.critic=['base_linear_velocity', 'joint_velocity', 'last_action', 'joint_position']");
  EXPECT_EQ(evaluated(both), evaluated(without));
}

}  // namespace
}  // namespace stampede::testing
