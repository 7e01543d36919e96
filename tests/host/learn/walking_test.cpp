/// \file Walking robots as environments: what they observe, how their constraints are judged, what ends an episode.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "host/base/files.hpp"
#include "host/model/robot/find_robot.hpp"
#include "host/model/robot/shapes.hpp"
#include "host/peers/mujoco_physics.hpp"
#include "host/task/planned_task.hpp"
#include "host/task/protocol.hpp"
#include "tests/host/learn/testing.hpp"
#include "tests/host/model/robot/robots.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede::testing {
namespace {

/// One whose outputs follow a row of the observation: it moves, and violates something.
Policy restless_policy(const TaskSpec& spec) {
  Policy policy = still_policy(spec);
  DenseLayer layer = policy.layers().front();
  for (int o = 0; o < layer.outputs; ++o) {
    // With the joint's own velocity, which makes it swing, the more the farther it is turned.
    layer.weight[static_cast<std::size_t>(o * layer.inputs + 3 + o % 2)] = o % 3 == 0 ? 8.0f : -8.0f;
    layer.weight[static_cast<std::size_t>(o * layer.inputs + 9 + 12 + o)] = 0.4f;
    layer.weight[static_cast<std::size_t>(o * layer.inputs + 8)] = o % 2 == 0 ? 0.5f : -0.5f;
  }
  policy.set_layers({layer});
  return policy;
}

struct Traced {
  Evaluation evaluation;
  std::map<std::string, std::vector<float>> values;
  std::size_t steps = 0, episodes = 0;
  float at(const std::string& name, std::size_t step, std::size_t episode, std::size_t i) const {
    const std::vector<float>& all = values.at(name);
    const std::size_t width = all.size() / (steps * episodes);
    return all[(step * episodes + episode) * width + i];
  }
};

Traced trace(Engine& engine, EvaluationRequest request, const Policy& policy) {
  request.trace = true;
  Traced traced;
  traced.evaluation = engine.evaluate(request, policy);
  for (const Tensor& tensor : traced.evaluation.trace) traced.values[tensor.name] = floats_of(tensor);
  traced.steps = static_cast<std::size_t>(traced.evaluation.trace.front().shape[0]);
  traced.episodes = static_cast<std::size_t>(traced.evaluation.trace.front().shape[1]);
  return traced;
}

Settings longer_settings(const std::vector<std::string>& more = {}) {
  std::vector<std::string> set = {"control.episode=1", "terminations.base_force=1e6", "terminations.body_force=1e6",
                                  "terminations.gravity_z=2"};
  set.insert(set.end(), more.begin(), more.end());
  return walking_settings(set);
}

TEST(Walking, ObservationsAreTheStates) {
  const Settings settings = longer_settings();
  const PlannedTask task = plan_task(settings);
  const TaskSpec& spec = *task.spec;
  EvaluationRequest request = evaluation_request(task, 5, false);
  const Traced traced = trace(*engine_for(best_instruction_set(), 2), request, restless_policy(*request.task));
  const std::vector<std::string>& names = spec.policy().names;
  const auto place = [&](const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    EXPECT_NE(found, names.end()) << name;
    return static_cast<std::size_t>(found - names.begin());
  };
  for (const std::size_t step : {std::size_t{1}, std::size_t{20}, std::size_t{49}}) {
    for (std::size_t episode = 0; episode < 5; ++episode) {
      if (traced.at("active", step, episode, 0) == 0.0f) continue;
      const auto state = [&](std::size_t i) { return static_cast<double>(traced.at("state", step, episode, i)); };
      const auto seen = [&](const std::string& name) {
        return static_cast<double>(traced.at("observation", step, episode, place(name)));
      };
      const double w = state(3), x = state(4), y = state(5), z = state(6);
      EXPECT_NEAR(seen("projected_gravity.x"), -2 * (x * z - w * y), 1e-5);
      EXPECT_NEAR(seen("projected_gravity.y"), -2 * (y * z + w * x), 1e-5);
      EXPECT_NEAR(seen("projected_gravity.z"), -(1 - 2 * (x * x + y * y)), 1e-5);
      EXPECT_EQ(seen("base_angular_velocity.z"), state(19 + 5));
      for (std::size_t j = 0; j < 12; ++j) {
        const std::string& joint = spec.action.names[j];
        EXPECT_NEAR(seen("joint_position." + joint), state(7 + j) - static_cast<double>(spec.action.centre[j]), 1e-6);
        EXPECT_EQ(seen("joint_velocity." + joint), state(19 + 6 + j));
        const double last = (static_cast<double>(traced.at("action", step - 1, episode, j)) -
                             static_cast<double>(spec.action.centre[j])) /
                            static_cast<double>(spec.action.scale[j]);
        EXPECT_NEAR(seen("last_action." + joint), last, 1e-5);
      }
      EXPECT_EQ(seen("command.x"), static_cast<double>(request.commands[3 * episode]));
    }
  }
}

/// Half a control step late: halfway between this step's reading and the last's; what the policy knows by itself is
/// not.
TEST(Walking, ReadingsComeLate) {
  const Settings settings =
      longer_settings({"randomise.observation_delay=[0.01, 0.01]", "noise.joint_position=0", "noise.joint_velocity=0",
                       "noise.projected_gravity=0", "noise.base_angular_velocity=0"});
  const PlannedTask task = plan_task(settings);
  const EvaluationRequest request = evaluation_request(task, 5, true);
  const TaskSpec& spec = *request.task;
  const Traced traced = trace(*engine_for(best_instruction_set(), 2), request, restless_policy(spec));
  int moved = 0;
  for (std::size_t step = 0; step < 30; ++step) {
    for (std::size_t episode = 0; episode < 5; ++episode) {
      if (traced.at("active", step, episode, 0) == 0.0f) continue;
      for (std::size_t j = 0; j < 12; ++j) {
        const auto velocity = [&](std::size_t at) {
          return static_cast<double>(traced.at("state", at, episode, 25 + j));
        };
        const double before = velocity(step == 0 ? 0 : step - 1), now = velocity(step);
        EXPECT_NEAR(traced.at("observation", step, episode, 21 + j), 0.5 * (before + now), 1e-4);
        moved += std::fabs(now - before) > 0.1;
        if (step == 0) continue;
        const double last = (static_cast<double>(traced.at("action", step - 1, episode, j)) -
                             static_cast<double>(spec.action.centre[j])) /
                            static_cast<double>(spec.action.scale[j]);
        EXPECT_NEAR(traced.at("observation", step, episode, 33 + j), last, 1e-5);
      }
    }
  }
  EXPECT_GT(moved, 100);
}

/// What of the constraints can be recomputed from the states alone.
TEST(Walking, ConstraintsAreJudgedAsTheStatesSay) {
  const Settings settings = longer_settings();
  const PlannedTask task = plan_task(settings);
  EvaluationRequest request = evaluation_request(task, 20, false);
  const TaskSpec& spec = *request.task;
  const Traced traced = trace(*engine_for(best_instruction_set(), 2), request, restless_policy(spec));
  const auto index = [&](const std::string& name) {
    for (std::size_t i = 0; i < spec.constraints.list.size(); ++i) {
      if (spec.constraints.list[i].name == name) return i;
    }
    ADD_FAILURE() << name;
    return std::size_t{0};
  };
  int violated[4] = {};
  for (std::size_t step = 0; step + 1 < traced.steps; ++step) {
    for (std::size_t episode = 0; episode < traced.episodes; ++episode) {
      if (traced.at("active", step + 1, episode, 0) == 0.0f) continue;
      const auto before = [&](std::size_t i) { return static_cast<double>(traced.at("state", step, episode, i)); };
      const auto after = [&](std::size_t i) { return static_cast<double>(traced.at("state", step + 1, episode, i)); };
      double knee = 0, acceleration = 0, front = 0, hip = 0;
      for (std::size_t j = 0; j < 12; ++j) {
        acceleration = std::max(acceleration, std::fabs(after(25 + j) - before(25 + j)) / 0.02 - 800);
        if (j % 3 == 2) knee = std::max(knee, std::fabs(after(25 + j)) - 12.56);
        if (j == 1 || j == 4) front = std::max(front, std::fabs(after(7 + j)) - 1.5);
        if (j % 3 == 0) hip = std::max(hip, std::fabs(after(7 + j) - static_cast<double>(spec.action.centre[j])) - 0.2);
      }
      if (std::fabs(request.commands[3 * episode + 1]) >= 0.1f) hip = 0;
      const double orientation =
          std::hypot(2 * (after(4) * after(6) - after(3) * after(5)), 2 * (after(5) * after(6) + after(3) * after(4))) -
          0.1;
      const auto judged = [&](const char* name) {
        return static_cast<double>(traced.at("violation", step, episode, index(name)));
      };
      EXPECT_NEAR(judged("knee_velocity"), std::max(0.0, knee), 1e-4);
      EXPECT_NEAR(judged("joint_acceleration"), std::max(0.0, acceleration), 1e-2);
      EXPECT_NEAR(judged("front_thigh"), std::max(0.0, front), 1e-5);
      EXPECT_NEAR(judged("hip"), std::max(0.0, hip), 1e-5);
      EXPECT_NEAR(judged("base_orientation"), std::max(0.0, orientation), 1e-5);
      violated[0] += knee > 0 || acceleration > 0;
      violated[1] += hip > 0;
      violated[2] += orientation > 0;
      violated[3] += 1;
    }
  }
  // To whom the task's `when` applies: those told to walk straight.
  double straight = 0, steps = 0;
  for (std::size_t step = 0; step < traced.steps; ++step) {
    for (std::size_t episode = 0; episode < traced.episodes; ++episode) {
      if (traced.at("active", step, episode, 0) == 0.0f) continue;
      const bool applies = std::fabs(request.commands[3 * episode + 1]) < 0.1f;
      EXPECT_EQ(traced.at("applied", step, episode, index("hip")), applies ? 1.0f : 0.0f);
      straight += applies;
      ++steps;
    }
  }
  const ConstraintFigures& hips = traced.evaluation.constraints[index("hip")];
  EXPECT_NEAR(hips.applied, straight / steps, 1e-9);
  EXPECT_NEAR(hips.violated_when_applied * straight, hips.violated * steps, 1e-6);
  EXPECT_LT(hips.applied, 0.9);
  EXPECT_GT(violated[0], 10);
  EXPECT_GT(violated[1], 10);
  EXPECT_GT(violated[2], 10);
  EXPECT_LT(violated[2], violated[3]);
}

/// A robot that starts in the air lands: its feet were not lifted, and no step was too short. Later steps are judged.
TEST(Walking, AirTimeCountsFromTheFirstContact) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto run = [&](const std::string& height) {
    const Settings settings = longer_settings({"start.height=" + height, "start.joint_factor=[1, 1]",
                                               "constraints.air_time.when=always", "constraints.air_time.limit=5"});
    const PlannedTask task = plan_task(settings);
    const EvaluationRequest request = evaluation_request(task, 20, false);
    const TaskSpec& spec = *request.task;
    const Traced traced = trace(*engine, request, restless_policy(spec));
    std::size_t air_time = 0;
    while (spec.constraints.list.at(air_time).name != "air_time") ++air_time;
    int first = 0, later = 0;
    for (std::size_t episode = 0; episode < traced.episodes; ++episode) {
      unsigned been_down = 0, down = 0;
      for (std::size_t step = 0; step < traced.steps && traced.at("active", step, episode, 0) != 0.0f; ++step) {
        const unsigned before = down;
        down = static_cast<unsigned>(
            std::lround(traced.at("figures", step, episode, static_cast<std::size_t>(LeggedFigure::kFeet))));
        const bool again = (down & ~before & been_down) != 0;
        first += (down & ~been_down) != 0 && step > 0;
        later += again;
        EXPECT_EQ(traced.at("violation", step, episode, air_time) > 0, again) << "step " << step;
        been_down |= down;
      }
    }
    return std::pair{first, later};
  };
  const auto [first, later] = run("0.5");
  EXPECT_GE(first, 20);
  EXPECT_GT(later, 5);
  EXPECT_GT(run("0").second, 5);
}

