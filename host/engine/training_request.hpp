#pragma once
/// \file What a training is asked for: the task, and the tables of settings that say how it is learned. Each table's
/// `describe` lists its fields once; reading, writing and checking follow from it (host/task/settings_io.hpp).

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host/base/fields.hpp"
#include "host/engine/policy.hpp"
#include "host/engine/rank.hpp"
#include "host/engine/task_spec.hpp"

namespace stampede {

/// [train]. Several ranks share these settings: `num_envs` and AlgorithmSettings::minibatch count for each rank, as in
/// most programs that torchrun starts, so with more ranks a training becomes larger while its configuration stays the
/// same.
struct TrainSettings {
  int num_envs = 4096;
  int horizon = 24;
  int iterations = 300;
  bool random_initial_phase = true;

  template <class Visitor>
  static void describe(Visitor&& field) {
    field("num_envs", &TrainSettings::num_envs, Bounds{1, 1 << 24}, "environments stepped side by side");
    field("horizon", &TrainSettings::horizon, Bounds{1, 1 << 16}, "control steps of a rollout");
    field("iterations", &TrainSettings::iterations, Bounds{1, 1e9}, "the schedule's length");
    field("random_initial_phase", &TrainSettings::random_initial_phase,
          "start the first episodes at random ages, so that time-outs are spread over the iterations");
  }
};

/// [algorithm]: what learns, and how.
struct AlgorithmSettings {
  std::string kind = "policy_gradient";
  std::string advantage = "gae";
  std::string surrogate = "clipped_ratio";
  float gamma = 0.99f;
  float gae_lambda = 0.95f;
  int epochs = 5;
  int minibatch = 16384;
  int minibatches = 0;
  float learning_rate = 1e-3f;
  std::string schedule = "adaptive";
  float target_kl = 0.01f;
  float clip_ratio = 0.2f;
  bool clip_value = true;
  float value_coefficient = 1.0f;
  float entropy_coefficient = 0.0f;
  float max_gradient_norm = 1.0f;
  bool normalise_advantages = true;

  /// Into how many minibatches a pass over `samples` is split: `minibatches`, or where that is 0 so many that their size
  /// is near `minibatch`; at least 1, and none is empty.
  std::int64_t minibatches_of(std::int64_t samples) const {
    const std::int64_t size = minibatch;
    const std::int64_t count = minibatches > 0 ? minibatches : (samples + size / 2) / size;
    return std::max<std::int64_t>(1, std::min(count, samples));
  }

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = AlgorithmSettings;
    field("kind", &S::kind, Names{},
          "what learns: policy_gradient (PPO and its relatives); distillation is for students");
    field("advantage", &S::advantage, Choices{"return", "return_baseline", "td", "gae"}, "estimator of the advantage");
    field("surrogate", &S::surrogate, Choices{"log_prob", "clipped_ratio"}, "policy objective");
    field("gamma", &S::gamma, Bounds{0, 1}, "discount a control step");
    field("gae_lambda", &S::gae_lambda, Bounds{0, 1}, "trace decay of generalised advantage estimation");
    field("epochs", &S::epochs, Bounds{1, 1000}, "passes over a rollout");
    field("minibatch", &S::minibatch, Bounds{1, 1 << 28}, "samples of an optimiser step, about");
    field("minibatches", &S::minibatches, Bounds{0, 1 << 20},
          "optimiser steps of a pass, whatever the number of environments; 0: as many as `minibatch` makes");
    field("learning_rate", &S::learning_rate, Bounds{0, 1}, "Adam's step size, at the start");
    field("schedule", &S::schedule, Choices{"fixed", "linear", "adaptive"},
          "of the learning rate: fixed, linear to 0 over the iterations, or adapted to target_kl");
    field("target_kl", &S::target_kl, Bounds{1e-9, 1e3}, "KL divergence that the adaptive schedule aims at");
    field("clip_ratio", &S::clip_ratio, Bounds{1e-6, 1e3}, "clip range of the probability ratio and of the value");
    field("clip_value", &S::clip_value, "clip the value's change as the ratio's");
    field("value_coefficient", &S::value_coefficient, Bounds{0, 1e6}, "weight of the value loss");
    field("entropy_coefficient", &S::entropy_coefficient, Bounds{0, 1e6}, "weight of the entropy bonus");
    field("max_gradient_norm", &S::max_gradient_norm, Bounds{1e-9, 1e9}, "clip of the gradient's global norm");
    field("normalise_advantages", &S::normalise_advantages, "to mean 0 and deviation 1 in each minibatch");
  }
};

