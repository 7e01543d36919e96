/// \file The folder of a pipeline: what it keeps, refuses and leaves.
#include "host/app/run/pipeline_folder.hpp"

#include <gtest/gtest.h>

#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

PipelineState some_state() {
  PipelineState state;
  state.config_file = "a.toml";
  state.seed = "4";
  state.set = {"teacher.train.iterations=3"};
  state.stages = {{"teacher", 1.5, true, 2, 3}, {"student", 0, false, 0, 0}};
  state.calls.push_back({{"command_line", "stampede pipeline"}});
  return state;
}

constexpr const char* kText = "[teacher]\n";  ///< of the configuration

TEST(PipelineFolder, KeepsItsState) {
  const TemporaryFolder base;
  {
    PipelineFolder folder = PipelineFolder::create(base / "run", "a", kText, false);
    folder.start("[teacher]\n", some_state());
  }
  EXPECT_TRUE(PipelineFolder::holds_pipeline(base / "run"));
  EXPECT_EQ(PipelineFolder::read_config(base / "run"), "[teacher]\n");
  const PipelineState state = PipelineFolder::read_state(base / "run");
  EXPECT_EQ(state.config_file, "a.toml");
  EXPECT_EQ(state.seed, "4");
  EXPECT_EQ(state.set, some_state().set);
  ASSERT_EQ(state.stages.size(), 2u);
  EXPECT_EQ(state.stages[0].name, "teacher");
  EXPECT_EQ(state.stages[0].seconds, 1.5);
  EXPECT_TRUE(state.stages[0].done);
  EXPECT_EQ(state.stages[0].nonfinite, 2);
  EXPECT_EQ(state.stages[0].contacts_over_slots, 3);
  EXPECT_EQ(state.calls, some_state().calls);
}

TEST(PipelineFolder, LeavesNothingWhereNothingBegan) {
  const TemporaryFolder base;
  { const PipelineFolder folder = PipelineFolder::create(base / "run", "a", kText, false); }
  EXPECT_FALSE(std::filesystem::exists(base / "run"));
}

TEST(PipelineFolder, IsOnePipelinesAtATime) {
  const TemporaryFolder base;
  const PipelineFolder folder = PipelineFolder::create(base / "run", "a", kText, false);
  expect_parts(error_of([&] { PipelineFolder::open(base / "run"); }), {"another pipeline", "choose another --run"});
}

TEST(PipelineFolder, WhatIsInTheWayStaysUnlessItIsForced) {
  const TemporaryFolder base;
  const std::filesystem::path run = base / "run";
  std::filesystem::create_directories(run / "student");
  write_file(run / "film-rough.gif", "old", Durability::kProcess);
  write_file(run / "mine.txt", "mine", Durability::kProcess);
  expect_parts(error_of([&] { PipelineFolder::create(run, "a", kText, false); }),
               {"student: is in the way", "--force"});
  EXPECT_TRUE(std::filesystem::exists(run / "film-rough.gif"));
  PipelineFolder folder = PipelineFolder::create(run, "a", kText, true);
  folder.start("", some_state());
  EXPECT_FALSE(std::filesystem::exists(run / "student"));
  EXPECT_FALSE(std::filesystem::exists(run / "film-rough.gif"));
  EXPECT_TRUE(std::filesystem::exists(run / "mine.txt"));
}

/// A pipeline that was killed as it began has written its configuration; any other file of that name is the user's.
TEST(PipelineFolder, AnotherConfigurationIsInTheWay) {
  const TemporaryFolder base;
  const std::filesystem::path run = base / "run";
  std::filesystem::create_directories(run);
  write_file(run / "pipeline.toml", "mine", Durability::kProcess);
  expect_parts(error_of([&] { PipelineFolder::create(run, "a", kText, false); }), {"pipeline.toml: is in the way"});
  EXPECT_EQ(read_file(run / "pipeline.toml"), "mine");
  write_file(run / "pipeline.toml", kText, Durability::kProcess);
  PipelineFolder::create(run, "a", kText, false).start(kText, some_state());
}

TEST(PipelineFolder, WhatIsNotItsStateIsRefused) {
  const TemporaryFolder base;
  for (const char* text : {"", "[]", "{}", "{\"format\": \"stampede-pipeline 2\"}",
                           "{\"format\": \"stampede-pipeline 1\", \"config\": 3}"}) {
    write_file(base / "pipeline.json", text, Durability::kProcess);
    expect_parts(error_of([&] { PipelineFolder::read_state(base.path()); }), {"is not what a pipeline writes"});
  }
}

}  // namespace
}  // namespace stampede
