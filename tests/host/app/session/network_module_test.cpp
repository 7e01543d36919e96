/// \file A network with a module that the tests' engine alone knows, a leaky integrator
/// (tests/modules/leaky_integrator.hpp): its state goes through rollouts, windows of the update, resets, checkpoints,
/// evaluations and files.

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "host/app/export/onnx.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/app/session/training.hpp"
#include "host/base/files.hpp"
#include "host/task/protocol.hpp"
#include "tests/host/app/session/point_mass.hpp"
#include "tests/host/temporary_folder.hpp"
#include "tests/modules/leaky_onnx.hpp"

namespace stampede {
namespace {

using test::TemporaryFolder;

/// Small and awkward; episodes end at any step of a window.
PlannedTask planned(const std::vector<std::string>& more = {}) {
  std::vector<std::string> set = {"task=point-mass",         "network.modules=[\"leaky_integrator\", \"dense\"]",
                                  "network.actor=[16]",      "network.critic=[16]",
                                  "network.window=5",        "train.num_envs=37",
                                  "train.iterations=8",      "train.random_initial_phase=true",
                                  "algorithm.minibatch=200", "algorithm.epochs=2",
                                  "run.eval_episodes=4"};
  set.insert(set.end(), more.begin(), more.end());
  return test::planned_with_point_mass(set);
}

std::unique_ptr<Engine> engine(int threads = 2) { return test::engine_with_point_mass(threads); }

std::vector<Report> iterate(Stage& trainer, int iterations) {
  std::vector<Report> reports(static_cast<std::size_t>(iterations));
  for (Report& report : reports) {
    trainer.enqueue_iteration();
    EXPECT_TRUE(trainer.fetch_report(report, true));
  }
  return reports;
}

const Tensor& named(const std::vector<Tensor>& tensors, const std::string& name) {
  for (const Tensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw Error("no tensor " + name);
}

void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].name, b[i].name);
    EXPECT_TRUE(a[i].bytes == b[i].bytes) << a[i].name;
  }
}

/// One pass over the rollout in one step: before it, the update must compute what the rollout did, so that the policy
/// diverges from itself by nothing. With other states, or without the resets within a window, it would.
TEST(NetworkModule, AnUpdateSeesTheStatesThatTheRolloutHad) {
  const auto with_leaky = engine();
  const auto trainer = with_leaky->make_trainer(
      training_request(planned({"algorithm.epochs=1", "algorithm.minibatch=100000", "train.iterations=6"})));
  std::vector<double> episodes;
  for (const Report& report : iterate(*trainer, 6)) {
    EXPECT_EQ(report["kl"], 0.0);
    EXPECT_EQ(report["clip_fraction"], 0.0);
    EXPECT_GT(report["gradient_norm"], 0.0);
    episodes.push_back(report["episodes"]);
  }
  EXPECT_GT(*std::max_element(episodes.begin(), episodes.end()), 3.0) << "no resets within windows were seen";
}

TEST(NetworkModule, TrainsWithTheSameBitsForAnyNumberOfThreadsAndResumed) {
  const PlannedTask task = planned();
  std::vector<Tensor> straight;
  for (const int threads : {1, 2, 3}) {
    const auto with_leaky = engine(threads);
    const auto trainer = with_leaky->make_trainer(training_request(task));
    iterate(*trainer, 8);
    SCOPED_TRACE(std::to_string(threads) + " threads");
    if (threads == 1) straight = trainer->state();
    expect_same(trainer->state(), straight);
  }
  EXPECT_EQ(named(straight, "network_state").shape, (std::vector<std::int64_t>{48, 32})) << "actor's 16 and critic's";
  const std::vector<float> rate = floats_of(named(straight, "actor.leaky_integrator.rate"));
  EXPECT_EQ(rate.size(), 2u);
  EXPECT_NE(rate[0], 1.0f) << "it learns";
  EXPECT_NE(floats_of(named(straight, "critic.leaky_integrator.rate"))[0], 1.0f);

  const auto with_leaky = engine();
  const auto first = with_leaky->make_trainer(training_request(task));
  iterate(*first, 3);
  const auto second = with_leaky->make_trainer(training_request(task));
  second->restore(first->state());
  iterate(*second, 5);
  SCOPED_TRACE("resumed");
  expect_same(second->state(), straight);

  std::vector<Tensor> without = first->state();
  without.erase(
      std::find_if(without.begin(), without.end(), [](const Tensor& t) { return t.name == "network_state"; }));
  EXPECT_THROW(second->restore(without), Error);
}