/// The evaluation's power against a sum by hand over the physics steps: with a control step for each, and their mean
/// where a control step has four.
TEST(Walking, PowerIsWorkOverThePhysicsSteps) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto run = [&](const std::string& decimation, bool mujoco) {
    const Settings settings = longer_settings({"control.decimation=" + decimation, "start.joint_velocity=[-5, 5]",
                                               "randomise.delay=[0, 0]", "randomise.observation_delay=[0, 0]"});
    const PlannedTask task = plan_task(settings);
    EvaluationRequest request = evaluation_request(task, 6, false);
    request.commands.assign(request.commands.size(), 0.0f);
    const auto outside = mujoco ? make_mujoco_physics(task, 2) : nullptr;
    request.external = outside.get();
    return trace(*engine, request, still_policy(*request.task));
  };
  const Traced fine = run("1", false), whole = run("4", false), theirs = run("4", true);
  ASSERT_EQ(fine.steps, 200u);
  ASSERT_EQ(whole.steps, 50u);
  const auto power = [](const Traced& traced, std::size_t step, std::size_t episode) {
    return static_cast<double>(traced.at("figures", step, episode, static_cast<std::size_t>(LeggedFigure::kPower)));
  };
  const double limit[3] = {23.7, 23.7, 45.43};
  double most = 0, peak = 0;
  for (std::size_t episode = 0; episode < 6; ++episode) {
    for (std::size_t step = 0; step < whole.steps; ++step) {
      double mean = 0, torques = 0;
      for (std::size_t sub = 4 * step; sub < 4 * step + 4; ++sub) {
        double by_hand = 0;
        for (std::size_t j = 0; j < 12; ++j) {
          const double q = static_cast<double>(fine.at("state", sub, episode, 7 + j));
          const double v = static_cast<double>(fine.at("state", sub, episode, 25 + j));
          const double u = static_cast<double>(fine.at("action", sub, episode, j));
          by_hand += std::fabs(std::clamp(25 * (u - q) - 0.5 * v, -limit[j % 3], limit[j % 3]) * v);
        }
        EXPECT_NEAR(power(fine, sub, episode), by_hand, 1e-3 * (1 + by_hand)) << "step " << sub;
        mean += by_hand / 4;
        torques = std::max(torques, by_hand);
      }
      EXPECT_NEAR(power(whole, step, episode), mean, 2e-3 * (1 + mean)) << "step " << step;
      most = std::max(most, mean);
      peak = std::max(peak, torques / std::max(mean, 1.0));
      if (step >= 20) continue;
      EXPECT_NEAR(power(theirs, step, episode), mean, 0.02 * (1 + mean)) << "MuJoCo's step " << step;
    }
  }
  EXPECT_GT(most, 20.0);
  EXPECT_GT(peak, 1.3) << "otherwise the largest would do as well as the mean";
}

