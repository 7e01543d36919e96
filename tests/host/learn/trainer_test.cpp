/// \file The trainer: same bits for any number of threads and after a restart, no allocation, bad state refused.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <set>

#include "envs/batch.hpp"
#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/in_flight.hpp"
#include "tests/host/learn/testing.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STAMPEDE_COUNTS_ALLOCATIONS 0
#else
#define STAMPEDE_COUNTS_ALLOCATIONS 1
#endif

#if STAMPEDE_COUNTS_ALLOCATIONS
// Every way to memory leads through these, operator new and the modules' calls included.
namespace {
std::atomic<std::int64_t> allocations{0};
}
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, size);
}
}
#endif

namespace stampede::testing {
namespace {

/// One of each algorithm and task, with all that is optional switched on somewhere.
std::vector<Settings> varied_settings() {
  std::vector<Settings> all = {awkward_settings("pendulum"), awkward_settings("cartpole-swingup"),
                               awkward_settings("double-pendulum"), awkward_settings("double-pendulum")};
  all[1].algorithm.advantage = "td";
  all[1].algorithm.surrogate = "log_prob";
  all[1].algorithm.schedule = "linear";
  all[1].algorithm.clip_value = false;
  all[1].network.activation = "silu";
  all[2].algorithm.advantage = "return_baseline";
  all[2].algorithm.entropy_coefficient = 0.01f;
  all[2].algorithm.schedule = "fixed";
  all[2].algorithm.normalise_advantages = false;
  all[2].network.activation = "tanh";
  all[2].network.normalise_values = false;
  all[2].train.num_envs = 1;
  all[2].train.horizon = 33;
  all[3].algorithm.advantage = "return";
  all[3].algorithm.surrogate = "log_prob";
  all[3].network.activation = "relu";
  all[3].network.normalise_observations = false;
  all[3].train.random_initial_phase = false;
  all.push_back(awkward_settings("cartpole-swingup"));
  all.back().policy_observation = {2, 1, 3};
  all.push_back(awkward_settings("pendulum"));
  all.back().network.modules = {"gru", "dense"};
  all.back().network.gru = 19;
  all.back().network.window = 3;
  all.push_back(walking_settings());
  all.push_back(
      walking_settings({"policy_observation.history=2", "critic_observation.every=2", "critic_observation.delay=3"}));
  all.push_back(walking_settings({"objective=early-termination", "observations.critic=[]", "symmetry.mirror=false"}));
  all.push_back(rough_settings());
  return all;
}

TEST(Trainer, SameBitsForAnyNumberOfThreads) {
  for_each_instruction_set([](const std::string& instruction_set) {
    for (const Settings& settings : varied_settings()) {
      std::vector<Tensor> first;
      for (const int threads : {1, 2, 3}) {
        const auto engine = engine_for(instruction_set, threads);
        const auto trainer = make_trainer(*engine, settings);
        constexpr int kIterations = 12;
        const auto reports = iterate(*trainer, kIterations);
        const auto state = trainer->state();
        if (threads == 1) first = state;
        EXPECT_TRUE(same_state(state, first)) << settings.task << ", " << threads << " threads";
        for (const Report& report : reports) {
          EXPECT_TRUE(std::isfinite(report["policy_loss"]) && std::isfinite(report["gradient_norm"]) &&
                      std::isfinite(report["kl"]));
          EXPECT_GT(report["gradient_norm"], 0.0);
          EXPECT_EQ(report["nonfinite"], 0);
        }
        EXPECT_EQ(reports.back().iteration, kIterations);
        EXPECT_EQ(reports.back().steps, kIterations * settings.train.num_envs * settings.train.horizon);
      }
    }
  });
}

TEST(Trainer, SeedsDiffer) {
  const auto engine = engine_for(best_instruction_set(), 1);
  Settings settings = awkward_settings();
  const auto a = make_trainer(*engine, settings);
  settings.seed = 4;
  const auto b = make_trainer(*engine, settings);
  EXPECT_FALSE(same_state(a->state(), b->state()));
}

// 909 samples: in four minibatches of about 250.
TEST(Trainer, MinibatchesByNumberAreThoseOfTheirSize) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto trained = [&](int size, int number) {
    Settings settings = awkward_settings();
    settings.algorithm.minibatch = size;
    settings.algorithm.minibatches = number;
    const auto trainer = make_trainer(*engine, settings);
    iterate(*trainer, 2);
    return trainer->state();
  };
  const auto by_size = trained(250, 0);
  EXPECT_TRUE(same_state(trained(10000, 4), by_size));
  EXPECT_FALSE(same_state(trained(250, 3), by_size));
  const auto one = trained(250, 1);
  EXPECT_TRUE(same_state(trained(10000, 0), one));
}

TEST(AlgorithmSettings, NoMinibatchIsEmpty) {
  AlgorithmSettings settings;
  settings.minibatch = 100;
  for (const auto& [samples, count] : {std::pair{149, 1}, {150, 2}, {1, 1}, {1000, 10}}) {
    EXPECT_EQ(settings.minibatches_of(samples), count) << samples;
  }
  settings.minibatches = 7;
  for (const auto& [samples, count] : {std::pair{3, 3}, {7, 7}, {100000, 7}}) {
    EXPECT_EQ(settings.minibatches_of(samples), count) << samples;
  }
}

TEST(Trainer, GoesOnBitForBit) {
  for_each_instruction_set([](const std::string& instruction_set) {
    for (const Settings& settings : varied_settings()) {
      const auto engine = engine_for(instruction_set, 2);
      const auto whole = make_trainer(*engine, settings);
      iterate(*whole, 3);
      const auto saved = whole->state();
      const auto wanted = iterate(*whole, 3);

      const auto resumed = make_trainer(*engine, settings);
      resumed->restore(saved);
      EXPECT_TRUE(same_state(resumed->state(), saved));
      const auto got = iterate(*resumed, 3);
      EXPECT_TRUE(same_state(resumed->state(), whole->state())) << settings.task;
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].iteration, wanted[i].iteration);
        EXPECT_EQ(got[i].steps, wanted[i].steps);
        EXPECT_EQ(got[i]["episodes"], wanted[i]["episodes"]);
        EXPECT_EQ(got[i]["policy_loss"], wanted[i]["policy_loss"]);
        EXPECT_EQ(got[i]["learning_rate"], wanted[i]["learning_rate"]);
      }
    }
  });
}

