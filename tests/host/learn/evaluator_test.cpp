/// \file Evaluations: the fixed protocol, its trace, and the policy's formula written out in double precision.

#include <algorithm>
#include <cmath>

#include "kernels/control.hpp"
#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

/// A policy that training has moved away from its start, normaliser included.
Policy some_policy(Engine& engine, const std::string& task) {
  Settings settings = awkward_settings(task);
  settings.network.initial_std = 0.5f;
  const auto trainer = make_trainer(engine, settings);
  iterate(*trainer, 4);
  Policy policy = trainer->policy();
  std::vector<DenseLayer> layers = policy.layers();
  for (DenseLayer& layer : layers) {
    for (float& w : layer.weight) w *= 2.0f;  // so that actions are not all near 0
  }
  policy.set_layers(layers);
  return policy;
}

EvaluationRequest evaluation_of(const std::string& task, int episodes) {
  EvaluationRequest request;
  request.task = plan_task(awkward_settings(task)).spec;
  request.episodes = episodes;
  request.trace = true;
  return request;
}

/// The formula of host/engine/policy.hpp.
std::vector<double> formula(const Policy& policy, const float* observation) {
  std::vector<double> x;
  for (int i = 0; i < policy.observations(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    const double normal = (static_cast<double>(observation[i]) - static_cast<double>(policy.observation_mean[k])) *
                          static_cast<double>(inverse_deviation(policy.observation_variance[k]));
    const double limit = static_cast<double>(policy.observation_clip);
    x.push_back(std::clamp(normal, -limit, limit));
  }
  const std::vector<DenseLayer> layers = policy.layers();
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const DenseLayer& layer = layers[l];
    std::vector<double> y;
    for (int o = 0; o < layer.outputs; ++o) {
      double sum = static_cast<double>(layer.bias[static_cast<std::size_t>(o)]);
      for (int i = 0; i < layer.inputs; ++i) {
        sum += static_cast<double>(layer.weight[static_cast<std::size_t>(o * layer.inputs + i)]) *
               x[static_cast<std::size_t>(i)];
      }
      y.push_back(l + 1 < layers.size() && sum < 0 ? std::expm1(sum) : sum);
    }
    x = y;
  }
  for (std::size_t a = 0; a < x.size(); ++a) {
    x[a] = std::clamp(static_cast<double>(policy.action_centre[a]) + static_cast<double>(policy.action_scale[a]) * x[a],
                      static_cast<double>(policy.action_low[a]), static_cast<double>(policy.action_high[a]));
  }
  return x;
}

TEST(Evaluator, ActionsAreThePolicysFormula) {
  for_each_instruction_set([](const std::string& instruction_set) {
    const auto engine = engine_for(instruction_set, 2);
    for (const char* task : {"pendulum", "cartpole-swingup", "double-pendulum"}) {
      Policy policy = some_policy(*engine, task);
      policy.observation_clip = 0.7f;  // the policy's own limit counts, not training's
      Evaluation evaluation = engine->evaluate(evaluation_of(task, 3), policy);
      Tensor& observation = find(evaluation.trace, "observation");
      Tensor& action = find(evaluation.trace, "action");
      const std::int64_t rows = observation.shape[0] * observation.shape[1];
      double worst = 0;
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto want = formula(policy, floats_in(observation) + row * policy.observations());
        for (int a = 0; a < policy.actions(); ++a) {
          const double got = static_cast<double>(floats_in(action)[row * policy.actions() + a]);
          const double error = std::fabs(got - want[static_cast<std::size_t>(a)]);
          if (!(error <= worst)) worst = std::isnan(error) ? HUGE_VAL : error;
        }
      }
      EXPECT_LE(worst, 1e-5) << task;
    }
  });
}