TEST(Walking, MujocoJudgesAPolicyAsWeDo) {
  const Settings settings = longer_settings();
  const PlannedTask task = plan_task(settings);
  for (const bool randomise : {false, true}) {
    EvaluationRequest request = evaluation_request(task, 24, randomise);
    request.commands.assign(request.commands.size(), 0.0f);
    const auto engine = engine_for(best_instruction_set(), 2);
    const Policy policy = still_policy(*request.task);
    // Pushes and noise are the same draws for both.
    const Traced ours = trace(*engine, request, policy);
    const auto mujoco = make_mujoco_physics(task, 2);
    request.external = mujoco.get();
    const Traced theirs = trace(*engine, request, policy);
    double worst = 0, moved = 0;
    for (std::size_t episode = 0; episode < 24; ++episode) {
      for (std::size_t i = 0; i < 19; ++i) {
        worst = std::max(worst, static_cast<double>(
                                    std::fabs(ours.at("state", 40, episode, i) - theirs.at("state", 40, episode, i))));
        moved = std::max(
            moved, static_cast<double>(std::fabs(ours.at("state", 40, episode, i) - ours.at("state", 0, episode, i))));
      }
    }
    EXPECT_LT(worst, 2e-3) << "randomised: " << randomise;
    EXPECT_GT(moved, 0.01);
    for (std::size_t c = 0; c < ours.evaluation.constraints.size(); ++c) {
      EXPECT_NEAR(ours.evaluation.constraints[c].violated, theirs.evaluation.constraints[c].violated, 0.01)
          << task.spec->constraints.list[c].name;
    }
  }
}

