/// \file Environments of several ranks: each takes the random numbers that it would take in one process with all of them.

#include <algorithm>

#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

constexpr int kEnvs = 512, kRanks = 2, kOfOne = kEnvs / kRanks;

/// What is random in a rollout, and nothing that follows from all environments together: observations are not
/// normalised, so that the first rollout's policy is the untrained one whatever the others see.
Settings for_ranks(Settings settings) {
  settings.train.horizon = 24;
  settings.train.iterations = 1;
  settings.algorithm.minibatch = 1 << 20;
  settings.algorithm.epochs = 1;
  settings.network.normalise_observations = false;
  return settings;
}

std::vector<Settings> tasks() {
  std::vector<Settings> all = {
      awkward_settings("pendulum"), walking_settings(),
      // 256 is no multiple of nine columns, so the second rank begins on another than the first.
      // Starts are so wide that some robots are off their tile from the start: they go up, from the hardest anywhere.
      rough_settings({"terrain.columns=9", "terrain.start_levels=3", "start.position=[-2.5, 2.5]"}),
      // Mirror images are learned from, which networks with a state cannot be.
      seeing_settings({"network.modules=[\"convolution\", \"dense\"]"})};
  for (Settings& settings : all) settings = for_ranks(settings);
  return all;
}

std::unique_ptr<Stage> trainer_of(Engine& engine, Settings settings, Rank rank) {
  settings.train.num_envs = kEnvs / rank.world_size;
  TrainingRequest request = request_for(settings);
  request.rank = rank;
  return engine.make_trainer(request);
}

/// How a tensor of a checkpoint holds its environments: `width` numbers side by side for each, and that in `rows` rows.
struct Layout {
  std::size_t rows, row_bytes, bytes_of_one;
};

/// The bytes of an environment's numbers in a tensor.
std::string of_environment(const Tensor& tensor, const Layout& layout, std::size_t environment) {
  std::string bytes;
  for (std::size_t row = 0; row < layout.rows; ++row) {
    const std::size_t begin = row * layout.row_bytes + environment * layout.bytes_of_one;
    const auto* from = reinterpret_cast<const char*>(tensor.bytes.data());
    bytes.append(from + begin, layout.bytes_of_one);
  }
  return bytes;
}

/// The layout of those tensors that hold environments; `limbs` lanes each in those of walking robots.
Layout layout_of(const Tensor& tensor, std::size_t limbs) {
  const auto rows = static_cast<std::size_t>(tensor.shape.at(0)), columns = tensor.bytes.size() / 4 / rows;
  const bool by_environment = tensor.name == "observation" || tensor.name == "critic_observation" ||
                              tensor.name == "legged_last_reading" ||
                              tensor.name == "camera_frames";  // [environment][width]
  if (by_environment) return {1, rows * columns * 4, columns * 4};
  const bool lanes = tensor.name == "legged_memory" || tensor.name == "legged_good";
  return {rows, columns * 4, lanes ? limbs * 4 : 4};
}

bool holds_environments(const Tensor& tensor) {
  for (const char* name : {"environments", "environment_counts", "observation", "critic_observation", "legged_memory",
                           "legged_good", "legged_last_reading", "camera_frames"}) {
    if (tensor.name == name) return true;
  }
  return false;
}

/// Environments of the rank that differ, in a bit of any of their numbers, from those of the one process.
int differing(const std::vector<Tensor>& one, const std::vector<Tensor>& rank, int index, std::size_t limbs) {
  EXPECT_EQ(one.size(), rank.size());
  int tensors = 0;
  std::vector<bool> differs(static_cast<std::size_t>(kOfOne));
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].name, rank[i].name);
    if (!holds_environments(one[i])) continue;
    ++tensors;
    const Layout whole = layout_of(one[i], limbs), part = layout_of(rank[i], limbs);
    for (std::size_t env = 0; env < static_cast<std::size_t>(kOfOne); ++env) {
      const std::size_t global = static_cast<std::size_t>(index * kOfOne) + env;
      if (of_environment(one[i], whole, global) != of_environment(rank[i], part, env)) {
        if (!differs[env]) ADD_FAILURE() << "environment " << env << " of rank " << index << ": " << one[i].name;
        differs[env] = true;
        if (env > 2) return kOfOne;  // enough lines
      }
    }
  }
  const bool sees = std::any_of(one.begin(), one.end(), [](const Tensor& t) { return t.name == "camera_frames"; });
  EXPECT_EQ(tensors, limbs > 1 ? (sees ? 8 : 7) : 3);
  return static_cast<int>(std::count(differs.begin(), differs.end(), true));
}

