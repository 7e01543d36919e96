#pragma once
/// \file An engine that learns nothing but behaves like one: its state moves from iteration to iteration in a way that
/// depends on everything before, so that a lost or doubled iteration shows.

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/app/export/safetensors.hpp"
#include "host/base/error.hpp"
#include "host/engine/engine.hpp"
#include "host/task/planned_task.hpp"

namespace stampede::test {

/// What can be asked of the fake, and what it tells.
struct FakeBehaviour {
  std::int64_t diverge_at = -1;          ///< iteration whose losses are not finite
  std::int64_t nonfinite_at = -1;        ///< iteration that reports many states caught
  std::int64_t contacts_over_slots = 0;  ///< each iteration's
  std::int64_t most_in_flight = 0;       ///< told: reports that were not fetched yet, at most
  std::int64_t iterations_enqueued = 0;  ///< told
  int trainers_made = 0;                 ///< told
};

/// A policy for a task with two hidden units and weights that depend on `value`.
inline Policy fake_policy(const TaskSpec& task, float value, const std::string& activation = "elu") {
  const int observations = task.policy().size(), actions = task.action.size(), hidden = 5;
  Policy policy;
  policy.task = task.name;
  const auto fill = [&value](int count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& entry : values) {
      value = 3.7f * value * (1.0f - value);  // the logistic map wanders over (0, 1)
      entry = value - 0.5f;
    }
    return values;
  };
  std::vector<DenseLayer> layers(3);
  layers[0] = {observations, hidden, fill(observations * hidden), fill(hidden)};
  layers[1] = {hidden, hidden, fill(hidden * hidden), fill(hidden)};
  layers[2] = {hidden, actions, fill(hidden * actions), fill(actions)};
  policy.actor = {dense_module("actor", activation, layers)};
  policy.log_std = fill(actions);
  policy.observation_mean = fill(observations);
  for (const float entry : fill(observations)) policy.observation_variance.push_back(0.1f + entry * entry);
  policy.observation_clip = 4.5f;
  policy.action_centre = fill(actions);
  policy.action_scale.assign(static_cast<std::size_t>(actions), 1.75f);
  policy.action_low.assign(static_cast<std::size_t>(actions), -0.4f);
  policy.action_high.assign(static_cast<std::size_t>(actions), 0.6f);
  if (task.legged != nullptr) {  // whose policies are compared with the task's pose and scales
    policy.action_centre = task.action.centre;
    policy.action_scale = task.action.scale;
  }
  return policy;
}
/// The same for a task that is compiled in.
inline Policy fake_policy(const std::string& task, float value, const std::string& activation = "elu") {
  return fake_policy(find_task(task).specify({}), value, activation);
}

/// What the fake reports.
inline std::shared_ptr<const MetricTable> fake_metrics() {
  static const std::shared_ptr<const MetricTable> all = [] {
    const auto table = std::make_shared<MetricTable>();
    table->add({.name = "episodes", .integer = true});
    table->add({.name = "return_mean", .tag = "episode/return_mean", .label = "return"});
    table->add({.name = "policy_loss", .tag = "loss/policy", .must_be_finite = true});
    table->add({.name = "value_loss", .tag = "loss/value", .must_be_finite = true});
    table->add({.name = "learning_rate", .reduce = Reduce::kLast});
    table->add({.name = "nonfinite", .reduce = Reduce::kLast, .integer = true});
    table->add({.name = "contacts_over_slots", .reduce = Reduce::kLast, .integer = true});
    table->add({.name = "seconds_rollout"});
    table->add({.name = "seconds_update"});
    return table;
  }();
  return all;
}

class FakeTrainer : public Stage {
 public:
  FakeTrainer(TrainingRequest request, FakeBehaviour& behaviour) : request_(std::move(request)), behaviour_(behaviour) {
    ++behaviour_.trainers_made;
    value_ = 0.1f + 0.01f * static_cast<float>(request_.seed % 50);
  }

