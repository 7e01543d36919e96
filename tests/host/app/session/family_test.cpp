/// \file A family of tasks that nobody knows but itself (tests/envs/point_mass.hpp): it is listed, trains, is evaluated, drawn and exported.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "host/app/draw/sketches.hpp"
#include "host/app/export/onnx.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/app/session/training.hpp"
#include "host/base/files.hpp"
#include "host/engine/loader.hpp"
#include "host/task/describe_task.hpp"
#include "host/task/protocol.hpp"
#include "tests/envs/point_mass.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::TemporaryFolder;

PlannedTask planned(const std::string& task, const std::vector<std::string>& more = {}) {
  static const bool registered = (register_tasks(test::PointMasses{}), true);
  EXPECT_TRUE(registered);
  std::vector<std::string> set = {"task=\"" + task + "\""};
  set.insert(set.end(), more.begin(), more.end());
  return plan_task(resolve_settings({"", set, {}}));
}

std::unique_ptr<Engine> engine() { return make_engine(DeviceChoice{"cpu", "", STAMPEDE_POINT_MASS_MODULE, ""}, 2); }

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
