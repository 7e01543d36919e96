/// \file Two ranks whose rollouts are the same learn what one of them would learn alone: all that leaves a rank is summed over
/// the ranks, and all that sums are divided by counts every rank. The other rank is played by doubling what the one gives away.

#include "host/engine/communicator.hpp"

#include <cmath>
#include <map>
#include <tuple>

#include "envs/pendulum/pendulum.hpp"
#include "host/cpu/backend.hpp"
#include "host/learn/ppo.hpp"
#include "host/learn/trainer.hpp"
#include "host/task/planned_task.hpp"
#include "host/task/settings_io.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

/// What was asked of a communicator: operation, number of values, of which exchange.
using Call = std::tuple<std::string, Index, Exchange>;

/// As if a second rank gave away the same.
class Twin final : public Communicator<CpuBackend> {
 public:
  explicit Twin(std::vector<Call>& calls) : calls_(calls) {}

  int ranks() const override { return 2; }
  void sum(CpuBackend&, float* values, Index count, Exchange what) override {
    calls_.emplace_back("sum", count, what);
    for (Index i = 0; i < count; ++i) values[i] *= 2.0f;
  }
  void sum(CpuBackend&, std::uint64_t* values, Index count, Exchange what) override {
    calls_.emplace_back("sum of counts", count, what);
    for (Index i = 0; i < count; ++i) values[i] *= 2;
  }
  void maximum(CpuBackend&, float*, Index count, Exchange what) override {
    calls_.emplace_back("maximum", count, what);
  }
  void broadcast(CpuBackend&, float*, Index count, Exchange what) override {
    calls_.emplace_back("broadcast", count, what);
  }

 private:
  std::vector<Call>& calls_;
};

/// Another rank whose violations are larger.
class Violator final : public Communicator<CpuBackend> {
 public:
  int ranks() const override { return 2; }
  void sum(CpuBackend&, float*, Index, Exchange) override {}
  void sum(CpuBackend&, std::uint64_t*, Index, Exchange) override {}
  void maximum(CpuBackend&, float* values, Index count, Exchange) override {
    for (Index i = 0; i < count; ++i) values[i] = std::max(values[i], 4.0f);
  }
  void broadcast(CpuBackend&, float*, Index, Exchange) override {}
};

TrainingRequest pendulum_request() {
  [[maybe_unused]] static const bool registered =
      register_environments<CpuBackend>(TaskList<Pendulum>{}) && register_algorithm<Ppo, CpuBackend>("policy_gradient");
  SettingsSources sources;
  sources.set = {"task=pendulum",
                 "seed=5",
                 "train.num_envs=37",
                 "train.horizon=40",
                 "train.iterations=4",
                 "train.random_initial_phase=false",
                 "algorithm.minibatch=500",
                 "algorithm.epochs=2",
                 "algorithm.schedule=adaptive",
                 "algorithm.entropy_coefficient=0.01",
                 "network.actor=[16]",
                 "network.critic=[16]",
                 "network.normalise_observations=true",
                 "network.normalise_values=true"};
  return training_request(plan_task(resolve_settings(sources)));
}

/// The floats of a training's state, by name.
std::map<std::string, std::vector<float>> floats_of_state(Stage& trainer) {
  std::map<std::string, std::vector<float>> all;
  for (const Tensor& tensor : trainer.state()) {
    if (tensor.type != Tensor::Type::kF32) continue;
    std::vector<float>& values = all[tensor.name];
    values.resize(tensor.bytes.size() / sizeof(float));
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  }
  return all;
}

std::unique_ptr<CpuBackend> backend_with(std::unique_ptr<Communicator<CpuBackend>> communicator) {
  auto backend = std::make_unique<CpuBackend>(1);
  backend->set_communicator(std::move(communicator));
  return backend;
}

