#include "host/app/session/training.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "host/app/export/onnx.hpp"
#include "host/app/export/safetensors.hpp"
#include "host/app/run/checkpoint.hpp"
#include "host/app/run/run_folder.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/base/files.hpp"
#include "host/base/memory.hpp"
#include "host/engine/in_flight.hpp"
#include "host/task/protocol.hpp"
#include "tests/host/fake_engine.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::expect_parts;
using test::FakeBehaviour;
using test::FakeEngine;
using test::TemporaryFolder;

PlannedTask task_for(int iterations, const std::string& more = "seed=1") {
  SettingsSources sources;
  sources.set = {"task=pendulum", "train.num_envs=8", "train.iterations=" + std::to_string(iterations), more};
  return plan_task(resolve_settings(sources));
}

TrainOptions into(const fs::path& run) {
  TrainOptions options;
  options.run = run;
  return options;
}

std::vector<std::int64_t> iterations_of(const fs::path& run) {
  std::vector<std::int64_t> found;
  std::istringstream lines(read_file(run / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) found.push_back(nlohmann::json::parse(line)["iteration"]);
  return found;
}

TEST(Training, WritesTheWholeRunFolder) {
  const TemporaryFolder folder;
  FakeEngine engine;
  int shown = 0;
  TrainOptions options = into(folder / "run");
  options.progress = [&shown](const Progress& progress) {
    ++shown;
    EXPECT_EQ(progress.iterations, 25);
    EXPECT_NEAR(progress.share_update, 0.75, 1e-9);
  };
  const TrainResult result = train(engine, task_for(25), options);
  EXPECT_EQ(shown, 25);
  EXPECT_TRUE(result.finished);
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.iterations, 25);
  EXPECT_EQ(result.steps, 25 * 8 * task_for(25).settings.train.horizon);
  EXPECT_EQ(result.evaluation.episodes, task_for(25).settings.run.eval_episodes);
  for (const char* name :
       {"config.toml", "metrics.jsonl", "policy.onnx", "policy.safetensors", "curve.png", "system.json"}) {
    EXPECT_TRUE(fs::exists(folder / "run" / name)) << name;
  }
  EXPECT_EQ(iterations_of(folder / "run").size(), 25u);
  EXPECT_EQ(newest_checkpoint(folder / "run").filename(), "000000025.safetensors");
  EXPECT_EQ(folder.names("run/checkpoint").size(), 3u);
  EXPECT_EQ(engine.behaviour.most_in_flight, kIterationsInFlight);
  for (const std::string& name : folder.names("run")) EXPECT_EQ(name.find("partial"), std::string::npos) << name;
  const auto system = nlohmann::json::parse(read_file(folder / "run" / "system.json"));
  EXPECT_GE(system["machine"]["cores"].get<int>(), 1);
  EXPECT_EQ(system["instruction_set"], "baseline");
}

TEST(Training, ResumingGivesTheSamePolicyAsOneGo) {
  const TemporaryFolder folder;
  FakeEngine engine;
  train(engine, task_for(20), into(folder / "whole"));
  TrainOptions options = into(folder / "parts");
  options.stop_after = 7;  // no multiple of a checkpoint's distance
  const TrainResult first = train(engine, task_for(20), options);
  EXPECT_FALSE(first.finished);
  EXPECT_FALSE(first.interrupted);
  EXPECT_EQ(first.iterations, 7);
  options.stop_after = 5;
  EXPECT_EQ(resume_training(engine, folder / "parts", options).iterations, 12);
  options.stop_after = 0;
  const TrainResult last = resume_training(engine, folder / "parts", options);
  EXPECT_TRUE(last.finished);
  EXPECT_EQ(read_file(folder / "parts" / "policy.onnx"), read_file(folder / "whole" / "policy.onnx"));
  EXPECT_EQ(read_file(folder / "parts" / "policy.safetensors"), read_file(folder / "whole" / "policy.safetensors"));
  EXPECT_EQ(iterations_of(folder / "parts"), iterations_of(folder / "whole"));
  EXPECT_EQ(read_file(folder / "parts" / "config.toml"), read_file(folder / "whole" / "config.toml"));
}