TEST(Trainer, InitialScaleIsThatOfHiddenLayers) {
  const auto engine = engine_for(best_instruction_set(), 1);
  Settings settings = awkward_settings();
  settings.network.actor = settings.network.critic = {19};
  auto usual = make_trainer(*engine, settings)->state();
  settings.network.initial_scale = 0.5f;
  auto smaller = make_trainer(*engine, settings)->state();
  for (const auto& [name, factor] : {std::pair{"actor.0.weight", 0.5f},
                                     {"actor.1.weight", 1.0f},
                                     {"critic.0.weight", 0.5f},
                                     {"critic.1.weight", 1.0f}}) {
    SCOPED_TRACE(name);
    const std::vector<float> before = floats_of(find(usual, name)), after = floats_of(find(smaller, name));
    ASSERT_EQ(before.size(), after.size());
    for (std::size_t i = 0; i < before.size(); ++i) ASSERT_EQ(after[i], factor * before[i]) << i;
  }
}

TEST(Trainer, StateOfOtherSettingsIsRefused) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const Settings settings = awkward_settings();
  const auto state = make_trainer(*engine, settings)->state();
  const auto refusal = [&](Settings other, const std::vector<Tensor>& tensors) -> std::string {
    const auto trainer = make_trainer(*engine, other);
    try {
      trainer->restore(tensors);
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kBadInput);
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return "taken";
  };
  EXPECT_EQ(refusal(settings, state), "taken");
  Settings other = settings;
  other.network.actor = {33, 18};
  EXPECT_NE(refusal(other, state).find("actor.1.weight"), std::string::npos) << refusal(other, state);
  other = settings;
  other.network.critic = {20, 20};
  EXPECT_NE(refusal(other, state).find("critic."), std::string::npos) << refusal(other, state);
  other = settings;
  other.train.num_envs = 150;
  EXPECT_NE(refusal(other, state).find("environments"), std::string::npos) << refusal(other, state);
  EXPECT_NE(refusal(awkward_settings("cartpole-swingup"), state), "taken");
  for (std::size_t i = 0; i < state.size(); ++i) {
    auto missing = state;
    missing.erase(missing.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_NE(refusal(settings, missing).find("'" + state[i].name + "'"), std::string::npos) << state[i].name;
  }
  auto mistyped = state;
  find(mistyped, "control").type = Tensor::Type::kF32;
  EXPECT_NE(refusal(settings, mistyped).find("control"), std::string::npos);
}

