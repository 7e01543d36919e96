/// \file Stages in a row: a run that is killed in the second goes on there.
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/app/run/checkpoint.hpp"
#include "host/app/session/evaluation_stage.hpp"
#include "host/app/session/training.hpp"
#include "host/base/files.hpp"
#include "host/task/protocol.hpp"
#include "tests/host/fake_engine.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::FakeEngine;
using test::TemporaryFolder;

PlannedTask pendulum() {
  return plan_task(resolve_settings({"", {"task=pendulum", "train.num_envs=8", "train.iterations=6"}, {}}));
}

/// The first weight of the policy that each stage was begun with.
using Begun = std::vector<std::pair<std::string, float>>;

/// Six iterations of one training, an evaluation of what it learned, eight of another training that begins with it.
Pipeline three_stages(Begun& begun) {
  return [&begun](const PlannedTask& task) {
    const auto note = [&begun](const std::string& name, const Policy* before) {
      begun.emplace_back(name, before == nullptr ? 0.0f : before->layers().at(0).weight.at(0));
    };
    const TrainingRequest request = training_request(task);
    std::vector<StageSpec> stages;
    stages.push_back({"first", 6, [=](Engine& engine, const Policy* before) {
                        note("first", before);
                        return engine.make_trainer(request);
                      }});
    stages.push_back({"look", 1, [=](Engine& engine, const Policy* before) {
                        note("look", before);
                        return std::make_unique<EvaluationStage>(engine, evaluation_request(task, 3, false), *before);
                      }});
    stages.push_back({"second", 8, [=](Engine& engine, const Policy* before) {
                        note("second", before);
                        TrainingRequest other = request;
                        other.seed = 40;
                        return engine.make_trainer(other);
                      }});
    return stages;
  };
}

TrainOptions options_for(const std::filesystem::path& run, Begun& begun) {
  TrainOptions options;
  options.run = run;
  options.pipeline = three_stages(begun);
  return options;
}

std::vector<nlohmann::json> lines_of(const std::filesystem::path& run) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(read_file(run / "metrics.jsonl"));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

TEST(Pipeline, StagesFollowEachOther) {
  const TemporaryFolder folder;
  FakeEngine engine;
  Begun begun;
  const TrainResult result = train(engine, pendulum(), options_for(folder / "run", begun));
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.iterations, 15);
  ASSERT_EQ(begun.size(), 3u);
  EXPECT_EQ(begun[0], std::pair(std::string("first"), 0.0f));
  EXPECT_EQ(begun[1].first, "look");
  EXPECT_NE(begun[1].second, 0.0f) << "with what the first learned";
  EXPECT_EQ(begun[2].second, begun[1].second) << "an evaluation changes nothing";
  const std::vector<nlohmann::json> lines = lines_of(folder / "run");
  ASSERT_EQ(lines.size(), 15u);
  std::int64_t steps = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["iteration"], i + 1) << "counted through";
    EXPECT_GE(lines[i]["steps"], steps);
    steps = lines[i]["steps"];
    EXPECT_EQ(lines[i].contains("return_std"), i == 6) << "the evaluation's own metrics, " << i;
  }
  EXPECT_EQ(steps, 14 * 8 * pendulum().settings.train.horizon);
}