TEST(Training, KilledAnywhereItGoesOnFromTheLastCheckpoint) {
  const TemporaryFolder folder;
  FakeEngine engine;
  train(engine, task_for(20), into(folder / "whole"));
  // As if killed after iteration 13: metrics are further than the checkpoint, and a file is half written.
  TrainOptions options = into(folder / "killed");
  options.stop_after = 13;
  train(engine, task_for(20), options);
  fs::remove(newest_checkpoint(folder / "killed"));
  AppendFile(folder / "killed" / ".checkpoint.partial").append("half");
  ASSERT_EQ(newest_checkpoint(folder / "killed").filename(), "000000012.safetensors");
  resume_training(engine, folder / "killed", {});
  EXPECT_EQ(iterations_of(folder / "killed"), iterations_of(folder / "whole"));
  EXPECT_EQ(read_file(folder / "killed" / "policy.onnx"), read_file(folder / "whole" / "policy.onnx"));
}

TEST(Training, KilledBeforeTheFirstCheckpointItStarts) {
  const TemporaryFolder folder;
  FakeEngine engine;
  train(engine, task_for(20), into(folder / "whole"));
  for (const bool made : {false, true}) {  // before and after checkpoint/ is made
    const fs::path run = folder / (made ? "with" : "without");
    fs::create_directories(made ? run / "checkpoint" : run);
    fs::copy_file(folder / "whole" / "config.toml", run / "config.toml");
    expect_parts(error_of([&] { load_run(run); }), {"no checkpoint yet", "--resume"});
    expect_parts(error_of([&] { train(engine, task_for(20), into(run)); }), {"holds a run already", "--resume"});
    EXPECT_TRUE(resume_training(engine, run, {}).finished);
    EXPECT_EQ(iterations_of(run), iterations_of(folder / "whole"));
    EXPECT_EQ(read_file(run / "policy.onnx"), read_file(folder / "whole" / "policy.onnx"));
  }
}

TEST(Training, TheConfigurationIsThereBeforeTheFirstCheckpoint) {
  const TemporaryFolder folder;
  class Looking : public FakeEngine {
   public:
    fs::path config;
    bool seen = false;
    std::unique_ptr<Stage> make_trainer(const TrainingRequest& request) override {
      class LookingTrainer : public test::FakeTrainer {
       public:
        LookingTrainer(const TrainingRequest& asked, Looking& looking)
            : FakeTrainer(asked, looking.behaviour), looking_(looking) {}
        std::vector<Tensor> state() override {
          looking_.seen = fs::exists(looking_.config);
          return FakeTrainer::state();
        }

       private:
        Looking& looking_;
      };
      return std::make_unique<LookingTrainer>(request, *this);
    }
  } engine;
  engine.config = folder / "run" / "config.toml";
  const std::atomic<bool> stop = true;  // only the start is saved
  TrainOptions options = into(folder / "run");
  options.stop = &stop;
  train(engine, task_for(4), options);
  EXPECT_TRUE(engine.seen);
}

/// A robot's description takes longest of what a command does before it begins.
TEST(Training, ACommandCompilesTheRobotOnce) {
  const TemporaryFolder folder;
  class Walking : public FakeEngine {
   public:
    Evaluation evaluate(const EvaluationRequest& request, const Policy& policy) override {
      Evaluation evaluation = FakeEngine::evaluate(request, policy);
      const auto limbs = static_cast<std::size_t>(kLeggedFigures);
      evaluation.trace = {make_tensor("figures", {1, 1, kLeggedFigures}, std::vector<float>(limbs, 0.0f)),
                          make_tensor("active", {1, 1}, std::vector<float>{1.0f})};
      return evaluation;
    }
  } engine;
  const auto compiled_by = [](const auto& command) {
    const int before = robots_compiled();
    command();
    return robots_compiled() - before;
  };
  const Settings settings =
      resolve_settings({"", {"task=go2-flat", "train.num_envs=8", "train.iterations=2", "network.actor=[5, 5]"}, {}});
  EXPECT_EQ(compiled_by([] { resolve_settings({"", {"task=go2-rough"}, {}}); }), 0) << "settings are only words";
  EXPECT_EQ(compiled_by([&] {
              const PlannedTask task = plan_task(settings);
              evaluation_request(task, 3, false);
              walk_request(task);
              training_request(task);
            }),
            1);
  // The robot, and the run's copy of it, which must be the same model.
  EXPECT_EQ(compiled_by([&] { train(engine, plan_task(settings), into(folder / "run")); }), 2);
  EXPECT_EQ(compiled_by([&] { resume_training(engine, folder / "run", {}); }), 1);
  EXPECT_EQ(compiled_by([&] { load_run(folder / "run"); }), 1) << "eval, export, play";
}