TEST(Evaluator, TraceAddsUp) {
  const auto engine = engine_for(best_instruction_set(), 2);
  for (const int episodes : {1, 33}) {
    const Policy policy = some_policy(*engine, "pendulum");
    Evaluation e = engine->evaluate(evaluation_of("pendulum", episodes), policy);
    const std::int64_t n = episodes;
    EXPECT_EQ(find(e.trace, "observation").shape, (std::vector<std::int64_t>{200, n, 3}));
    EXPECT_EQ(find(e.trace, "action").shape, (std::vector<std::int64_t>{200, n, 1}));
    EXPECT_EQ(find(e.trace, "state").shape, (std::vector<std::int64_t>{200, n, 2}));
    EXPECT_EQ(find(e.trace, "reward").shape, (std::vector<std::int64_t>{200, n}));
    EXPECT_EQ(find(e.trace, "active").shape, (std::vector<std::int64_t>{200, n}));
    EXPECT_EQ(e.episodes, episodes);
    EXPECT_NEAR(e.episode_length_mean, 200.0, 1e-9);
    EXPECT_EQ(e.steps, 200 * n);
    EXPECT_EQ(e.nonfinite, 0);
    const float *reward = floats_in(find(e.trace, "reward")), *active = floats_in(find(e.trace, "active"));
    const float *state = floats_in(find(e.trace, "state")), *observation = floats_in(find(e.trace, "observation"));
    double mean = 0;
    for (std::int64_t env = 0; env < n; ++env) {
      double sum = 0;
      for (std::int64_t t = 0; t < 200; ++t) {
        const std::int64_t at = t * n + env;
        EXPECT_EQ(active[at], 1.0f);
        sum += static_cast<double>(reward[at] * active[at]);
        // The state is the one that was observed.
        ASSERT_NEAR(std::cos(state[2 * at]), observation[3 * at], 1e-6f);
        ASSERT_EQ(state[2 * at + 1], observation[3 * at + 2]);
      }
      EXPECT_NEAR(sum, e.returns[static_cast<std::size_t>(env)], 1e-2);
      mean += sum / static_cast<double>(n);
    }
    EXPECT_NEAR(mean, e.return_mean, 1e-2);
    if (episodes == 1) {
      EXPECT_EQ(e.return_std, 0.0);
    } else {
      EXPECT_GT(e.return_std, 0.0);
    }
  }
}

TEST(Evaluator, TheSameForAnyThreadsAndWithoutATrace) {
  const std::string instruction_set = best_instruction_set();
  const Policy policy = some_policy(*engine_for(instruction_set, 1), "double-pendulum");
  std::vector<double> first;
  for (const int threads : {1, 2, 3}) {
    for (const bool trace : {true, false}) {
      EvaluationRequest request = evaluation_of("double-pendulum", 65);
      request.trace = trace;
      const auto returns = engine_for(instruction_set, threads)->evaluate(request, policy).returns;
      if (first.empty()) first = returns;
      EXPECT_EQ(returns, first) << threads << " threads";
    }
  }
  EvaluationRequest request = evaluation_of("double-pendulum", 65);
  request.seed = 2;
  EXPECT_NE(engine_for(instruction_set, 1)->evaluate(request, policy).returns, first);
}

TEST(Evaluator, FirstEpisodesDoNotDependOnHowManyFollow) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const Policy policy = some_policy(*engine, "pendulum");
  const auto few = engine->evaluate(evaluation_of("pendulum", 5), policy).returns;
  const auto many = engine->evaluate(evaluation_of("pendulum", 200), policy).returns;
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
}

TEST(Evaluator, ParametersOfTheTaskCount) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const Policy policy = some_policy(*engine, "pendulum");
  EvaluationRequest request = evaluation_of("pendulum", 5);
  const auto plain = engine->evaluate(request, policy).returns;
  TaskSpec task = *request.task;
  task.parameters = {10.0f, 1.0f, 1.0f, 0.05f, 2.0f, 8.0f};
  request.task = std::make_shared<const TaskSpec>(task);
  EXPECT_EQ(engine->evaluate(request, policy).returns, plain) << "the defaults";
  task.parameters[0] = 1.0f;
  request.task = std::make_shared<const TaskSpec>(task);
  EXPECT_NE(engine->evaluate(request, policy).returns, plain);
}