TEST(Communicator, TwoRanksThatAreAlikeLearnWhatOneDoes) {
  const TrainingRequest request = pendulum_request();
  std::vector<Call> calls, of_first;
  TaskTrainer<CpuBackend> one(std::make_unique<CpuBackend>(1), request);
  TaskTrainer<CpuBackend> two(backend_with(std::make_unique<Twin>(calls)), request);
  const auto metric = [](const Report& report, const std::string& name) {
    const double value = report[name];
    EXPECT_FALSE(std::isnan(value)) << name;
    return value;
  };
  // Long enough for episodes of 200 steps to end.
  for (int iteration = 0; iteration < 6; ++iteration) {
    calls.clear();
    Report a, b;
    for (const auto& [trainer, report] : {std::pair(&one, &a), std::pair(&two, &b)}) {
      trainer->enqueue_iteration();
      ASSERT_TRUE(trainer->fetch_report(*report, true));
    }
    EXPECT_EQ(b.steps, 2 * a.steps);
    EXPECT_EQ(a.count("episodes"), iteration == 4 ? 37 : 0);
    EXPECT_EQ(b.count("episodes"), 2 * a.count("episodes"));
    std::vector<std::string> names = {"policy_loss",   "value_loss",        "kl", "clip_fraction", "gradient_norm",
                                      "learning_rate", "explained_variance"};
    if (iteration == 4) names.insert(names.end(), {"return_mean", "episode_length_mean"});
    for (const std::string& name : names) {
      const double wanted = metric(a, name);
      EXPECT_NEAR(metric(b, name), wanted, 1e-4 * (std::fabs(wanted) + 1e-3)) << name;
    }
    EXPECT_GT(metric(a, "gradient_norm"), 0.0);
    // Ranks call in the same order, in every iteration.
    if (iteration == 0) of_first = calls;
    EXPECT_TRUE(calls == of_first);
  }
  const auto a = floats_of_state(one), b = floats_of_state(two);
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, values] : a) {
    ASSERT_EQ(b.at(name).size(), values.size()) << name;
    const float factor = name == "observation_count" ? 2.0f : 1.0f;
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(b.at(name)[i], factor * values[i], 1e-4f * (std::fabs(factor * values[i]) + 1e-3f)) << name;
    }
  }
}

TEST(Communicator, WhatLeavesARankInAnIteration) {
  TrainingRequest request = pendulum_request();
  std::vector<Call> calls;
  TaskTrainer<CpuBackend> trainer(backend_with(std::make_unique<Twin>(calls)), request);
  const std::vector<Call> at_the_start = {{"broadcast", 3, Exchange::kMoments}, {"sum", 6, Exchange::kMoments}};
  EXPECT_TRUE(calls == at_the_start);
  calls.clear();
  trainer.enqueue_iteration();
  // Returns and advantages: their means, then their moments about them.
  std::vector<Call> wanted = {{"sum", 2, Exchange::kMoments}, {"sum", 4, Exchange::kMoments}};
  // 37 x 40 samples in three minibatches, twice; the parameters are as many as the call says.
  ASSERT_GT(calls.size(), 3u);
  const Index parameters = std::get<Index>(calls[3]);
  EXPECT_GT(parameters, 3 * 16 + 16 + 16 + 1);
  for (int pass = 0; pass < 2; ++pass) {
    wanted.emplace_back("sum", 2 * 3, Exchange::kMoments);
    for (int minibatch = 0; minibatch < 3; ++minibatch) {
      wanted.insert(wanted.end(),
                    {{"sum", parameters, Exchange::kGradient}, {"sum", kLossColumns + 1, Exchange::kGradient}});
    }
  }
  const Index totals = kEnvironmentTotals + request.task->metric_rows;
  wanted.insert(wanted.end(), {{"sum", 6, Exchange::kMoments},
                               {"sum", totals, Exchange::kStatistics},
                               {"sum of counts", kEnvironmentCounts, Exchange::kStatistics}});
  EXPECT_TRUE(calls == wanted);
}

TEST(Communicator, ViolationsAreScaledByTheLargestOfAllRanks) {
  const RolloutShape shape{1, padded(1), 1};
  ConstraintsSpec spec;
  spec.list = {{"torque", "soft", 1.0f, 0, 1}};
  spec.columns = {{1.0f, 0.0f, 1.0f}};
  const Control control{};
  std::vector<Call> calls;
  struct Result {
    float soft_termination, violated;
  };
  const auto with = [&](std::unique_ptr<Communicator<CpuBackend>> communicator) {
    const auto backend = backend_with(std::move(communicator));
    Constraints<CpuBackend> constraints(*backend, spec, shape, 10);
    constraints.violation(0)[0] = 2.0f;
    const float delta = constraints.apply(*backend, &control)[0];
    return Result{delta, constraints.totals()[0]};
  };
  EXPECT_FLOAT_EQ(with(std::make_unique<SingleProcess<CpuBackend>>()).soft_termination, 1.0f) << "it is the largest";
  EXPECT_FLOAT_EQ(with(std::make_unique<Violator>()).soft_termination, 0.5f) << "half of the other rank's";
  EXPECT_FLOAT_EQ(with(std::make_unique<Twin>(calls)).violated, 2.0f) << "one violated step on each rank";
}

}  // namespace
}  // namespace stampede::testing