TEST(Training, AFinishedRunIsExportedAgain) {
  const TemporaryFolder folder;
  FakeEngine engine;
  const TrainResult first = train(engine, task_for(4), into(folder / "run"));
  const std::string policy = read_file(folder / "run" / "policy.onnx");
  fs::remove(folder / "run" / "policy.onnx");
  const std::int64_t enqueued = engine.behaviour.iterations_enqueued;
  const TrainResult again = resume_training(engine, folder / "run", {});
  EXPECT_EQ(engine.behaviour.iterations_enqueued, enqueued);
  EXPECT_TRUE(again.finished);
  EXPECT_EQ(again.evaluation.return_mean, first.evaluation.return_mean);
  EXPECT_EQ(again.steps, first.steps);
  EXPECT_EQ(read_file(folder / "run" / "policy.onnx"), policy);
}

TEST(Training, StopSavesWhatWasDone) {
  const TemporaryFolder folder;
  FakeEngine engine;
  std::atomic<bool> stop = false;
  TrainOptions options = into(folder / "run");
  options.stop = &stop;
  options.progress = [&stop](const Progress& progress) { stop = progress.report.iteration >= 5; };
  const TrainResult result = train(engine, task_for(1000), options);
  EXPECT_TRUE(result.interrupted);
  EXPECT_FALSE(result.finished);
  EXPECT_GE(result.iterations, 5);
  EXPECT_LE(result.iterations, 6);  // one may have been under way
  EXPECT_FALSE(fs::exists(folder / "run" / "policy.onnx"));
  EXPECT_EQ(load_run(folder / "run").iteration, result.iterations);
  EXPECT_EQ(iterations_of(folder / "run").size(), static_cast<std::size_t>(result.iterations));
}

TEST(Training, StopBeforeTheFirstIterationCanBeResumed) {
  const TemporaryFolder folder;
  FakeEngine engine;
  const std::atomic<bool> stop = true;
  TrainOptions options = into(folder / "run");
  options.stop = &stop;
  EXPECT_TRUE(train(engine, task_for(6), options).interrupted);
  EXPECT_TRUE(resume_training(engine, folder / "run", {}).finished);
  train(engine, task_for(6), into(folder / "whole"));
  EXPECT_EQ(read_file(folder / "run" / "policy.onnx"), read_file(folder / "whole" / "policy.onnx"));
}

TEST(Training, DivergenceIsAnErrorAndTheLastGoodStateStays) {
  const TemporaryFolder folder;
  FakeEngine engine;
  engine.behaviour.diverge_at = 9;
  const std::string message = error_of([&] { train(engine, task_for(20), into(folder / "run")); }, Status::kFailed);
  expect_parts(message, {"iteration 9", "value_loss", "000000008.safetensors", "learning_rate"});
  EXPECT_EQ(load_run(folder / "run").iteration, 8);
  EXPECT_FALSE(fs::exists(folder / "run" / "policy.onnx"));

  engine.behaviour = {};
  engine.behaviour.nonfinite_at = 3;
  expect_parts(error_of([&] { train(engine, task_for(20), into(folder / "other")); }, Status::kFailed),
               {"states were not finite"});
  // What they were like before is there to be looked at; a training without any has no such file.
  const fs::path kept = folder / "other" / "nonfinite.safetensors";
  const SafetensorsFile file = parse_safetensors(read_file(kept), kept.string());
  EXPECT_EQ(file.metadata.at("iteration"), "3");
  EXPECT_EQ(floats_of(*file.find("environment")), std::vector<float>{4.0f});
  EXPECT_EQ(floats_of(*file.find("state")), (std::vector<float>{0.5f, -0.25f}));
  EXPECT_FALSE(fs::exists(folder / "run" / "nonfinite.safetensors"));
}