/// Torques are those of the joints: of an actuator with a gear, and clipped where the file clips the joint and not its
/// actuator.
TEST(Walking, MujocoTellsTheTorquesOfJoints) {
  const test::TemporaryFolder folder;
  const std::string file = (folder / "go2.xml").string();
  std::string text =
      test::with(read_file(find_robot("go2")), "<joint armature=", "<joint actuatorfrcrange=\"-9 9\" armature=");
  text = test::with(text, "<position kp=\"35\" kv=\"0.5\"", "<position gear=\"2\" kp=\"35\" kv=\"0.5\"");
  write_file(file, text, Durability::kProcess);
  const Settings settings = longer_settings({"control.robot=\"" + file + "\"", "control.stiffness=0",
                                             "constraints.joint_torque.limit=0.1", "symmetry.mirror=false"});
  const PlannedTask task = plan_task(settings);
  EvaluationRequest request = evaluation_request(task, 8, false);
  request.commands.assign(request.commands.size(), 0.0f);
  const auto engine = engine_for(best_instruction_set(), 2);
  const Policy policy = still_policy(*request.task);
  const Evaluation ours = engine->evaluate(request, policy);
  const auto mujoco = make_mujoco_physics(task, 2);
  request.external = mujoco.get();
  const Evaluation theirs = engine->evaluate(request, policy);
  for (std::size_t c = 0; c < ours.constraints.size(); ++c) {
    const std::string& name = task.spec->constraints.list[c].name;
    if (name != "joint_torque") continue;
    EXPECT_GT(ours.constraints[c].mean, 1);
    EXPECT_NEAR(theirs.constraints[c].mean, ours.constraints[c].mean, 0.05 * ours.constraints[c].mean);
    EXPECT_LE(theirs.constraints[c].p99, 8.9 + 1e-3);
  }
}

