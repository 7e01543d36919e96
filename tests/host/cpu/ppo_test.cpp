/// \file What PPO makes of a rollout, given by hand: the learning rate, images in the mirror, what does not fit a float.

#include "host/learn/ppo.hpp"
#include "tests/modules/leaky_integrator.hpp"
#include "tests/plain_task.hpp"

#include "host/cpu/backend.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

constexpr int kObservations = 5, kActions = 3;
constexpr Index kEnvs = 16, kHorizon = 15;

TrainingRequest small_request() {
  TrainingRequest request;
  request.task = std::make_shared<const TaskSpec>(test::plain_task(kObservations, kActions));
  request.train.num_envs = static_cast<int>(kEnvs);
  request.train.horizon = static_cast<int>(kHorizon);
  request.algorithm.minibatch = 60;
  request.algorithm.epochs = 2;
  request.algorithm.schedule = "adaptive";
  request.algorithm.learning_rate = 1e-3f;
  request.network.actor = request.network.critic = {8};
  return request;
}

/// A rollout of random numbers, as a policy of mean 0 and deviation 1 would have drawn them.
struct Rollout {
  static constexpr Index kRows = kEnvs * kHorizon;
  std::vector<float> observation = random_floats(kRows * kObservations, -1, 1, 1);
  std::vector<float> output = random_floats(kRows * kActions, -2, 2, 2), mean = floats(kRows * kActions);
  std::vector<float> log_std = floats(kActions), log_prob = floats(kRows), value = random_floats(kRows, -1, 1, 3);
  std::vector<float> advantage = random_floats(kRows, -1, 1, 4), returns = random_floats(kRows, -1, 1, 5);

  Rollout() {
    for (Index row = 0; row < kRows; ++row) {
      for (int a = 0; a < kActions; ++a) {
        const float u = output[row * kActions + a];
        log_prob[row] -= 0.5f * u * u + kLogSqrtTwoPi;
      }
    }
  }
  RolloutView view() const {
    return {observation.data(), nullptr,      output.data(),    mean.data(),   log_std.data(),
            log_prob.data(),    value.data(), advantage.data(), returns.data()};
  }
};

struct Subject {
  CpuBackend backend{2};
  Ppo<CpuBackend> learner;

  explicit Subject(const TrainingRequest& request) : learner(backend, request, {kEnvs, kEnvs, kHorizon}) {}

  /// One iteration's update; the learning rate after it.
  float update(const Rollout& rollout) {
    learner.begin_iteration();
    learner.update(rollout.view());
    learner.end_iteration();
    return learner.read_control().learning_rate;
  }
  bool finite() {
    std::vector<Tensor> tensors;
    learner.save(tensors);
    for (const Tensor& tensor : tensors) {
      if (tensor.type != Tensor::Type::kF32) continue;
      for (std::size_t i = 0; i < tensor.bytes.size() / 4; ++i) {
        float x;
        std::memcpy(&x, tensor.bytes.data() + 4 * i, 4);
        if (!std::isfinite(x)) return false;
      }
    }
    return true;
  }
};

TEST(Ppo, TheFirstMinibatchLeavesTheRateAlone) {
  TrainingRequest request = small_request();
  request.algorithm.epochs = 1;
  request.algorithm.minibatch = 1 << 20;
  Subject once(request);
  // Nothing has moved when the one step is taken, which says nothing of how long it ought to be.
  EXPECT_EQ(once.update({}), request.algorithm.learning_rate);
  EXPECT_EQ(once.update({}), request.algorithm.learning_rate);
  // From the second on the policy has hardly moved, and the steps grow.
  request.algorithm.epochs = 3;
  request.algorithm.learning_rate = 1e-5f;
  Subject thrice(request);
  EXPECT_FLOAT_EQ(thrice.update({}), request.algorithm.learning_rate * 1.5f * 1.5f);
}

TEST(Ppo, ARatioThatOverflowsLowersTheRateAndNothingElse) {
  for (const float moved : {1e3f, 1e25f}) {  // the square of the latter is infinite
    Rollout rollout;
    for (float& x : rollout.log_prob) x -= 500.0f;
    for (float& x : rollout.mean) x += moved;
    const TrainingRequest request = small_request();
    Subject subject(request);
    const float rate = subject.update(rollout);
    EXPECT_TRUE(subject.finite());
    EXPECT_NEAR(rate, request.algorithm.learning_rate / std::pow(1.5f, 7.0f), 1e-8f) << "all but the first of 8";
    const Control control = subject.learner.read_control();
    EXPECT_TRUE(std::isfinite(control.policy_loss) && std::isfinite(control.value_loss) &&
                std::isfinite(control.gradient_norm));
  }
}

/// What all advantages have in common changes nothing, as far as their floats still tell them apart.
TEST(Ppo, LargeAdvantagesKeepTheirDigits) {
  const auto learnt = [&](float shift) {
    Rollout rollout;
    for (float& x : rollout.advantage) x = std::round(x * 64.0f) / 64.0f + shift;  // exact in both cases
    Subject subject(small_request());
    subject.update(rollout);
    std::vector<Tensor> tensors;
    subject.learner.save(tensors);
    const auto weight =
        std::find_if(tensors.begin(), tensors.end(), [](const Tensor& t) { return t.name == "actor.0.weight"; });
    std::vector<float> values(weight->bytes.size() / 4);
    std::memcpy(values.data(), weight->bytes.data(), weight->bytes.size());
    return values;
  };
  const auto small = learnt(0.0f), large = learnt(65536.0f);
  ASSERT_EQ(small.size(), large.size());
  for (std::size_t i = 0; i < small.size(); ++i) EXPECT_NEAR(small[i], large[i], 1e-4f);
}