TEST(Training, AdviceAgainstDivergenceFitsItsCause) {
  const TemporaryFolder folder;
  FakeEngine engine;
  const auto message = [&](const std::string& run, const PlannedTask& task, FakeBehaviour behaviour) {
    engine.behaviour = behaviour;
    return error_of([&] { train(engine, task, into(folder / run)); }, Status::kFailed);
  };
  // States that turn non-finite before anything was learnt: the simulation is unstable.
  SettingsSources sources;
  sources.set = {"task=go2-flat",        "train.num_envs=8",      "control.stiffness=10000",
                 "control.damping=0.25", "control.timestep=0.02", "control.decimation=1"};
  FakeBehaviour first, later, losses;
  first.nonfinite_at = 1;
  later.nonfinite_at = 3;
  losses.diverge_at = 1;
  std::string line = message("legs", plan_task(resolve_settings(sources)), first);
  expect_parts(line, {"iteration 1", "before anything was learnt", "control.timestep (now 0.02 s)",
                      "control.stiffness (now 10000)", "control.damping (now 0.25)"});
  EXPECT_EQ(line.find("learning_rate"), std::string::npos) << line;
  line = message("pendulum", task_for(20), first);
  expect_parts(line, {"before anything was learnt", "environment.dt"});
  EXPECT_EQ(line.find("learning_rate"), std::string::npos) << line;
  // Later, and where a loss is not finite, learning has to do with it.
  for (const FakeBehaviour& behaviour : {later, losses}) {
    line = message(behaviour.diverge_at > 0 ? "losses" : "later", task_for(20), behaviour);
    expect_parts(line, {"algorithm.learning_rate"});
    EXPECT_EQ(line.find("before anything"), std::string::npos) << line;
  }
}

TEST(Training, CheckpointsComeByTimeToo) {
  const TemporaryFolder folder;
  FakeEngine engine;
  const auto checkpoints = [&](const std::string& run, const std::string& seconds) {
    SettingsSources sources;
    sources.set = {"task=pendulum",           "train.num_envs=8",         "train.iterations=20",
                   "run.checkpoint_every=15", "run.checkpoints_kept=100", "run.checkpoint_seconds=" + seconds};
    TrainOptions options = into(folder / run);
    options.progress = [](const Progress&) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
    train(engine, plan_task(resolve_settings(sources)), options);
    std::vector<std::string> names = folder.names(run + "/checkpoint");
    std::sort(names.begin(), names.end());
    return names;
  };
  const std::vector<std::string> by_schedule = {"000000000.safetensors", "000000015.safetensors",
                                                "000000020.safetensors"};
  EXPECT_EQ(checkpoints("never", "0"), by_schedule);
  EXPECT_EQ(checkpoints("rarely", "60"), by_schedule);
  EXPECT_EQ(engine.behaviour.most_in_flight, 2);
  const std::vector<std::string> by_time = checkpoints("often", "0.05");
  EXPECT_GE(by_time.size(), 5u);
  EXPECT_TRUE(std::includes(by_time.begin(), by_time.end(), by_schedule.begin(), by_schedule.end()));
  // They change nothing but what is kept.
  EXPECT_EQ(read_file(folder / "often" / "policy.onnx"), read_file(folder / "never" / "policy.onnx"));
  EXPECT_EQ(iterations_of(folder / "often"), iterations_of(folder / "never"));
}

TEST(Training, WhatDoesNotFitIntoMemoryIsNamed) {
  const TemporaryFolder folder;
  class Small : public FakeEngine {
   public:
    bool trains = false;
    std::unique_ptr<Stage> make_trainer(const TrainingRequest& request) override {
      if (!trains) throw OutOfMemory("1 of 8 MiB are free");
      return FakeEngine::make_trainer(request);
    }
    Evaluation evaluate(const EvaluationRequest&, const Policy&) override { throw std::bad_alloc(); }
  } engine;
  expect_parts(error_of([&] { train(engine, task_for(4), into(folder / "run")); }),
               {"not enough memory for 8 environments", "--num-envs", "1 of 8 MiB are free"});
  engine.trains = true;
  const std::string line = error_of([&] { train(engine, task_for(4), into(folder / "run")); });
  expect_parts(line, {"evaluation of 100 episodes", "run.eval_episodes", "--resume"});
  EXPECT_EQ(line.find("num-envs"), std::string::npos) << line;
  // As the line says, nothing is lost.
  EXPECT_EQ(load_run(folder / "run").iteration, 4);
  EXPECT_EQ(parse_onnx(read_file(folder / "run" / "policy.onnx"), "policy.onnx").task, "pendulum");
}

