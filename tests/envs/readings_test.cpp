/// \file Groups of observations: every, delay, history, and what an episode's end does to them.
#include "envs/readings.hpp"

#include <deque>

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

/// What the group sees, by the words of its definition: measurements of the episode so far are kept, and looked up.
std::vector<float> by_definition(const std::vector<float>& episode, int every, int delay, int history) {
  std::vector<float> seen;
  const int now = static_cast<int>(episode.size()) - 1;
  // The newest reading that has arrived was taken at the last multiple of `every` up to now - delay.
  const int arrived = now - delay >= 0 ? (now - delay) / every * every : 0;
  for (int k = history - 1; k >= 0; --k) {
    seen.push_back(episode[static_cast<std::size_t>(std::max(0, arrived - k * every))]);
  }
  return seen;
}

template <class Real>
void check(int every, int delay, int history) {
  constexpr int kWidth = 3, kSteps = 60;
  constexpr Index kEnvs = 32;
  const auto size = [](Index numbers) { return floats(kEnvs * numbers); };
  auto measured = size(kWidth), final_measured = size(kWidth), ended = size(1);
  auto waiting = size(std::max(1, delay * kWidth)), seen = size(history * kWidth), age = size(1);
  auto out = size(history * kWidth), final_out = size(history * kWidth), last_out = size(history * kWidth);
  std::vector<std::vector<float>> episode(kEnvs);  // measurements of each, of the first number
  const auto run = [&](bool begin) {
    const ReadGroup kernel{kWidth,
                           every,
                           delay,
                           history,
                           measured.data(),
                           begin ? nullptr : ended.data(),
                           begin ? nullptr : final_measured.data(),
                           waiting.data(),
                           seen.data(),
                           age.data(),
                           out.data(),
                           begin ? nullptr : final_out.data(),
                           begin ? nullptr : last_out.data()};
    for (Index env = 0; env < kEnvs; env += kLanes<Real>) kernel.template operator()<Real>(env);
  };
  const auto expect = [&](const std::vector<float>& rows, const std::vector<float>& of_episode, Index env,
                          const char* what) {
    const std::vector<float> wanted = by_definition(of_episode, every, delay, history);
    for (int k = 0; k < history; ++k) {
      for (int i = 0; i < kWidth; ++i) {
        ASSERT_EQ(rows[(env * history + k) * kWidth + i], wanted[static_cast<std::size_t>(k)] + static_cast<float>(i))
            << what << ", environment " << env << ", reading " << k << ", every " << every << ", delay " << delay;
      }
    }
  };
  const auto measure = [&](std::vector<float>& to, Index env, float value) {
    for (int i = 0; i < kWidth; ++i) to[env * kWidth + i] = value + static_cast<float>(i);
    episode[static_cast<std::size_t>(env)].push_back(value);
  };
  for (Index env = 0; env < kEnvs; ++env) measure(measured, env, static_cast<float>(1000 * env));
  run(true);
  for (Index env = 0; env < kEnvs; ++env) expect(out, episode[static_cast<std::size_t>(env)], env, "start");
  for (int step = 1; step <= kSteps; ++step) {
    for (Index env = 0; env < kEnvs; ++env) {
      // Episodes of all lengths, environments out of step with each other.
      const bool ends = (step + 3 * env) % (5 + env) == 0;
      ended[env] = !ends ? kRunning : (step + env) % 3 == 0 ? kTerminated : kTimedOut;
      measure(ended[env] != 0.0f ? final_measured : measured, env, static_cast<float>(1000 * env + 10 * step));
    }
    const auto before = episode;
    const auto kept = last_out;
    for (Index env = 0; env < kEnvs; ++env) {
      if (ended[env] == 0.0f) continue;
      episode[static_cast<std::size_t>(env)].clear();
      measure(measured, env, static_cast<float>(1000 * env + 10 * step + 5));
    }
    run(false);
    for (Index env = 0; env < kEnvs; ++env) {
      expect(out, episode[static_cast<std::size_t>(env)], env, "step");
      if (ended[env] != 0.0f) expect(final_out, before[static_cast<std::size_t>(env)], env, "end");
      for (Index i = env * history * kWidth; i < (env + 1) * history * kWidth; ++i) {
        ASSERT_EQ(last_out[i], ended[env] == kTimedOut ? final_out[i] : kept[i]) << "kept, environment " << env;
      }
    }
  }
}

TEST(ReadGroup, SeesWhatItsDefinitionSays) {
  for (const int every : {1, 2, 3}) {
    for (const int delay : {0, 1, 2, 5}) {
      for (const int history : {1, 2, 4}) {
        check<float>(every, delay, history);
        check<Widest>(every, delay, history);
      }
    }
  }
}

}  // namespace
}  // namespace stampede::testing
