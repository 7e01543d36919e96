/// \file The file of a pipeline: what it gives each run, and how mistakes in it are named.
#include "host/app/session/pipeline_config.hpp"

#include <gtest/gtest.h>

#include "host/base/files.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

constexpr const char* kSmall =
    "[teacher]\n"
    "task = \"pendulum\"\n"
    "seed = 3\n"
    "[teacher.train]\n"
    "iterations = 7\n"
    "[student]\n"
    "task = \"pendulum-pixels\"\n"
    "[student.distill]\n"
    "epochs = 5\n"
    "[evaluate]\n"
    "episodes = 20\n";

PipelineConfig read(const std::string& text, const std::vector<std::string>& set = {}, const std::string& seed = "") {
  const TemporaryFolder folder;
  write_file(folder / "small.toml", text, Durability::kProcess);
  return read_pipeline_config({folder / "small.toml", seed, set});
}

TEST(PipelineConfig, EachTableIsARunsSettings) {
  const PipelineConfig config = read(kSmall);
  EXPECT_EQ(config.name, "small");
  EXPECT_EQ(config.teacher.task, "pendulum");
  EXPECT_EQ(config.teacher.algo, "ppo");
  EXPECT_EQ(config.teacher.seed, 3u);
  EXPECT_EQ(config.teacher.train.iterations, 7);
  EXPECT_FALSE(config.teacher.distill);
  EXPECT_EQ(config.student.task, "pendulum-pixels");
  EXPECT_EQ(config.student.algo, "online") << "the default of students";
  EXPECT_EQ(config.student.seed, 1u);
  ASSERT_TRUE(config.student.distill);
  EXPECT_EQ(config.student.distill->epochs, 5);
  EXPECT_EQ(config.evaluate.episodes, 20);
  EXPECT_EQ(config.report.film, "gif");
}

TEST(PipelineConfig, TheCommandLineIsOnTop) {
  const PipelineConfig config = read(kSmall,
                                     {"teacher.train.iterations=9", "student.algo=dagger", "evaluate.episodes = 30",
                                      "report.film=none", "report.seconds=0.5"},
                                     "8");
  EXPECT_EQ(config.teacher.train.iterations, 9);
  EXPECT_EQ(config.student.algo, "dagger");
  EXPECT_EQ(config.teacher.seed, 8u);
  EXPECT_EQ(config.student.seed, 8u);
  EXPECT_EQ(config.evaluate.episodes, 30);
  EXPECT_EQ(config.report.film, "none");
  EXPECT_EQ(config.report.seconds, 0.5);
}

TEST(PipelineConfig, MistakesNameTheLine) {
  const auto error = [](const std::string& text, const std::vector<std::string>& set = {}) {
    return error_of([&] { read(text, set); });
  };
  const std::string small = kSmall;
  expect_parts(error("[teacher]\ntask = \"pendulum\"\n"), {"small.toml: has no table [student]"});
  expect_parts(error("teacher = 1\n" + small.substr(small.find("[student]"))),
               {"small.toml:1: teacher must be a table"});
  expect_parts(error("[teacher]\n" + small.substr(small.find("[student]"))),
               {"small.toml:1: [teacher] does not say what is simulated"});
  expect_parts(error("seed = 1\n" + small), {"small.toml:1: unknown key 'seed'", "--seed sets that of both runs"});
  expect_parts(error(small + "episode = 3\n"), {"small.toml:12: unknown key 'evaluate.episode'", "'episodes'"});
  expect_parts(error(small + "[report]\nfilm = 3\n"), {"small.toml:13: report.film = 3 must be a string"});
  expect_parts(error(small + "[report]\nfilm = \"mp3\"\n"), {"small.toml:13:", "\"mp3\" is not known", "did you mean"});
  expect_parts(error(small + "[report]\nwidth = 1e9\n"), {"report.width = 1", "must be a whole number"});
  expect_parts(error(small + "[report]\nfps = 0.5\n"), {"report.fps = 0.5 is out of range; it must be from 1 to 100"});
  expect_parts(error(small, {"teacher=3"}), {"--set teacher=3", "is a table"});
  expect_parts(error(small, {"teacher.train.iteration=3"}), {"--set: unknown key 'train.iteration'"});
  expect_parts(error(small, {"evaluate.episodes=x"}), {"--set: evaluate.episodes = ", "must be a whole number"});
  const std::string plain = small.substr(0, small.find("[student.distill]"));
  expect_parts(error(plain, {"student.algo=ppo"}), {"[student] algo = \"ppo\" learns from no teacher"});
  expect_parts(error(small, {"teacher.algo=bc"}), {"[teacher] algo = \"bc\" teaches a student"});
}

TEST(PipelineConfig, OnlyValuesDiffer) {
  const std::string small = kSmall;
  EXPECT_EQ(first_difference(small, small), "");
  EXPECT_EQ(first_difference(small, "# why\n" + small + "\n"), "");
  EXPECT_EQ(first_difference("[a]\nx = 1\ny = 2\n[b]\n", "[b]\n[a]\ny = 2\nx = 1\n"), "");
  EXPECT_EQ(first_difference("[a]\nx = 1\n", "[a]\nx = 2\n"), "a.x");
  EXPECT_EQ(first_difference("[a]\nx = 1\n", "[a]\nx = 1.0\n"), "a.x");
  EXPECT_EQ(first_difference("[a]\nx = [1, 2]\n", "[a]\nx = [1, 3]\n"), "a.x");
  EXPECT_EQ(first_difference("[a]\nx = 1\n", "[a]\nx = 1\ny = 1\n"), "a.y");
  EXPECT_EQ(first_difference("[a]\nx = 1\n[b]\n", "[a]\nx = 1\n"), "b");
}

}  // namespace
}  // namespace stampede