/// [network]: of the actor and the critic.
struct NetworkSettings {
  static constexpr int kLongestWindow = 96;  ///< rows of the CPU backend's smaller tile

  std::vector<std::string> modules = {"dense"};
  std::vector<int> actor = {64, 64};
  std::vector<int> critic = {64, 64};
  std::vector<int> channels = {16, 32};
  std::vector<int> kernels = {4, 3};
  std::vector<int> strides = {2, 2};
  std::string activation = "elu";
  float initial_std = 1.0f;
  float initial_scale = 1.0f;
  bool normalise_observations = true;
  bool normalise_values = true;
  int window = 0;
  int gru = 64;
  std::string precision = "tf32";

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = NetworkSettings;
    field("modules", &S::modules, Names{}, "what both networks are made of, from their inputs on; dense ends them");
    field("actor", &S::actor, Bounds{1, 1 << 14}, "hidden layers' widths");
    field("critic", &S::critic, Bounds{1, 1 << 14}, "hidden layers' widths");
    field("channels", &S::channels, Bounds{1, 1 << 10}, "of convolutions, multiples of 16: where modules has them");
    field("kernels", &S::kernels, Bounds{1, 64}, "of convolutions: pixels in both directions");
    field("strides", &S::strides, Bounds{1, 64}, "of convolutions: pixels from one place of the kernel to the next");
    field("activation", &S::activation, Choices{"elu", "tanh", "relu", "silu"}, "of the hidden layers");
    field("initial_std", &S::initial_std, Bounds{1e-4, 1e2}, "of the policy, in half ranges of the action");
    field("initial_scale", &S::initial_scale, Bounds{1e-4, 1e2},
          "of hidden dense layers' first weights, which are orthogonal matrices times sqrt(2) times this");
    field("normalise_observations", &S::normalise_observations, "by running mean and variance");
    field("normalise_values", &S::normalise_values, "learn values scaled by the returns' mean and deviation");
    field("window", &S::window, Bounds{0, kLongestWindow},
          "steps that modules with a state learn from in one piece; divides train.horizon. 0: all of it");
    field("gru", &S::gru, Bounds{1, ModuleOptions::kMostGru},
          "units of each gru in modules: the numbers that it remembers and passes on");
    field("precision", &S::precision, Choices{"fp32", "tf32", "bf16"},
          "of a training's products of matrices on a GPU; tf32 is faster, and rounds their factors to 11 bits; bf16 "
          "keeps what larger dense layers learn from in 8 bits, and all else is as with tf32");
  }
};