/// The scan, the base's height and the starts against the map that the host made.
TEST(Walking, GroundIsSeenAsItIs) {
  const Settings settings = rough_settings(
      {"control.episode=1", "terminations.base_force=1e6", "terminations.body_force=1e6", "terminations.gravity_z=2",
       "symmetry.mirror=false", "observations.policy=[\"base_height\", \"height_scan\"]", "start.joint_factor=[1, 1]"});
  const PlannedTask task = plan_task(settings);
  EvaluationRequest request = evaluation_request(task, 40, false);
  const TaskSpec& spec = *request.task;
  const LeggedConstants& c = spec.legged->constants;
  const Traced traced = trace(*engine_for(best_instruction_set(), 2), request, still_policy(spec));
  const GroundMap& map = *spec.legged->robot.map;
  int high = 0, edges = 0, points = 0, uneven = 0;
  for (const std::size_t step : {std::size_t{0}, std::size_t{10}, std::size_t{49}}) {
    for (std::size_t episode = 0; episode < 40; ++episode) {
      const auto state = [&](std::size_t i) { return static_cast<double>(traced.at("state", step, episode, i)); };
      if (step == 0) {
        const float* spawn = spec.legged->spawn.data() + 3 * spec.legged->tile_of(static_cast<Index>(episode));
        for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(state(i), static_cast<double>(spawn[i]), 0.051);
        // The lowest of its limbs is on the ground, wherever that is, and none is in it.
        std::vector<double> qpos;
        for (std::size_t i = 0; i < 19; ++i) qpos.push_back(state(i));
        double gap = 1e30;
        for (const Vec3<double>& point : lowest_points(spec.legged->robot, qpos.data())) {
          gap = std::min(gap, state(2) + point.z - map.top_at(state(0) + point.x, state(1) + point.y));
        }
        EXPECT_NEAR(gap, 0, 1e-3);
        uneven += std::fabs(state(2) - static_cast<double>(spawn[2] + c.home_height)) > 5e-3;
      }
      EXPECT_NEAR(traced.at("observation", step, episode, 0), state(2) - map.top_at(state(0), state(1)), 2e-3);
      const double yaw = std::atan2(2 * (state(3) * state(6) + state(4) * state(5)),
                                    1 - 2 * (state(5) * state(5) + state(6) * state(6)));
      for (int i = 0; i < c.scan_points; ++i) {
        const double x = static_cast<double>(c.scan_x) + 0.15 * (i % c.scan_columns);
        const double y = static_cast<double>(c.scan_y) + 0.15 * (i / c.scan_columns);
        const auto expected = [&](double aside) {
          const double at_x = state(0) + std::cos(yaw) * x - std::sin(yaw) * y + aside;
          const double at_y = state(1) + std::sin(yaw) * x + std::cos(yaw) * y + aside;
          return std::clamp(map.top_at(at_x, at_y) - state(2) + static_cast<double>(c.home_height), -1.0, 1.0);
        };
        const double seen =
            static_cast<double>(traced.at("observation", step, episode, 1 + static_cast<std::size_t>(i)));
        ++points;
        // On the edge of a box rounding decides.
        if (std::fabs(expected(1e-3) - expected(-1e-3)) > 5e-3) {
          ++edges;
          continue;
        }
        EXPECT_NEAR(seen, expected(0), 2e-3) << "point " << i << " of episode " << episode;
        high += seen > 0.05;
      }
    }
  }
  EXPECT_GT(high, 100) << "there is something to see";
  EXPECT_GE(uneven, 3) << "tiles that are rough where episodes start";
  EXPECT_LT(edges, points / 20);
}