TEST(Pipeline, KilledInTheSecondTrainingItGoesOnThere) {
  const TemporaryFolder folder;
  FakeEngine engine;
  Begun whole, begun;
  train(engine, pendulum(), options_for(folder / "whole", whole));

  std::atomic<bool> stop = false;
  TrainOptions options = options_for(folder / "run", begun);
  options.stop = &stop;
  options.progress = [&stop](const Progress& progress) { stop = progress.report.iteration >= 10; };
  const TrainResult cut = train(engine, pendulum(), options);
  EXPECT_TRUE(cut.interrupted);
  const Checkpoint checkpoint = load_newest_checkpoint(folder / "run", "pendulum");
  EXPECT_EQ(checkpoint.stage, "second");
  EXPECT_EQ(checkpoint.before_stage.iteration, 7);

  begun.clear();
  options.stop = nullptr;
  const TrainResult result = resume_training(engine, folder / "run", options);
  EXPECT_TRUE(result.finished);
  ASSERT_EQ(begun.size(), 1u) << "no stage is begun again";
  EXPECT_EQ(begun[0], whole[2]) << "with the policy of the stage before, from the checkpoint";
  EXPECT_EQ(read_file(folder / "run" / "policy.onnx"), read_file(folder / "whole" / "policy.onnx"));
  EXPECT_EQ(lines_of(folder / "run"), lines_of(folder / "whole"));
}

TEST(Pipeline, KilledBetweenTwoStagesItBeginsTheNext) {
  const TemporaryFolder folder;
  FakeEngine engine;
  Begun whole, begun;
  train(engine, pendulum(), options_for(folder / "whole", whole));
  TrainOptions options = options_for(folder / "run", begun);
  options.stop_after = 6;
  EXPECT_FALSE(train(engine, pendulum(), options).finished);
  begun.clear();
  options.stop_after = 0;
  EXPECT_TRUE(resume_training(engine, folder / "run", options).finished);
  ASSERT_EQ(begun.size(), 3u) << "the first, to take its policy from, and the two that were to come";
  EXPECT_EQ(begun[1], whole[1]);
  EXPECT_EQ(begun[2], whole[2]);
  EXPECT_EQ(read_file(folder / "run" / "policy.onnx"), read_file(folder / "whole" / "policy.onnx"));
}

/// What was counted in earlier stages stays in the log, and in the checkpoint.
TEST(Pipeline, CountsGoOnThroughTheStages) {
  const TemporaryFolder folder;
  FakeEngine engine;
  engine.behaviour.contacts_over_slots = 3;
  Begun begun;
  TrainOptions options = options_for(folder / "run", begun);
  options.stop_after = 12;
  train(engine, pendulum(), options);
  EXPECT_EQ(load_newest_checkpoint(folder / "run", "pendulum").counts.contacts_over_slots, 3 * 11);
  options.stop_after = 0;
  resume_training(engine, folder / "run", options);
  const std::vector<nlohmann::json> lines = lines_of(folder / "run");
  ASSERT_EQ(lines.size(), 15u);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    // Of six iterations of one training, an evaluation that counted none, and the other training's so far.
    EXPECT_EQ(lines[i]["contacts_over_slots"], 3 * (i < 6 ? i + 1 : i)) << "iteration " << i + 1;
  }
}

TEST(Pipeline, StagesNeedNamesOfTheirOwn) {
  const TemporaryFolder folder;
  FakeEngine engine;
  const auto refusal = [&](const std::vector<std::string>& names) {
    TrainOptions options;
    options.run = folder / "run";
    options.pipeline = [&](const PlannedTask& task) {
      std::vector<StageSpec> stages;
      const TrainingRequest request = training_request(task);
      for (const std::string& name : names) {
        stages.push_back({name, 2, [=](Engine& with, const Policy*) { return with.make_trainer(request); }});
      }
      return stages;
    };
    return error_of([&] { train(engine, pendulum(), options); }, Status::kFailed);
  };
  expect_parts(refusal({"first", "first"}), {"'first'", "name"});
  expect_parts(refusal({"first", ""}), {"''", "name"});
  expect_parts(refusal({}), {"no stage"});
}

TEST(Pipeline, ACheckpointOfAnotherPipelineIsRefused) {
  const TemporaryFolder folder;
  FakeEngine engine;
  Begun begun;
  TrainOptions options = options_for(folder / "run", begun);
  options.stop_after = 10;
  train(engine, pendulum(), options);
  expect_parts(error_of([&] { resume_training(engine, folder / "run", {}); }), {"'second'", "'training'"});
}

}  // namespace
}  // namespace stampede