/// [distill]: how a student learns from a teacher (docs/distillation.md).
struct DistillSettings {
  std::string teacher, dataset;
  std::vector<std::string> observations;
  int every = 1, delay = 0, history = 1;
  std::string loss = "mse";
  float huber_threshold = 1.0f;
  float latent = 0.0f;
  float reconstruct = 0.0f;
  float beta = 0.0f;
  std::string beta_schedule = "constant";
  int beta_rounds = 10;
  float action_noise = 0.0f;
  int rollouts_kept = 1;
  int epochs = 2;
  int minibatch = 2048;
  float learning_rate = 1e-3f;
  std::string schedule = "linear";
  float max_gradient_norm = 1.0f;
  int finetune = 0;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = DistillSettings;
    field("teacher", &S::teacher, Names{}, "folder of the teacher's run, from which --teacher took it");
    field("dataset", &S::dataset, Names{}, "data set that teaches in its place, from which --dataset took it");
    field("observations", &S::observations, Names{}, "of walking tasks: what the teacher sees; set by --teacher");
    field("every", &S::every, Bounds{1, 1000}, "control steps between the teacher's readings; set by --teacher");
    field("delay", &S::delay, Bounds{0, 1000}, "control steps from a reading to when it sees it; set by --teacher");
    field("history", &S::history, Bounds{1, 1000}, "readings that it sees side by side; set by --teacher");
    field("loss", &S::loss, Choices{"mse", "huber", "kl"},
          "of the actions' means: mse (squares, summed over the actions), huber; kl: of the Gaussians");
    field("huber_threshold", &S::huber_threshold, Bounds{1e-6, 1e6},
          "from which on huber grows linearly [units of the network's output]");
    field("latent", &S::latent, Bounds{0, 1e6},
          "weight of the loss that draws the last hidden layer, projected, to the teacher's");
    field("reconstruct", &S::reconstruct, Bounds{0, 1e6},
          "weight of the loss of the teacher's height_scan, told from the last hidden layer");
    field("beta", &S::beta, Bounds{0, 1}, "probability with which the teacher acts in a step, at the start");
    field("beta_schedule", &S::beta_schedule, Choices{"constant", "first", "linear"},
          "of beta: constant, in the first iteration only, or linear to 0 over beta_rounds");
    field("beta_rounds", &S::beta_rounds, Bounds{1, 1e9}, "iterations until a linear beta is 0");
    field("action_noise", &S::action_noise, Bounds{0, 10},
          "deviation of noise on the actions, not on the labels [units of the network's output]");
    field("rollouts_kept", &S::rollouts_kept, Bounds{0, 1 << 20}, "rollouts that an update learns from; 0: all");
    field("epochs", &S::epochs, Bounds{1, 100000}, "passes of an update, each of as many samples as a rollout has");
    field("minibatch", &S::minibatch, Bounds{1, 1 << 28}, "samples of an optimiser step, about");
    field("learning_rate", &S::learning_rate, Bounds{0, 1}, "Adam's step size, at the start");
    field("schedule", &S::schedule, Choices{"fixed", "linear"},
          "of the learning rate: fixed, or linear to 0 over the iterations");
    field("max_gradient_norm", &S::max_gradient_norm, Bounds{1e-9, 1e9}, "clip of the gradient's global norm");
    field("finetune", &S::finetune, Bounds{0, 1e9}, "iterations of PPO that the student is trained with afterwards");
  }
};

/// What somebody did, step by step, for a student to learn from.
struct Demonstrations {
  std::string name;                         ///< for messages
  std::int64_t steps = 0;                   ///< at least 1
  std::vector<float> observation;           ///< [steps][observations of the policy's group]
  std::vector<float> label;                 ///< [steps][actions]: what was done there, in units of the network's output
  std::vector<float> mean, variance;        ///< [observations]: of them, for the student's normalisation
  std::array<std::uint32_t, 2> checksum{};  ///< CRC-32 of the observations and of the labels
};

/// A training, as a backend gets it.
struct TrainingRequest {
  std::shared_ptr<const TaskSpec> task;
  std::uint64_t seed = 1;  ///< the same on every rank
  TrainSettings train;
  AlgorithmSettings algorithm;
  NetworkSettings network;
  /// Split the rollout's time (phase.hpp) even where that costs something: a GPU is then waited for in each iteration.
  bool timing = false;
  Rank rank{};
  std::shared_ptr<const Policy> initial;  ///< what the policy begins as; null: random weights
  // Of a distillation: one of the two teaches.
  std::shared_ptr<const Policy> teacher;  ///< sees the task's privileged group, else what the policy sees
  std::shared_ptr<const Demonstrations> demonstrations;
  DistillSettings distill;
};

}  // namespace stampede