/// Under a roof a robot sees the floor that it stands on, and how high the roof is; farther off it sees no roof.
TEST(Walking, RoofsAreSeenFromBelow) {
  const Settings settings = rough_settings(
      {"control.episode=0.2", "terminations.base_force=1e6", "terminations.body_force=1e6", "terminations.gravity_z=2",
       "symmetry.mirror=false", "observations.policy=[\"base_height\", \"clearance\", \"height_scan\"]",
       "terrain.kinds=[\"crawl\"]", "terrain.levels=1", "terrain.columns=1", "terrain.hardest=0",
       "start.position=[0, 3.5]", "start.yaw=[0, 0]"});
  const PlannedTask task = plan_task(settings);
  EvaluationRequest request = evaluation_request(task, 60, false);
  const TaskSpec& spec = *request.task;
  const LeggedConstants& c = spec.legged->constants;
  const Traced traced = trace(*engine_for(best_instruction_set(), 2), request, still_policy(spec));
  int below = 0, near = 0, away = 0;
  for (std::size_t episode = 0; episode < 60; ++episode) {
    const auto state = [&](std::size_t i) { return static_cast<double>(traced.at("state", 0, episode, i)); };
    const auto seen = [&](std::size_t i) { return static_cast<double>(traced.at("observation", 0, episode, i)); };
    EXPECT_NEAR(seen(0), state(2), 2e-3) << "the floor is at 0 everywhere";
    for (int i = 0; i < c.scan_points; ++i) {
      EXPECT_NEAR(seen(2 + static_cast<std::size_t>(i)), static_cast<double>(c.home_height) - state(2), 2e-3);
    }
    // A square frame: what counts is how far the farther of x and y is from the middle.
    const double tile = static_cast<double>(c.tile), from = 0.25 * tile, to = from + kRoofLength;
    bool roof = false, edge = false;
    for (int i = 0; i < c.scan_points; ++i) {
      const double x =
          state(0) + static_cast<double>(c.scan_x + c.scan_spacing * static_cast<float>(i % c.scan_columns));
      const double y =
          state(1) + static_cast<double>(c.scan_y + c.scan_spacing * static_cast<float>(i / c.scan_columns));
      const double out = std::max(std::fabs(x), std::fabs(y));
      roof = roof || (out > from && out < to);
      edge = edge || std::fabs(out - from) < 2e-3 || std::fabs(out - to) < 2e-3;
    }
    if (edge) continue;
    EXPECT_NEAR(seen(1), roof ? 0.38 : 1.0, 1e-5) << "at " << state(0) << ", " << state(1);
    const double out = std::max(std::fabs(state(0)), std::fabs(state(1)));
    below += out > from && out < to;
    near += roof;
    away += !roof;
  }
  EXPECT_GE(below, 5);
  EXPECT_GT(near, below);
  EXPECT_GE(away, 5);
}