TEST(NetworkModule, AWindowIsOfTheHorizon) {
  const auto with_leaky = engine(1);
  const auto refusal = [&](const std::vector<std::string>& more) -> std::string {
    try {
      with_leaky->make_trainer(training_request(planned(more)));
    } catch (const Error& error) {
      return error.what();
    }
    return "taken";
  };
  EXPECT_EQ(refusal({"network.window=0"}), "taken");
  EXPECT_EQ(refusal({"network.window=25"}), "taken");
  EXPECT_NE(refusal({"network.window=7"}).find("network.window = 7 does not divide train.horizon = 25"),
            std::string::npos);
  EXPECT_NE(refusal({"network.window=0", "train.horizon=100"}).find("at most 96"), std::string::npos);
  EXPECT_EQ(refusal({"network.window=7", "network.modules=[\"dense\"]"}), "taken") << "nothing has a state";
}

TEST(NetworkModule, Bf16IsForDenseLayersAlone) {
  const auto with_leaky = engine(1);
  EXPECT_NO_THROW(
      with_leaky->make_trainer(training_request(planned({"network.modules=[\"dense\"]", "network.precision=bf16"}))));
  try {
    with_leaky->make_trainer(training_request(planned({"network.precision=bf16"})));
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("network.precision = \"bf16\" is for networks of dense layers alone"),
              std::string::npos)
        << error.what();
  }
}

TEST(NetworkModuleSlow, ARunIsGoneOnWithEvaluatedAndExported) {
  const TemporaryFolder folder;
  const auto with_leaky = engine();
  const PlannedTask task = planned({"train.num_envs=64", "train.iterations=60", "algorithm.minibatch=400"});
  TrainOptions options;
  options.run = folder / "whole";
  register_onnx_module("leaky_integrator", test::write_leaky_integrator);
  const TrainResult whole = train(*with_leaky, task, options);
  EXPECT_GT(whole.evaluation.return_mean, -14.0) << "it pushes the mass home";
  options.run = folder / "parts";
  options.stop_after = 20;
  train(*with_leaky, task, options);
  const TrainResult parts = resume_training(*with_leaky, folder / "parts", {});
  EXPECT_TRUE(read_file(folder / "parts" / "policy.safetensors") == read_file(folder / "whole" / "policy.safetensors"));
  EXPECT_EQ(parts.evaluation.returns, whole.evaluation.returns);

  // From the run, from the file of weights: the same policy.
  const RunContents run = load_run(folder / "whole");
  ASSERT_EQ(run.policy.actor.size(), 2u);
  const Policy read = policy_from_tensors(parse_safetensors(read_file(whole.policy_safetensors), "p"), "p");
  EXPECT_EQ(read.actor[0].kind, "leaky_integrator");
  EXPECT_EQ(read.actor[0].states, 2);
  EXPECT_EQ(read.actor[0].parameter("rate").values, run.policy.actor[0].parameter("rate").values);
  EvaluationRequest request = evaluation_request(run.task, 4, false);
  const Evaluation evaluation = with_leaky->evaluate(request, run.policy);
  EXPECT_EQ(with_leaky->evaluate(request, read).returns, evaluation.returns);

  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(read_file(whole.policy_onnx)));
  ASSERT_EQ(model.graph().input_size(), 2);
  EXPECT_EQ(model.graph().input(1).name(), "state_in_actor.leaky_integrator");
  ASSERT_EQ(model.graph().output_size(), 2);
  EXPECT_EQ(model.graph().output(1).name(), "state_out_actor.leaky_integrator");
  try {
    parse_onnx(read_file(whole.policy_onnx), "policy.onnx");
    ADD_FAILURE() << "read";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("network with a state"), std::string::npos) << error.what();
  }
}