/// At half the control rate and a step late: what is seen is what was measured then, and the environments go on as they did.
TEST(Evaluator, AGroupAtHalfTheRateWithADelaySeesEarlierReadings) {
  for_each_instruction_set([](const std::string& instruction_set) {
    const auto engine = engine_for(instruction_set, 2);
    Settings settings = awkward_settings("pendulum");
    EvaluationRequest request = evaluation_of("pendulum", 37);
    Policy policy = some_policy(*engine, "pendulum");
    // Deaf, so that what it sees changes nothing.
    std::vector<DenseLayer> layers = policy.layers();
    for (DenseLayer& layer : layers) std::fill(layer.weight.begin(), layer.weight.end(), 0.0f);
    policy.set_layers(layers);
    Evaluation plain = engine->evaluate(request, policy);
    settings.policy_observation = {2, 1, 1};
    request.task = plan_task(settings).spec;
    EXPECT_EQ(request.task->policy().every, 2);
    Evaluation late = engine->evaluate(request, policy);
    EXPECT_EQ(late.returns, plain.returns);
    const float *measured = floats_in(find(plain.trace, "observation")),
                *seen = floats_in(find(late.trace, "observation"));
    const int episodes = 37, width = 3, steps = request.task->max_steps;
    for (int t = 0; t < steps; ++t) {
      const int taken = t == 0 ? 0 : (t - 1) / 2 * 2;
      for (int i = 0; i < episodes * width; ++i) {
        ASSERT_EQ(seen[t * episodes * width + i], measured[taken * episodes * width + i]) << "step " << t;
      }
    }
    // Two readings side by side: the row before is the older half.
    settings.policy_observation = {1, 0, 2};
    request.task = plan_task(settings).spec;
    ASSERT_EQ(request.task->policy().size(), 6);
    EXPECT_EQ(request.task->policy().names[0], "cos_angle@-1");
    EXPECT_EQ(request.task->policy().names[3], "cos_angle");
    EXPECT_THROW(engine->evaluate(request, policy), Error) << "it was trained with one";
  });
}

TEST(Evaluator, APolicyThatDoesNotFitIsRefused) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const Policy policy = some_policy(*engine, "pendulum");
  EXPECT_THROW(engine->evaluate(evaluation_of("cartpole-swingup", 1), policy), Error);
  EvaluationRequest request = evaluation_of("pendulum", 1);
  TaskSpec unknown = *request.task;
  unknown.kernel = "no-such-task";
  request.task = std::make_shared<const TaskSpec>(unknown);
  EXPECT_THROW(engine->evaluate(request, policy), Error);
}

TEST(Evaluator, RandomDrivingCountsItsSteps) {
  for_each_instruction_set([](const std::string& instruction_set) {
    const auto engine = engine_for(instruction_set, 2);
    Settings settings = awkward_settings("pendulum");
    const EnvironmentBenchmark bench =
        engine->bench_environment({plan_task(settings).spec, settings.train.num_envs, settings.seed, 0.01});
    EXPECT_GT(bench.seconds, 0.0);
    EXPECT_GT(bench.steps, 0);
    EXPECT_EQ(bench.steps % settings.train.num_envs, 0);
    EXPECT_EQ(bench.nonfinite, 0);
    // Not counted are those under way at the start and the end; counted, but no steps, those of the warm-up.
    EXPECT_LE(bench.episodes, bench.steps / 200 + 4 * settings.train.num_envs);
    EXPECT_GE(bench.episodes, bench.steps / 200 - 2 * settings.train.num_envs);
  });
}

}  // namespace
}  // namespace stampede::testing