TEST(Ppo, LargeReturnsKeepTheirVariance) {
  Rollout rollout;
  double sum = 0, squares = 0;
  for (Index row = 0; row < Rollout::kRows; ++row) {
    sum += static_cast<double>(rollout.returns[row]);
    squares += static_cast<double>(rollout.returns[row]) * static_cast<double>(rollout.returns[row]);
    rollout.returns[row] += 3000.0f;
    rollout.advantage[row] = rollout.returns[row];
  }
  const double n = static_cast<double>(Rollout::kRows), variance = squares / n - sum / n * (sum / n);
  Subject subject(small_request());
  subject.update(rollout);
  const float* sums = subject.learner.own_numbers();
  for (const int column : {0, 1}) {
    const double mean = static_cast<double>(sums[2 * column]) / n;
    EXPECT_NEAR((static_cast<double>(sums[2 * column + 1]) / n - mean * mean) / variance, 1.0, 1e-3);
  }
  EXPECT_NEAR(static_cast<double>(subject.learner.read_control().values.variance) / variance, 1.0, 1e-3);
  EXPECT_NEAR(static_cast<double>(subject.learner.read_control().values.mean), 3000.0 + sum / n, 1e-3);
}

/// A task whose mirror turns the signs of everything.
std::shared_ptr<const TaskSpec> mirrored_task() {
  auto task = std::make_shared<TaskSpec>(test::plain_task(kObservations, kActions));
  const auto all = [](int size) {
    MirrorMap map;
    for (int i = 0; i < size; ++i) {
      map.place.push_back(i);
      map.sign.push_back(-1.0f);
    }
    return map;
  };
  task->mirror.policy = all(kObservations);
  task->mirror.action = all(kActions);
  return task;
}

TEST(Ppo, AStateHasNoMirrorImage) {
  register_network_module<test::LeakyIntegrator, CpuBackend>("leaky_integrator");
  TrainingRequest request = small_request();
  request.network.modules = {"leaky_integrator", "dense"};
  EXPECT_NO_THROW(Subject{request});
  request.task = mirrored_task();
  try {
    Subject{request};
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("symmetry.mirror = true"), std::string::npos) << error.what();
  }
}

/// With 15 environments a rank, the second rank's are mirrored in the passes in which the first one's are not.
TEST(Ppo, RanksMirrorTheEnvironmentsThatOneProcessWould) {
  const Rollout rollout;
  std::vector<std::uint32_t> order(static_cast<std::size_t>(Rollout::kRows) + 2 * kMaxLanes);
  for (std::size_t i = 0; i < static_cast<std::size_t>(Rollout::kRows); ++i) order[i] = static_cast<std::uint32_t>(i);
  const auto gradient = [&](int rank, int epoch) {
    TrainingRequest request = small_request();
    request.algorithm.minibatch = static_cast<int>(Rollout::kRows);
    request.task = mirrored_task();
    request.rank = {rank, 2};
    CpuBackend backend(1);
    Ppo<CpuBackend> learner(backend, request, {15, kEnvs, kHorizon});
    learner.sum_advantages(rollout.view(), order.data(), {15 * kHorizon, 1, 1});
    learner.compute_gradient(rollout.view(), {order.data(), 15 * kHorizon, 0}, epoch);
    return learner.read_gradient().front().values;
  };
  EXPECT_NE(gradient(0, 0), gradient(0, 1));
  EXPECT_EQ(gradient(1, 0), gradient(0, 1));
  EXPECT_EQ(gradient(1, 1), gradient(0, 0));
}

/// With an odd number of passes to an iteration, those that were mirrored once more than the others are mirrored once less in the
/// next.
TEST(Ppo, ImagesTakeTurnsOverIterations) {
  for (const int epochs : {4, 5}) {
    TrainingRequest request = small_request();
    request.algorithm.epochs = epochs;
    request.algorithm.minibatch = static_cast<int>(Rollout::kRows);
    request.task = mirrored_task();
    Subject subject(request);
    const Rollout rollout;
    std::vector<std::uint32_t> order(static_cast<std::size_t>(Rollout::kRows) + 2 * kMaxLanes);
    for (std::size_t i = 0; i < static_cast<std::size_t>(Rollout::kRows); ++i) order[i] = static_cast<std::uint32_t>(i);
    const auto gradient = [&](std::uint32_t iteration, int epoch) {
      Control control = subject.learner.read_control();
      control.iteration = iteration;
      subject.learner.set_control(control);
      subject.learner.sum_advantages(rollout.view(), order.data(), {Rollout::kRows, 1, 1});
      subject.learner.compute_gradient(rollout.view(), {order.data(), Rollout::kRows, 0}, epoch);
      return subject.learner.read_gradient().front().values;
    };
    const auto one = gradient(0, 0), other = gradient(0, 1);
    EXPECT_NE(one, other);
    for (std::uint32_t iteration = 0; iteration < 4; ++iteration) {
      for (int epoch = 0; epoch < epochs; ++epoch) {
        const bool odd = (static_cast<int>(iteration) * epochs + epoch) % 2 == 1;
        EXPECT_EQ(gradient(iteration, epoch), odd ? other : one) << iteration << ", " << epoch << " of " << epochs;
      }
    }
  }
}

}  // namespace
}  // namespace stampede::testing
