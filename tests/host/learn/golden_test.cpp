/// \file Pinned weights: what a training learns changes only in a commit that means to change it.
///
/// In the parity preset no operation is contracted, so a training gives the same bits with every pack width and any number
/// of threads, straight through or resumed. A commit that changes results on purpose pins the hashes that this test prints.
#ifdef STAMPEDE_PARITY

#include <cstdio>

#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

constexpr int kIterations = 20;

struct Golden {
  const char* name;
  Settings settings;
  std::uint64_t weights;  ///< hash_of_parameters after kIterations
};

/// Schedules as long as the training, so that what rises or falls in its course does so.
std::vector<Golden> goldens() {
  std::vector<Golden> all = {
      {"pendulum", awkward_settings("pendulum"), 0x00be47dd7e75d903},
      {"go2-flat", walking_settings(), 0x2e20bd6c34f076ed},
      {"go2-rough", rough_settings(), 0xdc8b247b383d7c45},
      // The time limit may pass twice in a rollout.
      {"go2-flat in short episodes", walking_settings({"control.episode=0.1"}), 0x5e240255203bf88e},
      {"pendulum with a gru", awkward_settings("pendulum"), 0xba0148bb99f453ac},
  };
  all.back().settings.network.modules = {"gru", "dense"};
  all.back().settings.network.gru = 19;
  for (Golden& golden : all) golden.settings.train.iterations = kIterations;
  return all;
}

std::string hex(std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%016llx", static_cast<unsigned long long>(value));
  return text;
}

TEST(Golden, WeightsForEveryPackWidthAndAnyNumberOfThreads) {
  for (const Golden& golden : goldens()) {
    for_each_instruction_set([&](const std::string& instruction_set) {
      for (const int threads : {1, 2, 3}) {
        const auto engine = engine_for(instruction_set, threads);
        const auto trainer = make_trainer(*engine, golden.settings);
        iterate(*trainer, kIterations);
        EXPECT_EQ(hex(hash_of_parameters(trainer->state())), hex(golden.weights))
            << golden.name << ", " << threads << " threads";
      }
    });
  }
}

TEST(Golden, WeightsOfAResumedRun) {
  for (const Golden& golden : goldens()) {
    const auto engine = engine_for(best_instruction_set(), 2);
    const auto first = make_trainer(*engine, golden.settings);
    iterate(*first, kIterations / 2);
    const auto resumed = make_trainer(*engine, golden.settings);
    resumed->restore(first->state());
    iterate(*resumed, kIterations - kIterations / 2);
    EXPECT_EQ(hex(hash_of_parameters(resumed->state())), hex(golden.weights)) << golden.name;
  }
}

}  // namespace
}  // namespace stampede::testing

#endif
