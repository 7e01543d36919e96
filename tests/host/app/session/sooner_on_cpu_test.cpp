#include "host/app/session/sooner_on_cpu.hpp"

#include <gtest/gtest.h>

namespace stampede {
namespace {

bool sooner(const std::vector<std::string>& set, int threads) {
  SettingsSources sources;
  sources.set = set;
  return sooner_on_cpu(plan_task(resolve_settings(sources)), threads);
}

TEST(SoonerOnCpu, AreSmallTrainings) {
  EXPECT_TRUE(sooner({"task=pendulum"}, 2));
  EXPECT_FALSE(sooner({"task=pendulum", "train.num_envs=65536"}, 2));
  EXPECT_FALSE(sooner({"task=pendulum", "network.actor=[512, 512]"}, 2));
  // What many threads do in time is too much for one.
  const std::string silu = "network.activation=silu";
  EXPECT_TRUE(sooner({"task=double-pendulum", silu}, 16));
  EXPECT_FALSE(sooner({"task=double-pendulum", silu}, 1));
  // A GPU goes through small networks of other activations in fewer launches.
  EXPECT_FALSE(sooner({"task=double-pendulum"}, 16));
}

TEST(SoonerOnCpu, AreNoRobotsAndNoPictures) {
  EXPECT_FALSE(sooner({"task=go2-flat", "train.iterations=1"}, 64));
  EXPECT_FALSE(sooner({"task=pendulum", "network.modules=[\"gru\", \"dense\"]"}, 64));
}

}  // namespace
}  // namespace stampede
