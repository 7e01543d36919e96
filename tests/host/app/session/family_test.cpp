/// \file A family of tasks that nobody knows but itself (tests/envs/point_mass.hpp): it is listed, trains, is evaluated, drawn and exported.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "host/app/draw/sketches.hpp"
#include "host/app/export/onnx.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/app/session/training.hpp"
#include "host/base/files.hpp"
#include "host/task/protocol.hpp"
#include "tests/host/app/session/point_mass.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::TemporaryFolder;

PlannedTask planned(const std::string& task, const std::vector<std::string>& more = {}) {
  std::vector<std::string> set = {"task=\"" + task + "\""};
  set.insert(set.end(), more.begin(), more.end());
  return test::planned_with_point_mass(set);
}

std::unique_ptr<Engine> engine() { return test::engine_with_point_mass(2); }

TEST(Family, IsListedAndPlanned) {
  const PlannedTask task = planned("point-mass");
  const std::vector<TaskInfo> all = tasks();
  EXPECT_TRUE(std::any_of(all.begin(), all.end(), [](const TaskInfo& info) { return info.name == "point-mass"; }));
  EXPECT_EQ(task.spec->policy().names, (std::vector<std::string>{"x", "v"}));
  EXPECT_EQ(task.spec->action.high, std::vector<float>{1.0f});
  EXPECT_FLOAT_EQ(static_cast<float>(task.spec->control_dt), 0.1f);
  EXPECT_EQ(task.settings.train.num_envs, 64) << "its own defaults";
}

TEST(Family, AFileExtendsItsTask) {
  planned("point-mass");
  const TemporaryFolder folder;
  const std::string file = (folder / "slow-mass.toml").string();
  write_file(file, "extends = \"point-mass\"\nsummary = \"in smaller steps\"\n[environment]\ndt = 0.05\n");
  const PlannedTask task = planned(file, {"train.num_envs=32"});
  EXPECT_EQ(task.spec->name, "slow-mass");
  EXPECT_EQ(task.spec->kernel, "point-mass");
  EXPECT_FLOAT_EQ(static_cast<float>(task.spec->control_dt), 0.05f);
  EXPECT_EQ(task.settings.train.horizon, 25) << "the defaults of what it extends";
  // A run's configuration needs the file no more.
  write_file(folder / "config.toml", to_toml(task.settings));
  std::filesystem::remove(file);
  const Settings again = resolve_settings({(folder / "config.toml").string(), {}, {}});
  EXPECT_EQ(to_toml(again), to_toml(task.settings));
  EXPECT_EQ(plan_task(again).spec->parameters, task.spec->parameters);
  EXPECT_EQ(plan_task(again).spec->name, "slow-mass");
}

TEST(FamilySlow, TrainsIsEvaluatedDrawnAndExported) {
  const TemporaryFolder folder;
  const std::unique_ptr<Engine> with_masses = engine();
  TrainOptions options;
  options.run = folder / "run";
  const PlannedTask task = planned("point-mass");
  const TrainResult result = train(*with_masses, task, options);
  // Left alone, a mass costs a third of a unit a step on average; one that is pushed home in two seconds about a tenth of that.
  EXPECT_GT(result.evaluation.return_mean, -12.0);
  EXPECT_EQ(result.evaluation.episode_length_mean, 100.0);

  const RunContents run = load_run(folder / "run");
  EvaluationRequest request = evaluation_request(run.task, 20, false);
  request.trace = true;
  const Evaluation evaluation = with_masses->evaluate(request, run.policy);
  EXPECT_GT(evaluation.return_mean, -12.0);

  EXPECT_EQ(parse_onnx(read_file(result.policy_onnx), "policy.onnx").task, "point-mass");

  std::vector<Sketch> sketches;
  for (const Tensor& tensor : evaluation.trace) {
    if (tensor.name != "state") continue;
    const std::vector<float> states = floats_of(tensor);
    for (std::size_t step = 0; step < 100; step += 20) {
      sketches.push_back(run.task.info.sketch(run.task.spec->parameters, states.data() + step * 20 * 2));
    }
  }
  ASSERT_EQ(sketches.size(), 5u);
  FilmOptions film;
  film.out = folder / "mass.png";
  film.width = film.height = 64;
  EXPECT_EQ(draw_sketches(sketches, film), 5);
  EXPECT_EQ(read_file(film.out).substr(1, 3), "PNG");
}

/// Another algorithm, which the tests' module alone knows: it trains, is reported, saved, gone on with and exported like PPO.
TEST(FamilySlow, AnAlgorithmOfTheModulesOwnNeedsNothingElse) {
  const TemporaryFolder folder;
  const std::unique_ptr<Engine> with_regression = engine();
  const PlannedTask task =
      planned("point-mass", {"algorithm.kind=regression", "network.actor=[16]", "train.iterations=200",
                             "algorithm.learning_rate=1e-2", "run.eval_episodes=4"});
  TrainOptions options;
  options.run = folder / "run";
  options.stop_after = 120;
  train(*with_regression, task, options);
  const TrainResult result = resume_training(*with_regression, folder / "run", {});
  EXPECT_TRUE(result.finished);
  EXPECT_LT(result.last["regression_loss"], 1e-3);
  EXPECT_TRUE(std::isnan(result.last["policy_loss"])) << "PPO's metrics are not there";
  EXPECT_GT(result.last["measures/speed"], 0.0) << "the task's own are";

  // What the policy does is the function that it was to learn: force = -(x + v) / 2.
  const RunContents run = load_run(folder / "run");
  EvaluationRequest request = evaluation_request(run.task, 4, false);
  request.trace = true;
  const Evaluation evaluation = with_regression->evaluate(request, run.policy);
  std::vector<float> observation, action;
  for (const Tensor& tensor : evaluation.trace) {
    if (tensor.name == "observation") observation = floats_of(tensor);
    if (tensor.name == "action") action = floats_of(tensor);
  }
  for (std::size_t i = 0; i < action.size(); ++i) {
    EXPECT_NEAR(action[i], -0.5f * (observation[2 * i] + observation[2 * i + 1]), 0.1f);
  }

  EXPECT_NE(read_file(folder / "run" / "metrics.jsonl").find("\"regression_loss\""), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(folder / "run" / "training.png")) << "its measures have a panel";
}

TEST(Family, AnAlgorithmThatNobodyKnowsIsNamed) {
  try {
    engine()->make_trainer(training_request(planned("point-mass", {"algorithm.kind=regresion"})));
    FAIL() << "trained";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("algorithm.kind = \"regresion\""), std::string::npos) << text;
    EXPECT_NE(text.find("policy_gradient, regression"), std::string::npos) << text;
  }
}

TEST(Family, AnEngineWithoutItsKernelsSaysSo) {
  const std::unique_ptr<Engine> plain = make_engine("cpu", 1);
  try {
    plain->make_trainer(training_request(planned("point-mass")));
    FAIL() << "trained";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no kernels for 'point-mass'"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace stampede
