/// \file From the command line's words to the settings' sources, and the small things that all commands share.
#include "host/app/cli/command.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "tests/host/temporary_folder.hpp"

namespace stampede::cli {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::string> in_words(const SettingsSources& sources) {
  std::vector<std::string> words;
  for (const Override& flag : sources.flags) words.push_back(flag.flag + ": " + flag.key + " = " + flag.value);
  return words;
}

TEST(SettingsFlags, WhatIsNotGivenIsNoSource) {
  const SettingsSources sources = SettingsFlags{}.sources();
  EXPECT_EQ(sources.config_file, "");
  EXPECT_TRUE(sources.set.empty());
  EXPECT_TRUE(sources.flags.empty());
}

TEST(SettingsFlags, NamesAreQuotedAndNumbersAreNot) {
  SettingsFlags flags;
  flags.task = "pendulum", flags.algo = "ppo", flags.preset = "fast", flags.objective = "shaped", flags.robot = "go2";
  flags.seed = "7", flags.num_envs = "64", flags.iterations = "1_000", flags.config = "my.toml";
  flags.set = {"b=2", "a=1"};
  const SettingsSources sources = flags.sources();
  EXPECT_EQ(in_words(sources),
            (std::vector<std::string>{"--task: task = \"pendulum\"", "--algo: algo = \"ppo\"",
                                      "--preset: preset = \"fast\"", "--objective: objective = \"shaped\"",
                                      "--robot: control.robot = \"go2\"", "--seed: seed = 7",
                                      "--num-envs: train.num_envs = 64", "--iterations: train.iterations = 1_000"}));
  EXPECT_EQ(sources.config_file, "my.toml");
  EXPECT_EQ(sources.set, (std::vector<std::string>{"b=2", "a=1"})) << "the later of two settings of one key counts";
}

TEST(SettingsFlags, ANameStaysANameWhateverIsInIt) {
  SettingsFlags flags;
  flags.task = "true", flags.robot = R"(a "dog"\robot.xml)";
  EXPECT_EQ(
      in_words(flags.sources()),
      (std::vector<std::string>{"--task: task = \"true\"", R"(--robot: control.robot = "a \"dog\"\\robot.xml")"}));
}

/// A program with a command that takes settings and its own --force, one that takes none, and one below another.
struct Program {
  CLI::App app{"a program", "program"};
  Chosen chosen;
  SettingsFlags flags;
  bool force = false;
  int runs = 0;
  CLI::App* bench = app.add_subcommand("bench", "measure");

  Program() {
    CLI::App* train = add(app, "train");
    add_task_flag(*train, flags);
    add_settings_flags(*train, flags);
    train->add_flag("--force", force, "overwrite");
    add(app, "list");
    add(*bench, "env");
    app.require_subcommand(1);
    bench->require_subcommand(1);
  }

  CLI::App* add(CLI::App& parent, const std::string& name) {
    return add_command(parent, chosen, name, "what it does", "program " + name, std::make_shared<CommonFlags>(),
                       [this] {
                         ++runs;
                         return Outcome{};
                       });
  }
};

TEST(Command, TheOneThatWasNamedIsChosenWithItsFlags) {
  Program program;
  program.app.parse("list --json --device cpu --threads 3");
  EXPECT_EQ(program.chosen.name, "list");
  ASSERT_NE(program.chosen.common, nullptr);
  EXPECT_TRUE(program.chosen.common->json);
  EXPECT_EQ(program.chosen.common->device, "cpu");
  EXPECT_EQ(program.chosen.common->threads, 3);
  EXPECT_EQ(program.runs, 0) << "parsing runs nothing";
  program.chosen.run();
  EXPECT_EQ(program.runs, 1);
}

TEST(Command, OneBelowAnotherIsCalledByBoth) {
  Program program;
  program.app.parse("bench env");
  EXPECT_EQ(program.chosen.name, "bench env");
  EXPECT_FALSE(program.chosen.common->json);
  EXPECT_EQ(program.chosen.common->device, "auto");
  EXPECT_EQ(program.chosen.common->threads, 0);
}

TEST(Command, ThreadsHaveARange) {
  for (const char* threads : {"0", "-1", "4097"}) {
    Program program;
    program.app.parse(std::string("list --threads ") + threads);
    const std::string message = error_of([&] { program.chosen.run(); });
    expect_parts(message, {std::string("--threads ") + threads, "from 1 to 4096"});
    EXPECT_EQ(program.runs, 0) << threads;
  }
  for (const char* line : {"list --threads 1", "list --threads 4096", "list"}) {
    Program program;
    program.app.parse(line);
    program.chosen.run();
    EXPECT_EQ(program.runs, 1) << line;
  }
}

TEST(Command, SettingsComeInTheOrderOfTheLine) {
  Program program;
  program.app.parse("train --set b=2 --task cartpole --seed 9 --set a=1 --config my.toml --set b=3");
  const SettingsSources sources = program.flags.sources();
  EXPECT_EQ(sources.set, (std::vector<std::string>{"b=2", "a=1", "b=3"}));
  EXPECT_EQ(sources.config_file, "my.toml");
  EXPECT_EQ(in_words(sources), (std::vector<std::string>{"--task: task = \"cartpole\"", "--seed: seed = 9"}));
}

TEST(Command, SetTakesOneWordOnly) {
  Program program;
  accept_shared_flags(program.app);
  for (const char* line : {"train --set a=1 b=2", "list --set a=1 b=2"}) {
    EXPECT_THROW(program.app.parse(line), CLI::ExtrasError) << line;
  }
}

TEST(SharedFlags, EveryCommandTakesThemAndOnlyThose) {
  Program program;
  EXPECT_THROW(program.app.parse("list --seed 1"), CLI::ExtrasError);
  accept_shared_flags(program.app);
  for (const char* command : {"list", "bench env"}) {
    program.app.parse(std::string(command) + " --seed 3 --config my.toml --set a=1 --set b=2 --force");
    EXPECT_EQ(program.chosen.name, command);
    EXPECT_THROW(program.app.parse(std::string(command) + " --task pendulum"), CLI::ExtrasError);
  }
  EXPECT_THROW(program.app.parse("bench --force env"), CLI::ParseError) << "a group of commands has no flags";
  EXPECT_EQ(program.flags.seed, "") << "another command's flags";
  EXPECT_FALSE(program.force);
}

TEST(SharedFlags, ACommandsOwnKeepTheirEffect) {
  Program program;
  accept_shared_flags(program.app);
  program.app.parse("train --seed 3 --config my.toml --set a=1 --force");
  EXPECT_EQ(program.flags.seed, "3");
  EXPECT_EQ(program.flags.config, "my.toml");
  EXPECT_EQ(program.flags.set, std::vector<std::string>{"a=1"});
  EXPECT_TRUE(program.force);
}

TEST(Overwriting, IsRefusedUnlessItIsForced) {
  const TemporaryFolder folder;
  const std::string file = (folder / "a.onnx").string();
  EXPECT_NO_THROW(refuse_to_overwrite("--out", file, false));
  std::ofstream(file) << "policy";
  const std::string in_folder = folder.path().string();
  for (const std::string& path : {file, in_folder}) {
    const std::string message = error_of([&] { refuse_to_overwrite("--out", path, false); });
    expect_parts(message, {"--out " + path, "exists already", "--force"});
    EXPECT_NO_THROW(refuse_to_overwrite("--out", path, true));
  }
}

TEST(Numbers, ShortOnesHaveThreeDigitsAndAUnit) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(0.25), "0.25");
  EXPECT_EQ(short_number(999), "999");
  EXPECT_EQ(short_number(1000), "1 k");
  EXPECT_EQ(short_number(-1500), "-1.5 k");
  EXPECT_EQ(short_number(12345), "12.3 k");
  EXPECT_EQ(short_number(1e6), "1 M");
  EXPECT_EQ(short_number(4.11e8), "411 M");
  EXPECT_EQ(short_number(2.5e9), "2.5 G");
  EXPECT_EQ(short_number(999600), "1 M") << "not 1e+03 k";
  for (const double none : {kNan, kInfinity, -kInfinity}) EXPECT_EQ(short_number(none), "-");
}

TEST(Numbers, FixedOnesHaveTheDigitsThatWereAskedFor) {
  EXPECT_EQ(fixed(3.14159, 2), "3.14");
  EXPECT_EQ(fixed(2, 3), "2.000");
  EXPECT_EQ(fixed(-0.5, 1), "-0.5");
  EXPECT_EQ(fixed(1e6, 0), "1000000");
  for (const double none : {kNan, kInfinity, -kInfinity}) EXPECT_EQ(fixed(none, 2), "-");
}

TEST(Numbers, WhatIsNoneIsNullInJson) {
  EXPECT_EQ(number_or_null(1.5).dump(), "1.5");
  EXPECT_EQ(number_or_null(0).dump(), "0.0");
  for (const double none : {kNan, kInfinity, -kInfinity}) EXPECT_TRUE(number_or_null(none).is_null());
}

}  // namespace
}  // namespace stampede::cli