/// With `drop` an episode ends where the base is far below its start, but not for starting in a pit.
TEST(Walking, WhoFellIntoAGapIsOut) {
  const auto falls = [](const std::string& kind, const std::string& position, const std::string& drop) {
    const Settings settings =
        rough_settings({"control.episode=0.2", "terminations.base_force=1e6", "terminations.body_force=1e6",
                        "terminations.gravity_z=2", "terrain.kinds=[\"" + kind + "\"]", "terrain.levels=1",
                        "terrain.columns=1", "terrain.hardest=1", "terrain.tile=8", "start.yaw=[0, 0]",
                        "start.position=" + position, "terminations.drop=" + drop});
    const PlannedTask task = plan_task(settings);
    const EvaluationRequest request = evaluation_request(task, 20, false);
    return engine_for(best_instruction_set(), 2)->evaluate(request, still_policy(*request.task)).legged.fall_rate;
  };
  const std::string moat = "[2.2, 2.6]", middle = "[-0.1, 0.1]";
  EXPECT_NEAR(falls("gap", moat, "0.5"), 1, 1e-9);
  EXPECT_EQ(falls("gap", moat, "1.3"), 0) << "it is 1 m deep";
  EXPECT_EQ(falls("gap", moat, "0"), 0) << "nowhere";
  EXPECT_EQ(falls("gap", middle, "0.5"), 0);
  EXPECT_EQ(falls("stairs-down", middle, "0.5"), 0);
}

/// Environments move between levels: what was learned by then decides it, and nobody leaves the map.
TEST(Walking, LevelsAreThoseOfTheTiles) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const Settings settings = rough_settings({"control.episode=0.1", "terrain.start_levels=3"});
  const auto trainer = make_trainer(*engine, settings);
  const Report report = iterate(*trainer, 4).back();
  // Episodes of a tenth of a second cross nothing, and an untrained policy does not cover half of its command.
  EXPECT_GE(report["terrain/level"], 0);
  EXPECT_LT(report["terrain/level"], 0.4);
  const Report level = iterate(*make_trainer(*engine, walking_settings()), 1).back();
  EXPECT_EQ(level.table->find("terrain/level"), level.table->size()) << "on a plane there is none";
}

TEST(Walking, RewardsAndConstraintsAreReported) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const Settings settings = walking_settings();
  const PlannedTask task = plan_task(settings);
  const auto trainer = make_trainer(*engine, settings);
  const Report report = iterate(*trainer, 2).back();
  EXPECT_GT(report["rewards/track_linear"], 0.01);
  EXPECT_LE(report["rewards/track_linear"], 1.0);
  for (std::size_t i = 0; i < task.spec->constraints.list.size(); ++i) {
    const std::string& name = task.spec->constraints.list[i].name;
    const auto of = [&](const char* what) { return report["constraints/" + name + "/" + what]; };
    EXPECT_TRUE(of("violated") >= 0 && of("violated") <= 1) << name;
    EXPECT_TRUE(of("delta") >= 0 && of("delta") <= of("violated") + 1e-6) << name;
    // Some are only asked for under a condition on the command, which changes every few steps.
    EXPECT_LE(of("violated"), of("applied") + 1e-6) << name;
    if (task.spec->legged->constants.constraint[i].when == When::kAlways) {
      EXPECT_NEAR(of("applied"), 1.0, 1e-6) << name;
    } else if (name == "hip") {
      EXPECT_TRUE(of("applied") > 0.02 && of("applied") < 0.6) << name << ": " << of("applied");
    }
  }
  // Untrained, its actions jump.
  EXPECT_GT(report["constraints/action_rate/violated"], 0.3);
}

