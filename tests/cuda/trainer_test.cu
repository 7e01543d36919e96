/// \file Whole trainings on the GPU.
#include "cuda/module/engine.cuh"
#include "host/task/planned_task.hpp"
#include "tests/cuda/testing.cuh"
#include "tests/modules/leaky_integrator.hpp"

namespace stampede::testing {
namespace {

class CudaTraining : public GpuTest {
 protected:
  static constexpr const char* kInBf16 = "network.precision=bf16";

  /// The task's own settings, but for what is set here.
  static Settings settings_of(const std::string& task, const std::vector<std::string>& set = {}) {
    SettingsSources sources;
    sources.flags = {{"task", task, "--task"}};
    sources.set = set;
    return resolve_settings(sources);
  }
  static Settings small(const std::string& task = "pendulum") {
    return settings_of(task, {"train.num_envs=100", "train.horizon=12", "train.iterations=20",
                              "algorithm.minibatch=500", "network.actor=[33, 20]", "network.critic=[24]"});
  }

  static Report iterate(Stage& trainer) {
    Report report;
    trainer.enqueue_iteration();
    EXPECT_TRUE(trainer.fetch_report(report, true));
    return report;
  }

  static void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].name, b[i].name);
      EXPECT_EQ(a[i].bytes, b[i].bytes) << a[i].name;
    }
  }
};

[[maybe_unused]] const bool leaky = register_network_module<test::LeakyIntegrator, CudaBackend>("leaky_integrator");

/// As tests/host/app/session/network_module_test.cpp has it of the CPU: with one step of the optimiser an iteration,
/// the update must compute what the rollout did. Products of other numbers of rows are rounded otherwise here.
TEST_F(CudaTraining, AnUpdateSeesTheStatesThatTheRolloutHad) {
  for (const char* modules :
       {"network.modules=[\"leaky_integrator\", \"dense\"]", "network.modules=[\"gru\", \"dense\"]",
        "network.modules=[\"gru\", \"gru\", \"dense\"]"}) {
    SCOPED_TRACE(modules);
    const auto trainer = make_cuda_trainer(training_request(plan_task(
        settings_of("pendulum", {modules, "network.gru=19", "network.window=6", "train.num_envs=100",
                                 "train.horizon=12", "train.iterations=20", "train.random_initial_phase=true",
                                 "algorithm.epochs=1", "algorithm.minibatch=100000", "algorithm.schedule=fixed"}))));
    for (int i = 0; i < 6; ++i) {
      const Report report = iterate(*trainer);
      EXPECT_LT(std::abs(report["kl"]), 1e-8) << "iteration " << i + 1;
      EXPECT_EQ(report["clip_fraction"], 0.0);
      EXPECT_GT(report["gradient_norm"], 0.0);
    }
  }
}

TEST_F(CudaTraining, SlowLearnsThePendulum) {
  // With SiLU layer by layer.
  for (const std::vector<std::string>& set : {std::vector<std::string>{}, {"network.activation=silu", kInBf16}}) {
    Settings settings = settings_of("pendulum", set);
    const auto trainer = make_cuda_trainer(training_request(plan_task(settings)));
    const auto mean_return = [&] {
      EvaluationRequest request;
      request.task = plan_task(settings).spec;
      request.episodes = 100;
      request.seed = 17;
      const Evaluation evaluation = evaluate_on_gpu(backend(), request, trainer->policy());
      EXPECT_EQ(evaluation.returns.size(), 100u);
      EXPECT_EQ(evaluation.episode_length_mean, 200.0);
      return evaluation.return_mean;
    };
    const double before = mean_return();
    Report report;
    for (int i = 0; i < settings.train.iterations; ++i) report = iterate(*trainer);
    const double after = mean_return();
    EXPECT_LT(before, -500.0);
    EXPECT_GE(after, -250.0) << "before: " << before;
    EXPECT_EQ(report.iteration, settings.train.iterations);
    EXPECT_EQ(report.steps, std::int64_t{settings.train.iterations} * settings.train.num_envs * settings.train.horizon);
    EXPECT_EQ(report["nonfinite"], 0);
    EXPECT_GT(report["seconds_rollout"], 0.0);
    EXPECT_GT(report["seconds_update"], 0.0);
  }
}

