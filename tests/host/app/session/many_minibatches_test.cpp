#include "host/app/session/many_minibatches.hpp"

#include <gtest/gtest.h>

#include "host/task/settings_io.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::expect_parts;

std::string note(std::vector<std::string> set) {
  SettingsSources sources;
  sources.set = std::move(set);
  return note_of_minibatches(resolve_settings(sources));
}

TEST(ManyMinibatches, AreThoseAbove64) {
  const std::vector<std::string> samples = {"task=pendulum", "train.num_envs=1000", "train.horizon=65"};
  const auto with = [&](const std::string& more) {
    std::vector<std::string> set = samples;
    set.push_back(more);
    return note(set);
  };
  EXPECT_EQ(with("algorithm.minibatches=64"), "");
  expect_parts(with("algorithm.minibatches=65"),
               {"65000 samples", "into 65 minibatches", "algorithm.minibatches = 64 or fewer"});
  EXPECT_EQ(with("algorithm.minibatch=1016"), "");
  const std::string text = with("algorithm.minibatch=1000");
  expect_parts(text, {"into 65 minibatches", "algorithm.minibatch = 1016 or more"});
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST(ManyMinibatches, OfNetworksWithAStateHaveWholeWindows) {
  std::vector<std::string> set = {"task=pendulum", "train.num_envs=10", "train.horizon=100",
                                  "algorithm.minibatches=200", "network.modules=[\"gru\", \"dense\"]"};
  set.emplace_back("network.window=20");
  EXPECT_EQ(note(set), "");  // 50 windows
  set.back() = "network.window=10";
  expect_parts(note(set), {"into 100 minibatches"});
  set.back() = "network.window=0";
  EXPECT_EQ(note(set), "");
}

TEST(ManyMinibatches, OfAStudentAreThoseOfItsDistillation) {
  const std::vector<std::string> student = {"task=go2-blind", "algo=online", "train.num_envs=1024", "train.horizon=64",
                                            "algorithm.minibatches=2000"};  // of fine-tuning
  const auto with = [&](const std::string& more) {
    std::vector<std::string> set = student;
    set.push_back(more);
    return note(set);
  };
  EXPECT_EQ(with("distill.minibatch=1024"), "");
  expect_parts(with("distill.minibatch=512"), {"into 128 minibatches", "distill.minibatch = 1024 or more"});
}

}  // namespace
}  // namespace stampede
