#pragma once
/// \file Engines for tests of the trainer: the built modules, one for each instruction set that this processor has.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "host/base/error.hpp"
#include "host/engine/engine.hpp"
#include "host/engine/loader.hpp"
#include "host/task/planned_task.hpp"

namespace stampede::testing {

inline std::unique_ptr<Engine> engine_for(const std::string& instruction_set, int threads) {
  setenv("STAMPEDE_INSTRUCTION_SET", instruction_set.c_str(), 1);
  auto engine = make_engine("cpu", threads);
  unsetenv("STAMPEDE_INSTRUCTION_SET");
  EXPECT_EQ(engine->instruction_set(), instruction_set);
  return engine;
}

/// Calls body(instruction set) for each that can run here.
template <class Body>
void for_each_instruction_set(const Body& body) {
  const std::vector<std::string> usable = usable_instruction_sets();
  ASSERT_FALSE(usable.empty()) << "no module of the CPU was built";
  for (const std::string& instruction_set : usable) {
    SCOPED_TRACE(instruction_set);
    body(instruction_set);
  }
}
inline std::string best_instruction_set() { return usable_instruction_sets().front(); }

/// Small, and awkward in every size: nothing is a multiple of a pack or of a tile.
inline Settings awkward_settings(const std::string& task = "pendulum") {
  Settings settings;
  settings.task = settings.kernel = task;
  settings.seed = 3;
  settings.train.num_envs = 101;
  settings.train.horizon = 9;
  settings.train.iterations = 8;
  settings.algorithm.minibatch = 250;
  settings.algorithm.epochs = 2;
  settings.network.actor = {33, 17};
  settings.network.critic = {20};
  return settings;
}

/// A walking task, as small and as awkward, with what is random in it often at work.
inline Settings walking_settings(const std::vector<std::string>& more = {}) {
  SettingsSources sources;
  sources.set = {"task=go2-flat",
                 "seed=3",
                 "train.num_envs=37",
                 "train.horizon=9",
                 "train.iterations=8",
                 "algorithm.minibatch=120",
                 "algorithm.epochs=2",
                 "network.actor=[33, 17]",
                 "network.critic=[20]",
                 "control.episode=0.3",
                 "commands.period=0.1",
                 "randomise.push_period=0.1",
                 "randomise.delay=[0, 0.02]",
                 "randomise.observation_delay=[0, 0.02]",
                 "randomise.base_mass=[0.8, 1.2]"};
  sources.set.insert(sources.set.end(), more.begin(), more.end());
  return resolve_settings(sources);
}

/// The same on a small piece of rough ground.
inline Settings rough_settings(const std::vector<std::string>& more = {}) {
  std::vector<std::string> set = {"task=go2-rough", "terrain.levels=3", "terrain.columns=8", "terrain.tile=4",
                                  "terrain.border=1"};
  set.insert(set.end(), more.begin(), more.end());
  return walking_settings(set);
}

/// The same with a small camera, whose pictures come every second control step and are seen one picture later.
inline Settings seeing_settings(const std::vector<std::string>& more = {}) {
  std::vector<std::string> set = {"observations.policy=[\"depth\", \"joint_position\", \"command\"]",
                                  "camera.width=8",
                                  "camera.height=10",
                                  "camera.position=[0.34, 0, 0.04]",
                                  "camera.rate=25",
                                  "camera.latency=1",
                                  "camera.noise=0.02",
                                  "camera.dropped=0.05",
                                  "camera.edges=0.5",
                                  "camera.position_error=0.01",
                                  "camera.angle_error=0.02",
                                  "network.modules=[\"convolution\", \"gru\", \"dense\"]",
                                  "network.channels=[16, 16]",
                                  "network.kernels=[3, 2]",
                                  "network.strides=[2, 1]",
                                  "network.gru=20",
                                  "network.window=3"};
  set.insert(set.end(), more.begin(), more.end());
  return rough_settings(set);
}

/// What a trainer of these settings is asked, and the trainer.
inline TrainingRequest request_for(const Settings& settings) { return training_request(plan_task(settings)); }
inline std::unique_ptr<Stage> make_trainer(Engine& engine, const Settings& settings) {
  return engine.make_trainer(request_for(settings));
}

/// A policy that holds the default pose, whatever it sees: its layers are zeros.
inline Policy still_policy(const TaskSpec& task) {
  Policy policy;
  policy.task = task.name;
  DenseLayer layer;
  layer.inputs = task.policy().size();
  layer.outputs = task.action.size();
  layer.weight.assign(static_cast<std::size_t>(layer.inputs * layer.outputs), 0.0f);
  layer.bias.assign(static_cast<std::size_t>(layer.outputs), 0.0f);
  policy.set_layers({layer});
  policy.observation_mean.assign(static_cast<std::size_t>(layer.inputs), 0.0f);
  policy.observation_variance.assign(static_cast<std::size_t>(layer.inputs), 1.0f);
  policy.action_centre = task.action.centre;
  policy.action_scale = task.action.scale;
  policy.action_low = task.action.low;
  policy.action_high = task.action.high;
  return policy;
}

/// A policy with a hidden layer of seven numbers, which does something else for each `phase`.
inline Policy policy_with_hidden_layer(const TaskSpec& task, float phase = 0.0f) {
  Policy policy = still_policy(task);
  std::vector<DenseLayer> layers(2);
  layers[0].inputs = task.policy().size();
  layers[0].outputs = layers[1].inputs = 7;
  layers[1].outputs = task.action.size();
  float count = phase;
  for (DenseLayer& layer : layers) {
    for (int i = 0; i < layer.inputs * layer.outputs; ++i) layer.weight.push_back(0.4f * std::sin(count += 2.0f));
    for (int i = 0; i < layer.outputs; ++i) layer.bias.push_back(0.1f * std::sin(count += 2.0f));
  }
  policy.set_layers(layers);
  policy.log_std.assign(static_cast<std::size_t>(layers[1].outputs), -0.5f);
  for (std::size_t i = 0; i < policy.observation_mean.size(); ++i) {
    policy.observation_mean[i] = 0.02f * static_cast<float>(i % 5);
    policy.observation_variance[i] = 0.5f + 0.25f * static_cast<float>(i % 3);
  }
  return policy;
}

inline std::vector<Report> iterate(Stage& trainer, int iterations) {
  std::vector<Report> reports;
  for (int i = 0; i < iterations; ++i) {
    trainer.enqueue_iteration();
    Report report;
    EXPECT_TRUE(trainer.fetch_report(report, true));
    reports.push_back(report);
  }
  return reports;
}

/// That each of these phases, and no other, has a share of the rollouts' time, and that they make it up, but for what is
/// done beside the tiles; of trainers with one thread. One iteration at least must not have been interrupted there.
inline void expect_phases(const std::vector<Report>& reports, const std::set<std::string>& phases) {
  double most = 0;
  for (const Report& report : reports) {
    const double constraints = report["seconds_constraints"];
    double parts = std::isfinite(constraints) ? constraints : 0;
    for (const char* phase : {"physics", "pictures", "teacher", "inference"}) {
      const double seconds = report[std::string("seconds_") + phase];
      EXPECT_EQ(std::isfinite(seconds), phases.contains(phase)) << phase;
      if (!phases.contains(phase)) continue;
      EXPECT_GT(seconds, 0) << phase;
      parts += seconds;
    }
    EXPECT_LE(parts, report["seconds_rollout"]);
    most = std::max(most, parts / report["seconds_rollout"]);
  }
  EXPECT_GT(most, 0.7);
}

inline ::testing::AssertionResult same_state(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << a.size() << " and " << b.size() << " tensors";
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].shape != b[i].shape || a[i].bytes != b[i].bytes) {
      return ::testing::AssertionFailure() << "tensor " << a[i].name << " differs";
    }
  }
  return ::testing::AssertionSuccess();
}

/// FNV-1a over what is learnt.
inline std::uint64_t hash_of_parameters(const std::vector<Tensor>& state) {
  std::uint64_t hash = 1469598103934665603ull;
  for (const Tensor& tensor : state) {
    const bool learnt =
        tensor.name.rfind("actor", 0) == 0 || tensor.name.rfind("critic", 0) == 0 || tensor.name == "log_std";
    for (std::size_t i = 0; learnt && i < tensor.bytes.size(); ++i) hash = (hash ^ tensor.bytes[i]) * 1099511628211ull;
  }
  return hash;
}

inline Tensor& find(std::vector<Tensor>& tensors, const std::string& name) {
  for (Tensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw Error("no tensor '" + name + "'");
}
inline float* floats_in(Tensor& tensor) { return reinterpret_cast<float*>(tensor.bytes.data()); }

}  // namespace stampede::testing