/// The update alone: networks as small as these act in single precision, so the first rollout has its bits, and what is
/// learned from it is nearly the same. With SiLU layer by layer.
TEST_F(CudaTraining, UpdatesInBf16ComeNearThoseInSinglePrecision) {
  std::vector<std::unique_ptr<Stage>> stages;
  for (const char* precision : {"network.precision=fp32", kInBf16, kInBf16}) {
    stages.push_back(make_cuda_trainer(training_request(plan_task(settings_of(
        "double-pendulum", {"train.num_envs=100", "train.horizon=12", "algorithm.minibatch=500", "algorithm.epochs=2",
                            "network.actor=[33, 20]", "network.critic=[24]", "network.activation=silu", precision})))));
  }
  for (int i = 0; i < 3; ++i) {
    const Report rounded = iterate(*stages[1]), again = iterate(*stages[2]);
    EXPECT_EQ(rounded["policy_loss"], again["policy_loss"]);
    if (i > 0) continue;
    const Report exact = iterate(*stages[0]);
    EXPECT_EQ(rounded["explained_variance"], exact["explained_variance"]);
    for (const char* name : {"value_loss", "gradient_norm"}) {
      EXPECT_NEAR(rounded[name], exact[name], 2e-2 * std::fabs(exact[name])) << name;
      EXPECT_NE(rounded[name], exact[name]) << name;
    }
  }
  expect_same(stages[1]->state(), stages[2]->state());
  // Of the actor's second layer: forward, weights, inputs, each of a minibatch of 600 samples.
  int found = 0;
  for (const MatrixProduct& product : prepared_products()) {
    if (product.precision != "bf16" || product.m + product.n + product.k != 33 + 20 + 600) continue;
    EXPECT_EQ(product.transpose_b ? product.k : product.n, 600);
    ++found;
  }
  EXPECT_EQ(found, 3);
}

TEST_F(CudaTraining, TheSameSeedGivesTheSameBits) {
  for (const std::string task : {"pendulum", "cartpole-swingup", "double-pendulum"}) {
    const auto one = make_cuda_trainer(training_request(plan_task(small(task)))),
               two = make_cuda_trainer(training_request(plan_task(small(task))));
    // Side by side: neither may disturb the other.
    for (int i = 0; i < 4; ++i) {
      const Report a = iterate(*one), b = iterate(*two);
      EXPECT_EQ(a["policy_loss"], b["policy_loss"]);
      EXPECT_TRUE(std::isfinite(a["policy_loss"]));
      EXPECT_GT(a["gradient_norm"], 0.0);
    }
    expect_same(one->state(), two->state());
    Settings other = small(task);
    other.seed = 2;
    const auto three = make_cuda_trainer(training_request(plan_task(other)));
    for (int i = 0; i < 4; ++i) iterate(*three);
    EXPECT_NE(one->state().front().bytes, three->state().front().bytes);
  }
}

TEST_F(CudaTraining, RecordedIterationsGiveTheBitsOfPlainOnes) {
  const auto replayed = make_cuda_trainer(training_request(plan_task(small())));
  for (int i = 0; i < 5; ++i) iterate(*replayed);
  // A trainer's first iteration is run as it is; so five trainers, each going on where the last one stopped.
  std::vector<Tensor> state;
  for (int i = 0; i < 5; ++i) {
    const auto plain = make_cuda_trainer(training_request(plan_task(small())));
    if (i > 0) plain->restore(state);
    EXPECT_EQ(iterate(*plain).iteration, i + 1);
    state = plain->state();
  }
  expect_same(replayed->state(), state);
}

TEST_F(CudaTraining, TimingChangesNoBits) {
  const auto plain = make_cuda_trainer(training_request(plan_task(small()))),
             timed = make_cuda_trainer(training_request(plan_task(small()), true));
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(std::isnan(iterate(*plain)["seconds_physics"]));
    const Report report = iterate(*timed);
    EXPECT_GT(report["seconds_physics"], 0.0);
    EXPECT_GT(report["seconds_inference"], 0.0);
    EXPECT_LE(report["seconds_physics"] + report["seconds_inference"], report["seconds_rollout"] * 1.05);
  }
  expect_same(plain->state(), timed->state());
}

TEST_F(CudaTraining, GoesOnBitForBit) {
  const auto whole = make_cuda_trainer(training_request(plan_task(small())));
  for (int i = 0; i < 8; ++i) iterate(*whole);
  const auto first = make_cuda_trainer(training_request(plan_task(small())));
  for (int i = 0; i < 4; ++i) iterate(*first);
  const auto second = make_cuda_trainer(training_request(plan_task(small())));
  for (int i = 0; i < 3; ++i) iterate(*second);  // what came before must not matter, recorded or not
  second->restore(first->state());
  expect_same(second->state(), first->state());
  for (int i = 0; i < 4; ++i) iterate(*second);
  expect_same(second->state(), whole->state());
}