/// A robot on its knees, too weak to stay there, lies down: where that ends episodes, they end with the first step
/// whose base touches.
TEST(Walking, ABaseOnTheGroundIsSeenAndEndsEpisodesWhereTheTaskSaysSo) {
  const auto lie_down = [](const std::string& force) {
    const Settings settings = longer_settings(
        {"control.episode=2", "control.stiffness=0.1", "control.damping=0.1", "start.joint_factor=[1, 1]",
         "control.pose=[0, 0.6, -2.7, 0, 0.6, -2.7, 0, 0.6, -2.7, 0, 0.6, -2.7]", "terminations.base_force=" + force,
         "constraints.base_contact.quantity=base_contact", "constraints.base_contact.kind=hard",
         "constraints.base_contact.limit=1", "constraints.base_contact.p_max=1"});
    const PlannedTask task = plan_task(settings);
    const EvaluationRequest request = evaluation_request(task, 8, false);
    std::size_t base = 0, body = 0;
    for (std::size_t i = 0; i < task.spec->constraints.list.size(); ++i) {
      if (task.spec->constraints.list[i].name == "base_contact") base = i;
      if (task.spec->constraints.list[i].name == "body_contact") body = i;
    }
    const Traced traced = trace(*engine_for(best_instruction_set(), 2), request, still_policy(*request.task));
    std::vector<std::size_t> first, length;
    int of_legs_alone = 0;
    for (std::size_t episode = 0; episode < traced.episodes; ++episode) {
      first.push_back(traced.steps);
      length.push_back(0);
      for (std::size_t step = 0; step < traced.steps && traced.at("active", step, episode, 0) != 0.0f; ++step) {
        ++length.back();
        const bool touches = traced.at("violation", step, episode, base) > 0;
        if (touches) first.back() = std::min(first.back(), step);
        const bool body_touches = traced.at("violation", step, episode, body) > 0;
        EXPECT_TRUE(body_touches || !touches) << "a base is a body";
        of_legs_alone += body_touches && !touches;
      }
    }
    EXPECT_GT(of_legs_alone, 0);
    return std::pair{first, length};
  };
  const auto [first, whole] = lie_down("1e6");
  const auto [again, cut] = lie_down("1");
  for (std::size_t episode = 0; episode < first.size(); ++episode) {
    ASSERT_LT(first[episode], 99u);
    EXPECT_EQ(whole[episode], 100u);
    EXPECT_EQ(cut[episode], first[episode] + 1);
  }
}

TEST(Walking, ConstraintsThatEndEpisodesEndThemSooner) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const Report soft = iterate(*make_trainer(*engine, walking_settings()), 3).back();
  const Report hard = iterate(*make_trainer(*engine, walking_settings({"objective=early-termination"})), 3).back();
  EXPECT_LT(hard["episode_length_mean"], 0.5 * soft["episode_length_mean"]);
}

/// Another engine that breaks in its third control step.
class Breaking final : public ExternalPhysics {
 public:
  void step(int, const ExternalStep&, ExternalState& state, ExternalRecord&) override {
    if (++steps_ >= 3) state.qvel[2] = std::numeric_limits<double>::quiet_NaN();
  }

 private:
  int steps_ = 0;
};

TEST(Walking, WhereAnotherEngineBreaksTheEpisodeEndsAndIsCounted) {
  const Settings settings = longer_settings();
  const PlannedTask task = plan_task(settings);
  Breaking breaking;
  EvaluationRequest request = evaluation_request(task, 1, false);
  request.external = &breaking;
  // The lanes of a pack are filled with environments that nobody asked for; they are stepped one after the other.
  const Traced traced = trace(*engine_for(best_instruction_set(), 1), request, still_policy(*request.task));
  EXPECT_GE(traced.evaluation.nonfinite, 1);
  EXPECT_LE(traced.evaluation.episode_length_mean, 3);
  for (std::size_t step = 0; step < traced.steps; ++step) EXPECT_LT(traced.at("state", step, 0, 2), 1);
}

}  // namespace
}  // namespace stampede::testing
