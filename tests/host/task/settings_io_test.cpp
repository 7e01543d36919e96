#include "host/task/settings_io.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "host/base/files.hpp"
#include "host/task/presets.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

SettingsSources with(std::vector<std::string> set) {
  SettingsSources sources;
  sources.set = std::move(set);
  sources.set.insert(sources.set.begin(), "task=pendulum");
  return sources;
}

/// Resolves a file with that text.
Settings from_file(const TemporaryFolder& folder, const std::string& text) {
  write_file(folder / "config.toml", text, Durability::kProcess);
  return resolve_settings({(folder / "config.toml").string(), {}, {}});
}

TEST(Settings, TaskMustBeNamed) {
  expect_parts(error_of([] { resolve_settings({}); }), {"--task is missing", "pendulum", "cartpole-swingup"});
}

TEST(Settings, UnknownWordsSuggest) {
  expect_parts(error_of([] {
                 resolve_settings({"", {}, {{"task", "pendulun", "--task"}}});
               }),
               {"--task: unknown task 'pendulun'", "did you mean 'pendulum'?"});
  expect_parts(error_of([] { resolve_settings(with({"algo=pppo"})); }), {"unknown algorithm", "'ppo'"});
  expect_parts(error_of([] { resolve_settings(with({"preset=larg"})); }), {"unknown preset", "'large'"});
  expect_parts(error_of([] { resolve_settings(with({"preset=zzzzzzz"})); }), {"default, fast, small"});
  expect_parts(error_of([] { resolve_settings(with({"train.num_env=3"})); }), {"'train.num_env'", "'train.num_envs'"});
  expect_parts(error_of([] { resolve_settings(with({"num_envs=3"})); }), {"'num_envs'", "'train.num_envs'"});
  expect_parts(error_of([] { resolve_settings(with({"environment.gravty=3"})); }), {"'environment.gravity'"});
  expect_parts(error_of([] { resolve_settings(with({"train.zzzzzzzzzz=3"})); }), {"known are train.num_envs"});
  expect_parts(error_of([] { resolve_settings(with({"network.activation=elo"})); }), {"network.activation", "'elu'"});
}

TEST(Settings, AreListedWithWhatTheyMayBe) {
  const auto found = [](const std::vector<SettingInfo>& list, const std::string& table, const std::string& key) {
    const auto at = std::ranges::find_if(list, [&](const SettingInfo& s) { return s.table == table && s.key == key; });
    return at == list.end() ? "missing" : at->value + " | " + at->allowed;
  };
  const std::vector<SettingInfo> pendulum = list_settings(resolve_settings(with({"train.num_envs=64"})));
  EXPECT_EQ(found(pendulum, "train", "num_envs"), "64 | whole number, 1 to 16777216");
  EXPECT_EQ(found(pendulum, "algorithm", "schedule"), "\"adaptive\" | word: fixed, linear, adaptive");
  EXPECT_EQ(found(pendulum, "algorithm", "normalise_advantages"), "true | true or false");
  EXPECT_EQ(found(pendulum, "environment", "gravity").substr(0, 3), "10.");
  EXPECT_EQ(found(pendulum, "commands", "x"), "missing");
  const std::vector<SettingInfo> walking = list_settings(resolve_settings({"", {}, {{"task", "go2-flat", "--task"}}}));
  EXPECT_EQ(found(walking, "commands", "x"), "[-0.3, 1.0] | [low, high], both -10 to 10");
  EXPECT_EQ(found(walking, "rewards", "track_linear"), "1.0 | number, -1e+06 to 1e+06");
  EXPECT_EQ(found(walking, "constraints.trot", "kind"), "\"style\" | word: hard, soft, style");
  EXPECT_EQ(found(walking, "environment", "gravity"), "missing");
}