/// Reports lie in so many slots; one iteration more would write over one that nobody has read.
TEST(Trainer, NoReportIsOverwritten) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const Settings settings = awkward_settings();
  const auto whole = make_trainer(*engine, settings);
  const auto wanted = iterate(*whole, kIterationsInFlight + 1);
  const auto trainer = make_trainer(*engine, settings);
  for (int i = 0; i < kIterationsInFlight; ++i) trainer->enqueue_iteration();
  try {
    trainer->enqueue_iteration();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("report of iteration 1"), std::string::npos) << error.what();
  }
  // The refusal has changed nothing: the reports are there, and the training goes on.
  Report report;
  for (int i = 0; i <= kIterationsInFlight; ++i) {
    ASSERT_TRUE(trainer->fetch_report(report, true));
    EXPECT_EQ(report.iteration, i + 1);
    EXPECT_EQ(report["policy_loss"], wanted[static_cast<std::size_t>(i)]["policy_loss"]);
    if (i == 0) trainer->enqueue_iteration();
  }
  EXPECT_FALSE(trainer->fetch_report(report, true));
  EXPECT_TRUE(same_state(trainer->state(), whole->state()));
}

TEST(Trainer, UnknownTaskIsRefused) {
  const auto engine = engine_for(best_instruction_set(), 1);
  TrainingRequest request = request_for(awkward_settings());
  TaskSpec unknown = *request.task;
  unknown.kernel = "pendulums";
  request.task = std::make_shared<const TaskSpec>(unknown);
  EXPECT_THROW(engine->make_trainer(request), Error);
}

TEST(Trainer, RolloutsBeyondTheIndexAreRefused) {
  const auto engine = engine_for(best_instruction_set(), 1);
  Settings settings = awkward_settings();
  settings.train.num_envs = 1 << 20;
  settings.train.horizon = 1 << 10;
  try {
    make_trainer(*engine, settings);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("train.horizon"), std::string::npos) << error.what();
  }
}

TEST(Trainer, WithoutNormalisationNothingIsLimited) {
  const auto engine = engine_for(best_instruction_set(), 1);
  Settings settings = awkward_settings();
  settings.network.normalise_observations = false;
  EXPECT_EQ(make_trainer(*engine, settings)->policy().observation_clip, std::numeric_limits<float>::max());
}

TEST(Trainer, AllocatesNothingAfterTheFirstIteration) {
#if STAMPEDE_COUNTS_ALLOCATIONS
  {
    const std::int64_t before = allocations.load();
    const auto probe = std::make_unique<std::vector<int>>(1000);
    ASSERT_GE(allocations.load() - before, 2) << "allocations are not counted";
  }
  for_each_instruction_set([](const std::string& instruction_set) {
    const auto engine = engine_for(instruction_set, 2);
    for (const Settings& settings : varied_settings()) {
      const auto trainer = make_trainer(*engine, settings);
      Report report;
      const auto once = [&] {
        trainer->enqueue_iteration();
        return trainer->fetch_report(report, true);
      };
      ASSERT_TRUE(once());
      const std::int64_t before = allocations.load();
      bool fetched = true;
      for (int i = 0; i < 5; ++i) fetched = once() && fetched;
      EXPECT_EQ(allocations.load() - before, 0) << settings.task;
      EXPECT_TRUE(fetched);
    }
  });
#else
  GTEST_SKIP() << "sanitizers have their own allocator";
#endif
}

TEST(Trainer, NonfiniteStatesAreCaughtCountedAndLeftBehind) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const Settings settings = awkward_settings();
  const auto trainer = make_trainer(*engine, settings);
  auto state = trainer->state();
  Tensor& environments = find(state, "environments");
  floats_in(environments)[17] = NAN;  // the angle of environment 17
  trainer->restore(state);
  for (const Report& report : iterate(*trainer, 3)) {
    EXPECT_EQ(report["nonfinite"], 1);
    EXPECT_TRUE(std::isfinite(report["policy_loss"]) && std::isfinite(report["gradient_norm"]));
  }
  for (Tensor& tensor : state = trainer->state()) {
    if (tensor.type != Tensor::Type::kF32 || tensor.name == "environments") continue;
    const std::size_t n = tensor.bytes.size() / 4;
    EXPECT_TRUE(std::all_of(floats_in(tensor), floats_in(tensor) + n, [](float x) { return std::isfinite(x); }))
        << tensor.name;
  }
}

/// Sets one environment's count in a state.
void set_count(std::vector<Tensor>& state, EnvironmentCount which, std::int64_t env, std::uint32_t value) {
  Tensor& counts = find(state, "environment_counts");
  std::memcpy(counts.bytes.data() + 4 * (which * counts.shape.at(1) + env), &value, sizeof value);
}