TEST(Training, AFailureSaysHowToGoOn) {
  const TemporaryFolder folder;
  class Failing : public FakeEngine {
   public:
    std::function<void()> fail;
    std::unique_ptr<Stage> make_trainer(const TrainingRequest& request) override {
      class Trainer : public test::FakeTrainer {
       public:
        Trainer(const TrainingRequest& request, Failing& engine)
            : FakeTrainer(request, engine.behaviour), engine_(engine) {}
        void enqueue_iteration() override {
          if (engine_.behaviour.iterations_enqueued == 13) engine_.fail();
          FakeTrainer::enqueue_iteration();
        }

       private:
        Failing& engine_;
      };
      return std::make_unique<Trainer>(request, *this);
    }
  };
  FakeEngine good;
  train(good, task_for(20), into(folder / "whole"));
  const auto failure = [&](const std::string& name, Status status, const std::function<void()>& fail) {
    Failing engine;
    engine.fail = fail;
    const std::string run = (folder / name).string();
    try {
      train(engine, task_for(20), into(run));
      ADD_FAILURE() << name << " did not fail";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), status);
      const std::string line = error.what();
      expect_parts(line, {run + "/checkpoint/000000012.safetensors", "`stampede train --resume " + run + "`"});
      Failing again;
      again.fail = fail;
      TrainOptions of_pipeline = into(folder / ("pipeline_" + name));
      of_pipeline.resumed_by = "the pipeline's command";
      expect_parts(error_of([&] { train(again, task_for(20), of_pipeline); }, status),
                   {"`the pipeline's command` goes on from there"});
      resume_training(good, run, {});
      EXPECT_EQ(read_file(folder / name / "policy.onnx"), read_file(folder / "whole" / "policy.onnx"));
      return line;
    }
    return std::string();
  };
  expect_parts(failure("lost", Status::kFailed, [] { throw Error("the GPU is lost", Status::kFailed); }),
               {"the GPU is lost; "});
  expect_parts(failure("short", Status::kBadInput, [] { throw OutOfMemory("1 of 8 MiB are free"); }),
               {"not enough memory for 8 environments", "--num-envs", "1 of 8 MiB are free"});
}

TEST(Training, ForceReplacesOnlyWhenTheNewRunStarts) {
  const TemporaryFolder folder;
  FakeEngine engine;
  train(engine, task_for(4), into(folder / "run"));
  const std::string policy = read_file(folder / "run" / "policy.onnx");
  expect_parts(error_of([&] { train(engine, task_for(4), into(folder / "run")); }), {"holds a run already"});

  class Refusing : public FakeEngine {
    std::unique_ptr<Stage> make_trainer(const TrainingRequest&) override { throw Error("no trainer"); }
  } refusing;
  TrainOptions options = into(folder / "run");
  options.force = true;
  error_of([&] { train(refusing, task_for(4), options); });
  EXPECT_EQ(read_file(folder / "run" / "policy.onnx"), policy);
  error_of([&] { train(refusing, task_for(4), into(folder / "fresh")); });
  EXPECT_FALSE(fs::exists(folder / "fresh"));

  train(engine, task_for(4, "seed=2"), options);
  EXPECT_NE(read_file(folder / "run" / "policy.onnx"), policy);
  EXPECT_EQ(iterations_of(folder / "run").size(), 4u);
}

TEST(Training, DamagedAndForeignCheckpointsAreRefused) {
  const TemporaryFolder folder;
  FakeEngine engine;
  train(engine, task_for(4), into(folder / "run"));
  const fs::path newest = newest_checkpoint(folder / "run");
  const std::string bytes = read_file(newest);
  write_file(newest, bytes.substr(0, bytes.size() / 2));
  expect_parts(error_of([&] { resume_training(engine, folder / "run", {}); }), {newest.string(), "damaged"});
  expect_parts(error_of([&] { load_run(folder / "run"); }), {newest.string(), "damaged"});
  write_file(newest, bytes);
  std::string config = read_file(folder / "run" / "config.toml");
  const std::string key = "task = \"pendulum\"";
  std::string other = config.substr(0, config.find("[environment]"));
  other.replace(other.find(key), key.size(), "task = \"cartpole-swingup\"");
  write_file(folder / "run" / "config.toml", other);
  expect_parts(error_of([&] { resume_training(engine, folder / "run", {}); }), {"'pendulum'", "'cartpole-swingup'"});
  fs::remove_all(folder / "run" / "checkpoint");
  write_file(folder / "run" / "config.toml", config);
  expect_parts(error_of([&] { resume_training(engine, folder / "run", {}); }), {"holds no checkpoint"});
}

TEST(Training, EvaluationHasItsOwnSeeds) {
  EXPECT_NE(evaluation_seed(1), 1u);
  EXPECT_NE(evaluation_seed(1), evaluation_seed(2));
  EXPECT_EQ(evaluation_seed(1), evaluation_seed(1));
}

}  // namespace
}  // namespace stampede