/// Two GRUs, which every engine has: the file of weights holds the same policy.
TEST(NetworkModule, APolicyWithGrusIsReadBack) {
  const auto with_grus = engine();
  const PlannedTask task = planned({"network.modules=[\"gru\", \"gru\", \"dense\"]", "network.gru=21"});
  const auto trainer = with_grus->make_trainer(training_request(task));
  iterate(*trainer, 2);
  const Policy policy = trainer->policy();
  const Policy read = policy_from_tensors(parse_safetensors(to_policy_safetensors(policy, *task.spec), "p"), "p");
  ASSERT_EQ(read.actor.size(), 3u);
  EXPECT_EQ(read.actor[1].name, "actor.gru_2");
  EXPECT_EQ(read.actor[1].options.gru, 21);
  EXPECT_EQ(read.actor[1].states, 21);
  for (const char* name : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}) {
    EXPECT_EQ(read.actor[1].parameter(name).values, policy.actor[1].parameter(name).values) << name;
  }
  const EvaluationRequest request = evaluation_request(task, 4, false);
  EXPECT_EQ(with_grus->evaluate(request, read).returns, with_grus->evaluate(request, policy).returns);

  // A file that says another width than its arrays have is refused.
  Policy other = read;
  other.actor[0].options.gru = 20;
  EXPECT_THROW(with_grus->evaluate(request, other), Error);
}

/// What an evaluation does is the formula, step after step, from a state of zeros on.
TEST(NetworkModule, AnEvaluationActsByTheFormula) {
  const auto with_leaky = engine();
  const PlannedTask task = planned();
  const auto trainer = with_leaky->make_trainer(training_request(task));
  iterate(*trainer, 2);
  EvaluationRequest request = evaluation_request(task, 3, false);
  request.trace = true;
  const Policy policy = trainer->policy();
  const Evaluation evaluation = with_leaky->evaluate(request, policy);
  const std::vector<float> seen = floats_of(named(evaluation.trace, "observation")),
                           action = floats_of(named(evaluation.trace, "action"));
  const std::vector<float> rate = policy.actor[0].parameter("rate").values;
  const std::vector<DenseLayer> layers = policy.layers();
  for (std::size_t env = 0; env < 3; ++env) {
    std::vector<double> h = {0, 0};
    for (std::size_t step = 0; step < 100; ++step) {
      std::vector<double> x;
      for (std::size_t i = 0; i < 2; ++i) {
        const double normal =
            (static_cast<double>(seen[(step * 3 + env) * 2 + i]) - static_cast<double>(policy.observation_mean[i])) /
            std::sqrt(static_cast<double>(policy.observation_variance[i]) + 1e-8);
        h[i] += (std::clamp(normal, -10.0, 10.0) - h[i]) / (1 + std::exp(-static_cast<double>(rate[i])));
      }
      double out = static_cast<double>(layers[1].bias[0]);
      for (std::size_t o = 0; o < 16; ++o) {
        double z = static_cast<double>(layers[0].bias[o]);
        for (std::size_t i = 0; i < 2; ++i) z += static_cast<double>(layers[0].weight[o * 2 + i]) * h[i];
        out += static_cast<double>(layers[1].weight[o]) * (z > 0 ? z : std::expm1(z));
      }
      ASSERT_NEAR(static_cast<double>(action[step * 3 + env]), std::clamp(out, -1.0, 1.0), 1e-5)
          << "step " << step << " of episode " << env;
    }
  }
}

/// The same in a caller's own environments, which go on behind the episodes' ends.
TEST(NetworkModule, APolicyRunnerForgetsWithTheEnvironments) {
  const auto with_leaky = engine();
  const PlannedTask task = planned();
  const auto trainer = with_leaky->make_trainer(training_request(task));
  iterate(*trainer, 2);
  EvaluationRequest request = evaluation_request(task, 3, false);
  request.trace = true;
  const Policy policy = trainer->policy();
  const std::vector<float> actions = floats_of(named(with_leaky->evaluate(request, policy).trace, "action"));
  const auto environment = with_leaky->make_environment({task.spec, 3, request.seed});
  const auto runner = environment->make_policy_runner(policy);
  std::vector<float> first;
  for (std::size_t step = 0; step < 100; ++step) {
    const std::vector<float> chosen = runner->act().to_host();
    if (step == 0) first = chosen;
    EXPECT_TRUE(std::equal(chosen.begin(), chosen.end(), actions.begin() + static_cast<std::ptrdiff_t>(3 * step)));
    environment->step(chosen);
  }
  ASSERT_EQ(environment->ended().to_host(), std::vector<float>(3, 2.0f)) << "their time was up";
  // Episodes begin: what a fresh runner does is what this one does.
  const std::vector<float> again = runner->act().to_host();
  EXPECT_EQ(again, environment->make_policy_runner(policy)->act().to_host());
  environment->step(again);
  EXPECT_NE(runner->act().to_host(), environment->make_policy_runner(policy)->act().to_host()) << "a state matters";
  environment->reset();
  runner->reset();
  EXPECT_EQ(runner->act().to_host(), first);
}

}  // namespace
}  // namespace stampede