/// The bytes of the networks' parameters.
std::string network_weights(const std::vector<Tensor>& state) {
  std::string bytes;
  for (const Tensor& tensor : state) {
    const bool weights =
        tensor.name.rfind("actor.", 0) == 0 || tensor.name.rfind("critic.", 0) == 0 || tensor.name == "log_std";
    if (weights) bytes.append(tensor.bytes.begin(), tensor.bytes.end());
  }
  return bytes;
}

/// Environments that are younger than they were.
int begun_anew(std::vector<Tensor> before, std::vector<Tensor> after, std::size_t age_row) {
  const float* const first = floats_in(find(before, "environments")) + age_row * kEnvs;
  const float* const second = floats_in(find(after, "environments")) + age_row * kEnvs;
  int younger = 0;
  for (int env = 0; env < kEnvs; ++env) younger += second[env] < first[env] ? 1 : 0;
  return younger;
}

TEST(Ranks, TakeTheRandomNumbersOfOneProcess) {
  for (const Settings& settings : tasks()) {
    SCOPED_TRACE(settings.task);
    const std::size_t limbs = settings.task == "pendulum" ? 1 : 4;
    const auto engine = engine_for(best_instruction_set(), 2);
    const auto one = trainer_of(*engine, settings, {});
    const auto after_reset = one->state();
    iterate(*one, 1);
    const auto after_rollout = one->state();
    // So what is drawn where an episode begins is drawn during a rollout as well.
    EXPECT_GT(begun_anew(after_reset, after_rollout, limbs > 1 ? 0 : 2), kEnvs / 20);
    for (int index = 0; index < kRanks; ++index) {
      const auto rank = trainer_of(*engine, settings, {index, kRanks});
      const auto first_state = rank->state();
      EXPECT_EQ(network_weights(first_state), network_weights(after_reset)) << "networks begin alike";
      EXPECT_EQ(differing(after_reset, first_state, index, limbs), 0) << "after the reset";
      iterate(*rank, 1);
      EXPECT_EQ(differing(after_rollout, rank->state(), index, limbs), 0) << "after a rollout";
    }
  }
}

TEST(Ranks, DifferFromEachOther) {
  const auto engine = engine_for(best_instruction_set(), 2);
  Settings settings = for_ranks(awkward_settings("pendulum"));
  const auto first = trainer_of(*engine, settings, {0, kRanks}), second = trainer_of(*engine, settings, {1, kRanks});
  auto a = first->state(), b = second->state();
  EXPECT_NE(find(a, "environments").bytes, find(b, "environments").bytes);
}

TEST(Ranks, ThatAreNoneAreRefused) {
  const auto engine = engine_for(best_instruction_set(), 1);
  TrainingRequest request = request_for(awkward_settings("pendulum"));
  for (const Rank rank : {Rank{2, 2}, Rank{-1, 2}, Rank{0, 0}}) {
    request.rank = rank;
    EXPECT_THROW(engine->make_trainer(request), Error) << rank.index << " of " << rank.world_size;
  }
  request.train.num_envs = 1 << 20;
  request.rank = {1 << 9, 1 << 10};
  EXPECT_THROW(engine->make_trainer(request), Error) << "2^29 environments and a rank's more";
}

}  // namespace
}  // namespace stampede::testing