TEST(Trainer, CountsToTheLastOne) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const auto trainer = make_trainer(*engine, awkward_settings());
  auto state = trainer->state();
  // Beyond 2^24, where floats begin to leave numbers out, of one environment and of all together.
  set_count(state, kNonfinite, 3, (1u << 24) + 1);
  set_count(state, kNonfinite, 4, 0xfffffff0u);
  set_count(state, kOverSlots, 5, (1u << 24) + 3);
  floats_in(find(state, "environments"))[17] = NAN;
  trainer->restore(state);
  const Report report = iterate(*trainer, 1).at(0);
  EXPECT_EQ(report["nonfinite"], (std::int64_t{1} << 24) + 1 + 0xfffffff0u + 1);
  EXPECT_EQ(report["contacts_over_slots"], (std::int64_t{1} << 24) + 3);
}

/// In checkpoints of earlier builds the counts are rows of floats among the environments'.
TEST(Trainer, CheckpointsWithCountsAsFloatsLoad) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const Settings settings = awkward_settings();
  const auto trainer = make_trainer(*engine, settings);
  iterate(*trainer, 2);
  auto state = trainer->state();
  set_count(state, kNonfinite, 3, 5);
  trainer->restore(state);
  auto old = state;
  Tensor& environments = find(old, "environments");
  const auto row = static_cast<std::size_t>(environments.shape.at(1));
  const auto states = static_cast<std::size_t>(environments.shape.at(0) - 6) / 2;
  const auto counts = tensor_values<std::uint32_t>(state, "environment_counts", Tensor::Type::kU32, 3 * row);
  std::vector<float> values(floats_in(environments), floats_in(environments) + environments.bytes.size() / 4);
  const auto insert = [&](std::size_t at, EnvironmentCount which) {
    const auto from = counts.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(which) * row);
    values.insert(values.begin() + static_cast<std::ptrdiff_t>(at * row), from,
                  from + static_cast<std::ptrdiff_t>(row));
  };
  // age, return so far, whole, FINISHED, three sums of finished episodes, NONFINITE, OVER SLOTS
  insert(states + 3, kFinished);
  insert(states + 7, kNonfinite);
  insert(states + 8, kOverSlots);
  environments = make_tensor("environments", {environments.shape.at(0) + 3, environments.shape.at(1)}, values);
  std::erase_if(old, [](const Tensor& tensor) { return tensor.name == "environment_counts"; });
  const auto resumed = make_trainer(*engine, settings);
  resumed->restore(old);
  EXPECT_TRUE(same_state(resumed->state(), state));
  EXPECT_EQ(iterate(*resumed, 1).at(0)["nonfinite"], 5);
}

TEST(Trainer, ReportsWhatTheEnvironmentsDid) {
  const auto engine = engine_for(best_instruction_set(), 2);
  Settings settings = awkward_settings();
  settings.train.horizon = 100;
  settings.train.random_initial_phase = false;
  const auto trainer = make_trainer(*engine, settings);
  const auto reports =
      iterate(*trainer, 4);  // episodes of 200 steps: they end in the 2nd and 4th iteration, all at once
  for (const std::size_t i : {0u, 2u}) {
    EXPECT_EQ(reports[i]["episodes"], 0);
    EXPECT_TRUE(std::isnan(reports[i]["return_mean"]));
  }
  for (const std::size_t i : {1u, 3u}) {
    EXPECT_EQ(reports[i]["episodes"], settings.train.num_envs);
    EXPECT_EQ(reports[i]["episode_length_mean"], 200.0);
    EXPECT_GT(reports[i]["return_mean"], -1700.0);
    EXPECT_LT(reports[i]["return_mean"], -600.0) << "an untrained policy is not that good";
  }
  for (const Report& report : reports) {
    EXPECT_GT(report["seconds_rollout"], 0.0);
    EXPECT_GT(report["seconds_update"], 0.0);
    EXPECT_GT(report["action_std"], 0.0);
  }
  settings.train.random_initial_phase = true;
  const auto spread = iterate(*make_trainer(*engine, settings), 4);
  // The first episodes, which began at random ages, are not counted; the next end evenly spread.
  for (const std::size_t i : {2u, 3u}) EXPECT_NEAR(static_cast<double>(spread[i]["episodes"]), 50, 25);
  EXPECT_LE(spread[0]["episodes"] + spread[1]["episodes"], 5);
  EXPECT_EQ(spread[3]["episode_length_mean"], 200.0);
}

TEST(Trainer, PhasesMakeUpTheRollout) {
  const auto engine = engine_for(best_instruction_set(), 1);
  expect_phases(iterate(*make_trainer(*engine, awkward_settings()), 4), {"physics", "inference"});
  expect_phases(iterate(*make_trainer(*engine, walking_settings()), 4), {"physics", "inference"});
  const Settings seeing = seeing_settings({"symmetry.mirror=false"});
  expect_phases(iterate(*make_trainer(*engine, seeing), 4), {"physics", "pictures", "inference"});
}