  void enqueue_iteration() override {
    ++iteration_;
    ++behaviour_.iterations_enqueued;
    value_ = 3.7f * value_ * (1.0f - value_);
    Report report;
    report.iteration = iteration_;
    report.steps = iteration_ * request_.train.num_envs * request_.train.horizon;
    report.table = fake_metrics();
    report.set("episodes", iteration_ % 2);
    if (iteration_ % 2 > 0) report.set("return_mean", -1000.0 / static_cast<double>(iteration_));
    report.set("policy_loss", value_);
    report.set("learning_rate", request_.algorithm.learning_rate);
    report.set("value_loss", iteration_ == behaviour_.diverge_at ? std::numeric_limits<double>::quiet_NaN() : 0);
    report.set("nonfinite", iteration_ == behaviour_.nonfinite_at ? static_cast<double>(report.steps) : 0);
    report.set("contacts_over_slots", static_cast<double>(behaviour_.contacts_over_slots * iteration_));
    report.set("seconds_rollout", 1e-3);
    report.set("seconds_update", 3e-3);
    reports_.push_back(report);
    behaviour_.most_in_flight =
        std::max<std::int64_t>(behaviour_.most_in_flight, static_cast<std::int64_t>(reports_.size()));
  }

  bool fetch_report(Report& report, bool) override {
    if (reports_.empty()) return false;
    report = reports_.front();
    reports_.pop_front();
    return true;
  }

  std::vector<Tensor> state() override {
    Tensor counter;
    counter.name = "iteration";
    counter.type = Tensor::Type::kI64;
    counter.shape = {1};
    counter.bytes.resize(8);
    std::memcpy(counter.bytes.data(), &iteration_, 8);
    return {make_tensor("value", {1}, {value_}), counter};
  }

  void restore(const std::vector<Tensor>& tensors) override {
    for (const Tensor& tensor : tensors) {
      if (tensor.name == "value") value_ = floats_of(tensor).at(0);
      if (tensor.name == "iteration") std::memcpy(&iteration_, tensor.bytes.data(), 8);
    }
    if (tensors.size() != 2)
      throw Error("the trainer needs two tensors, and the checkpoint has " + std::to_string(tensors.size()));
  }

  Policy policy() override { return fake_policy(*request_.task, value_, request_.network.activation); }
  std::vector<Tensor> last_finite() override {
    return {make_tensor("environment", {1}, {4.0f}), make_tensor("state", {1, 2}, {0.5f, -0.25f})};
  }
  double update_flops() const override { return 1e6; }
  std::shared_ptr<const MetricTable> metrics() const override { return fake_metrics(); }

 private:
  TrainingRequest request_;
  FakeBehaviour& behaviour_;
  float value_ = 0;
  std::int64_t iteration_ = 0;
  std::deque<Report> reports_;
};

class FakeEngine : public Engine {
 public:
  FakeBehaviour behaviour;

  std::string device() const override { return "cpu"; }
  std::string instruction_set() const override { return "baseline"; }
  std::string description() const override { return "a fake for tests"; }
  int threads() const override { return 1; }
  void join(RankGroup&) override {}
  std::unique_ptr<Stage> make_trainer(const TrainingRequest& request) override {
    return std::make_unique<FakeTrainer>(request, behaviour);
  }
  Evaluation evaluate(const EvaluationRequest& request, const Policy& policy) override {
    Evaluation evaluation;
    evaluation.episodes = request.episodes;
    evaluation.return_mean = -100 - static_cast<double>(policy.layers().at(0).weight.at(0)) +
                             1e-6 * static_cast<double>(request.seed % 1000);
    evaluation.steps = 200 * request.episodes;
    if (request.trace)
      evaluation.trace.push_back(make_tensor("reward", {1, request.episodes},
                                             std::vector<float>(static_cast<std::size_t>(request.episodes), 1.0f)));
    return evaluation;
  }
  EnvironmentBenchmark bench_environment(const BenchmarkRequest& request) override {
    return {request.num_envs * 10, 1, 0, 0, request.seconds};
  }
  std::unique_ptr<VectorEnvironment> make_environment(const EnvironmentRequest&) override { return nullptr; }
  std::unique_ptr<StandalonePolicy> make_policy(const Policy&, int) override { return nullptr; }
  std::unique_ptr<Simulation> make_simulation(const SimulationRequest&) override { return nullptr; }
  double fma_peak_gflops() override { return 100; }
};

}  // namespace stampede::test