TEST(Settings, WrongTypesAndValuesNameKeyValueAndRight) {
  const TemporaryFolder folder;
  const std::string file = (folder / "config.toml").string();
  const auto message = [&](const std::string& text) {
    return error_of([&] { from_file(folder, "task = \"pendulum\"\n" + text); });
  };
  expect_parts(message("[train]\nnum_envs = 0"), {file + ":3: ", "train.num_envs = 0", "from 1 to 16777216"});
  expect_parts(message("[train]\nnum_envs = 3.5"), {file + ":3: ", "3.5", "whole number"});
  expect_parts(message("[train]\nnum_envs = \"many\""), {"\"many\"", "type string", "whole number"});
  expect_parts(message("[train]\nrandom_initial_phase = 1"), {"true or false"});
  expect_parts(message("[network]\nactor = 64"), {"list of whole numbers"});
  expect_parts(message("[network]\nactor = [64, 0]"), {"network.actor = 0", "from 1 to"});
  expect_parts(message("[network]\nactor = [64, \"x\"]"), {"network.actor", "whole number"});
  expect_parts(message("[algorithm]\ngamma = nan"), {"algorithm.gamma = nan", "from 0 to 1"});
  expect_parts(message("[algorithm]\ngamma = 1.0001"), {"1.0001", "from 0 to 1"});
  expect_parts(message("[algorithm]\nadvantage = 3"), {"a string"});
  expect_parts(message("seed = -1"), {":2: seed = -1", "from 0 to"});
  expect_parts(message("train = 3"), {"train = 3", "a table"});
  expect_parts(message("[for.ppo]\n"), {"unknown key 'for'"});
  for (const char* value : {"nan", "inf", "-inf"}) {
    expect_parts(message(std::string("[algorithm]\nlearning_rate = ") + value), {"learning_rate", "from 0 to 1"});
    expect_parts(message(std::string("[environment]\ngravity = ") + value), {"environment.gravity", "out of range"});
    expect_parts(message(std::string("[run]\ncheckpoint_seconds = ") + value), {"checkpoint_seconds", "from 0 to"});
  }
  expect_parts(message("[environment]\ngravity = 1e9"), {"environment.gravity", "out of range"});
  expect_parts(message("[train\n"), {file + ":2: not valid TOML"});
  expect_parts(error_of([] { resolve_settings({"/nowhere/config.toml", {}, {}}); }), {"/nowhere/config.toml"});
}

TEST(Settings, WhatATaskSaysOfAlgorithmsIsCheckedWhicheverIsChosen) {
  const TemporaryFolder folder;
  const std::string file = (folder / "mine.toml").string();
  const auto resolve = [&](const std::string& text, const std::string& algo) {
    write_file(file, "extends = \"go2-flat\"\n" + text, Durability::kProcess);
    SettingsSources sources;
    sources.set = {"algo=" + algo};
    sources.flags = {{"task", "\"" + file + "\"", "--task"}};
    return resolve_settings(sources);
  };
  for (const char* algo : {"ppo", "reinforce"}) {
    const auto message = [&](const std::string& text) { return error_of([&] { resolve(text, algo); }); };
    expect_parts(message("[for.reinforc.algorithm]\ngamma = 0.5"), {file + ":2: for.reinforc", "'reinforce'"});
    expect_parts(message("[for.shapd.rewards]\ntrack_linear = 1"), {file + ":2: for.shapd", "'shaped'"});
    expect_parts(message("[for.larg]"), {"for.larg", "preset", "'large'"});
    expect_parts(message("[for.reinforce.algorithm]\ngama = 0.5"),
                 {file + ":3: ", "'algorithm.gama'", "'algorithm.gamma'"});
    expect_parts(message("[for.reinforce.algoritm]\ngamma = 0.5"), {file + ":2: ", "'algoritm'"});
    expect_parts(message("[for.reinforce.algorithm]\ngamma = 2"), {file + ":3: algorithm.gamma = 2", "from 0 to 1"});
    expect_parts(message("[for]\nreinforce = 3"), {file + ":3: for.reinforce = 3", "a table"});
    expect_parts(message("[for.reinforce]\npreset = \"large\""), {file + ":3: for.reinforce.preset", "cannot depend"});
    EXPECT_FLOAT_EQ(resolve("[for.reinforce.algorithm]\ngamma = 0.5", algo).algorithm.gamma,
                    algo == std::string("reinforce") ? 0.5f : resolve("", algo).algorithm.gamma);
  }
  expect_parts(error_of([&] { resolve("for = 3\n", "ppo"); }), {file + ":2: for = 3", "a table"});
}

TEST(Settings, OverridesNeedKeyAndValue) {
  for (const char* text : {"train.num_envs", "=3", "train.num_envs=", "train.=3", "train.num_envs=1\ntask=2",
                           "train..num_envs=3", "network.actor=[64", "algo=a b"}) {
    EXPECT_FALSE(error_of([&] { resolve_settings(with({text})); }).empty()) << text;
  }
}