TEST_F(CudaTraining, TwoIterationsMayBeUnderWay) {
  const auto waited = make_cuda_trainer(training_request(plan_task(small()))),
             ahead = make_cuda_trainer(training_request(plan_task(small())));
  std::vector<Report> want, got;
  for (int i = 0; i < 6; ++i) want.push_back(iterate(*waited));
  Report report;
  ahead->enqueue_iteration();
  for (int i = 1; i < 6; ++i) {
    ahead->enqueue_iteration();
    ASSERT_TRUE(ahead->fetch_report(report, true));
    got.push_back(report);
  }
  ASSERT_TRUE(ahead->fetch_report(report, true));
  got.push_back(report);
  EXPECT_FALSE(ahead->fetch_report(report, true));
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(got[i].iteration, want[i].iteration);
    EXPECT_EQ(got[i]["value_loss"], want[i]["value_loss"]);
    EXPECT_EQ(got[i]["gradient_norm"], want[i]["gradient_norm"]);
  }
  expect_same(ahead->state(), waited->state());
}

TEST_F(CudaTraining, AllocatesNothingWithinIterations) {
  // The normaliser of observations makes room for sums before the first iteration; without it, others must.
  Settings settings = small("double-pendulum");
  settings.network.normalise_observations = false;
  const auto trainer = make_cuda_trainer(training_request(plan_task(settings)));
  const std::int64_t from_the_start = cuda::allocations;
  for (int i = 0; i < 3; ++i) iterate(*trainer);  // as it is, recorded, replayed
  STAMPEDE_CUDA(cudaDeviceSynchronize());
  std::size_t free_before = 0, free_after = 0, total = 0;
  STAMPEDE_CUDA(cudaMemGetInfo(&free_before, &total));
  for (int i = 0; i < 10; ++i) iterate(*trainer);
  STAMPEDE_CUDA(cudaDeviceSynchronize());
  STAMPEDE_CUDA(cudaMemGetInfo(&free_after, &total));
  EXPECT_EQ(cuda::allocations, from_the_start);
  EXPECT_GE(free_after, free_before);
}

TEST_F(CudaTraining, EveryAlgorithmAndActivationRuns) {
  for (const std::string advantage : {"return", "return_baseline", "td", "gae"}) {
    for (const std::string activation : {"elu", "tanh", "relu", "silu"}) {
      Settings settings = small("double-pendulum");
      settings.algorithm.advantage = advantage;
      settings.algorithm.surrogate = advantage == "gae" ? "clipped_ratio" : "log_prob";
      settings.network.activation = activation;
      const auto trainer = make_cuda_trainer(training_request(plan_task(settings)));
      for (int i = 0; i < 3; ++i) {
        const Report report = iterate(*trainer);
        EXPECT_TRUE(std::isfinite(report["policy_loss"]) && std::isfinite(report["value_loss"]))
            << advantage << " " << activation;
        EXPECT_GT(report["gradient_norm"], 0.0) << advantage << " " << activation;
      }
    }
  }
}

TEST_F(CudaTraining, BenchmarksStepEnvironments) {
  Settings settings = small();
  settings.train.num_envs = 1000;
  const EnvironmentBenchmark result =
      drive_on_gpu(backend(), {plan_task(settings).spec, settings.train.num_envs, settings.seed, 0.05});
  EXPECT_GT(result.steps, 0);
  EXPECT_GT(result.seconds, 0.0);
  EXPECT_EQ(result.nonfinite, 0);
  // 200 steps an episode; the first ones began at random ages.
  EXPECT_NEAR(static_cast<double>(result.episodes), static_cast<double>(result.steps) / 200.0,
              0.1 * static_cast<double>(result.steps) / 200.0 + 1000.0);
}

#if !defined(CUDA_EMULATOR)
TEST_F(CudaTraining, MeasuresThePeak) { EXPECT_GT(gpu_fma_peak_gflops(backend()), 100.0); }
#endif

TEST_F(CudaTraining, TracesWhatThePolicyDid) {
  const auto trainer = make_cuda_trainer(training_request(plan_task(small())));
  EvaluationRequest request;
  request.task = plan_task(small()).spec;
  request.episodes = 33;
  request.trace = true;
  const Evaluation traced = evaluate_on_gpu(backend(), request, trainer->policy());
  request.trace = false;
  const Evaluation plain = evaluate_on_gpu(backend(), request, trainer->policy());
  EXPECT_EQ(traced.returns, plain.returns);
  double sum = 0;
  for (const Tensor& tensor : traced.trace) {
    if (tensor.name != "reward") continue;
    EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{200, 33}));
    std::vector<float> rewards(200 * 33);
    std::memcpy(rewards.data(), tensor.bytes.data(), tensor.bytes.size());
    for (const float reward : rewards) sum += static_cast<double>(reward);
  }
  EXPECT_NEAR(sum / 33, traced.return_mean, 5e-2);
}

}  // namespace
}  // namespace stampede::testing