TEST(Trainer, LinearScheduleEndsAtZero) {
  const auto engine = engine_for(best_instruction_set(), 1);
  Settings settings = awkward_settings();
  settings.algorithm.schedule = "linear";
  settings.algorithm.learning_rate = 1e-3f;
  settings.train.iterations = 4;
  const auto trainer = make_trainer(*engine, settings);
  const auto reports = iterate(*trainer, 5);
  for (int i = 0; i < 5; ++i)
    EXPECT_NEAR(reports[static_cast<std::size_t>(i)]["learning_rate"], 1e-3 * (4 - i) / 4, 1e-9);
}

#ifdef STAMPEDE_PARITY
// Without contraction every pack width rounds alike: not one bit of the weights depends on the processor.
TEST(Trainer, ParityOfAllInstructionSets) {
  std::set<std::uint64_t> all;
  for (const Settings& settings : varied_settings()) {
    std::set<std::uint64_t> hashes;
    for_each_instruction_set([&](const std::string& instruction_set) {
      const auto engine = engine_for(instruction_set, 2);
      const auto trainer = make_trainer(*engine, settings);
      iterate(*trainer, 3);
      hashes.insert(hash_of_parameters(trainer->state()));
    });
    EXPECT_EQ(hashes.size(), 1u) << settings.task;
    all.insert(hashes.begin(), hashes.end());
  }
  EXPECT_EQ(all.size(), varied_settings().size()) << "the hash sees the settings";
}
#endif

/// A pendulum strong enough to be lifted in one go, which takes a fraction of a second to learn.
Settings easy_settings() {
  Settings settings;
  settings.train.num_envs = 128;
  settings.train.horizon = 25;
  settings.train.iterations = 100;
  settings.algorithm.gamma = 0.9f;
  settings.algorithm.learning_rate = 1e-2f;
  settings.algorithm.schedule = "fixed";
  settings.algorithm.clip_value = false;
  settings.network.actor = settings.network.critic = {32};
  settings.network.activation = "tanh";
  settings.environment = {10.0f, 1.0f, 1.0f, 0.05f, 20.0f, 8.0f};
  return settings;
}

/// Returns of the deterministic policy before and after a training.
std::pair<double, double> learn(const Settings& settings) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto trainer = make_trainer(*engine, settings);
  EvaluationRequest request;
  request.task = plan_task(settings).spec;
  request.seed = 1001;
  const double before = engine->evaluate(request, trainer->policy()).return_mean;
  iterate(*trainer, settings.train.iterations);
  return {before, engine->evaluate(request, trainer->policy()).return_mean};
}

// Suites named Slow stay out of the sanitizers' runs.
TEST(TrainerSlow, LearnsThePendulum) {
  Settings settings;
  settings.train.num_envs = 512;
  settings.train.horizon = 25;
  settings.train.iterations = 50;
  settings.algorithm.minibatch = 2048;
  settings.algorithm.epochs = 4;
  settings.algorithm.gamma = 0.96f;
  settings.algorithm.gae_lambda = 0.9f;
  settings.algorithm.learning_rate = 6e-3f;
  settings.algorithm.target_kl = 0.015f;
  settings.network.actor = settings.network.critic = {32, 32};
  settings.network.activation = "silu";
  settings.network.initial_std = 0.7f;
  const auto [before, after] = learn(settings);
  EXPECT_LT(before, -900.0);
  EXPECT_GT(after, -250.0);
}

TEST(TrainerSlow, EveryMemberOfTheFamilyLearns) {
  for (const char* advantage : {"return", "return_baseline", "td", "gae"}) {
    for (const char* surrogate : {"log_prob", "clipped_ratio"}) {
      Settings settings = easy_settings();
      settings.algorithm.advantage = advantage;
      settings.algorithm.surrogate = surrogate;
      // -A log pi is the policy's gradient only for samples of the policy as it is: one step a rollout.
      const bool reuses = settings.algorithm.surrogate == "clipped_ratio";
      settings.algorithm.epochs = reuses ? 3 : 1;
      settings.algorithm.minibatch = reuses ? 1000 : 1 << 20;
      if (settings.algorithm.advantage == "td") {
        // Without a trace the policy learns nothing before the critic does.
        settings.algorithm.learning_rate = 3e-3f;
        settings.train.iterations = 400;
      }
      const auto [before, after] = learn(settings);
      EXPECT_GT(after, 0.5 * before) << advantage << ", " << surrogate << ": from " << before << " to " << after;
    }
  }
}

}  // namespace
}  // namespace stampede::testing