TEST(Settings, LayersOverrideInOrder) {
  const TemporaryFolder folder;
  write_file(folder / "config.toml",
             "task = \"pendulum\"\npreset = \"large\"\nseed = 5\n[train]\nnum_envs = 100\nhorizon = 7\n"
             "[network]\ncritic = [9]\n[environment]\ngravity = 9.5\n");
  SettingsSources sources;
  sources.config_file = (folder / "config.toml").string();
  EXPECT_EQ(resolve_settings(sources).train.num_envs, 100);
  EXPECT_EQ(resolve_settings(sources).network.actor, (std::vector<int>{512, 256, 128}));  // the preset's
  EXPECT_EQ(resolve_settings(sources).network.critic, (std::vector<int>{9}));             // the file's
  EXPECT_EQ(resolve_settings(sources).seed, 5u);
  EXPECT_FLOAT_EQ(resolve_settings(sources).environment.at(0), 9.5f);
  sources.set = {"train.num_envs=200", "train.horizon = 8"};
  EXPECT_EQ(resolve_settings(sources).train.num_envs, 200);
  sources.flags = {{"train.num_envs", "300", "--num-envs"}};
  const Settings settings = resolve_settings(sources);
  EXPECT_EQ(settings.train.num_envs, 300);
  EXPECT_EQ(settings.train.horizon, 8);
  sources.flags.push_back({"preset", "small", "--preset"});
  EXPECT_EQ(resolve_settings(sources).network.actor, (std::vector<int>{32, 32}));
}

TEST(Settings, AlgorithmsAreDataOfOneTrainer) {
  const auto advantage = [](const std::string& algo) {
    return resolve_settings(with({"algo=" + algo})).algorithm.advantage;
  };
  EXPECT_EQ(advantage("reinforce"), "return");
  EXPECT_EQ(advantage("reinforce-baseline"), "return_baseline");
  EXPECT_EQ(advantage("actor-critic"), "td");
  EXPECT_EQ(advantage("ppo"), "gae");
  EXPECT_EQ(resolve_settings(with({})).algo, "ppo");
  for (const Fragment& fragment : algorithms()) {
    EXPECT_EQ(resolve_settings(with({std::string("algo=") + fragment.name})).algo, fragment.name);
  }
}

TEST(SettingsSlow, EveryTaskResolvesWithEveryAlgorithmAndPreset) {
  for (const TaskInfo& task : tasks()) {
    for (const Fragment& algorithm : algorithms()) {
      for (const Fragment& preset : presets()) {
        SettingsSources sources;
        sources.set = {"task=" + task.name, std::string("algo=") + algorithm.name,
                       std::string("preset=") + preset.name};
        const Settings settings = resolve_settings(sources);
        EXPECT_EQ(settings.environment.size(), task.parameters.size());
      }
    }
  }
}

TEST(Settings, WrittenFileReadsBackIdentically) {
  const TemporaryFolder folder;
  const std::vector<std::vector<std::string>> cases = {
      {},
      {"algo=reinforce", "preset=large", "seed=9223372036854775807"},
      {"algorithm.learning_rate=0.1", "algorithm.gamma=1", "algorithm.target_kl=1e-9",
       "algorithm.max_gradient_norm=1e9", "algorithm.clip_ratio=0.30000001", "network.actor=[]",
       "network.critic=[1, 16384, 3]", "train.random_initial_phase=false", "network.activation=silu",
       "environment.gravity=9.81"},
  };
  for (const auto& set : cases) {
    const Settings settings = resolve_settings(with(set));
    const std::string text = to_toml(settings);
    EXPECT_EQ(to_toml(from_file(folder, text)), text);
    const Settings again = from_file(folder, text);
    EXPECT_EQ(again.seed, settings.seed);
    EXPECT_EQ(again.network.actor, settings.network.actor);
    EXPECT_EQ(again.algorithm.learning_rate, settings.algorithm.learning_rate);  // to the bit
    EXPECT_EQ(again.algorithm.clip_ratio, settings.algorithm.clip_ratio);
    EXPECT_EQ(again.environment, settings.environment);
  }
  const std::string text = to_toml(resolve_settings(with({"algorithm.learning_rate=0.1", "algorithm.gamma=1"})));
  expect_parts(text, {"learning_rate = 0.1 ", "gamma = 1.0 "});  // shortest, and still a float
}

TEST(Settings, FloatsReadBackToTheBit) {
  const TemporaryFolder folder;
  std::uint32_t bits = 12345;
  for (int i = 0; i < 300; ++i) {
    bits = bits * 1664525u + 1013904223u;
    const float value = static_cast<float>(bits >> 8) * 0x1p-24f;
    Settings settings = resolve_settings(with({}));
    settings.algorithm.gamma = value;
    EXPECT_EQ(from_file(folder, to_toml(settings)).algorithm.gamma, value);
  }
}

}  // namespace
}  // namespace stampede
