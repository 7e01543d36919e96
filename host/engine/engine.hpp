#pragma once
/// \file The plain interface between the program and a backend's module.
///
/// Kernels are compiled once for each kind of processor: for CUDA, and for the CPU's instruction sets. Each becomes a
/// module, a shared library that is loaded at run time and exports one function, `stampede_engine`, and the text
/// `stampede_interface`, a hash of the headers that it was compiled with. The program calls modules through the virtual
/// functions below only, and is linked against nothing of CUDA: so it starts on machines without it.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/engine/metrics.hpp"
#include "host/engine/policy.hpp"
#include "host/engine/rank_group.hpp"
#include "host/engine/simulation.hpp"
#include "host/engine/standalone_policy.hpp"
#include "host/engine/tensor.hpp"
#include "host/engine/training_request.hpp"
#include "host/engine/vector_environment.hpp"

namespace stampede {

/// A stage of a run: something that advances in iterations and has a state and a policy. A training is one. One thread
/// calls it.
class Stage {
 public:
  virtual ~Stage() = default;

  /// Starts one iteration; of a training a rollout and an update. On a CPU it is done when this returns, on a GPU it is
  /// only enqueued. Throws Error where kIterationsInFlight (in_flight.hpp) reports were not fetched yet.
  virtual void enqueue_iteration() = 0;

  /// Fetches the oldest report that was not fetched yet. With `wait` false, only if it is there already.
  /// Returns whether there was one. Its iteration, steps and counts are since the stage's own beginning.
  virtual bool fetch_report(Report& report, bool wait) = 0;

  /// What its reports tell.
  virtual std::shared_ptr<const MetricTable> metrics() const = 0;

  /// Everything that later iterations depend on, bit for bit; of a training weights, optimiser, normalisers,
  /// environments, counters.
  virtual std::vector<Tensor> state() = 0;

  /// Takes what `state` gave. Throws Error naming the tensor that is missing or of another shape.
  virtual void restore(const std::vector<Tensor>& tensors) = 0;

  /// What the last `restore` had to correct in what it was given, a line each.
  virtual std::vector<std::string> mended() const { return {}; }

  /// The policy as it stands.
  virtual Policy policy() = 0;

  /// `environment` [n]: indices of the environments whose state was not finite at some time; `state` [n, states]: the
  /// state of each before the last one that was not finite. Empty where there are none.
  virtual std::vector<Tensor> last_finite() { return {}; }

  /// Floating-point operations of one iteration's update: the networks', forward and backward.
  virtual double update_flops() const = 0;
};

/// What an evaluation is asked for.
struct EvaluationRequest {
  std::shared_ptr<const TaskSpec> task;
  int episodes = 100;
  std::uint64_t seed = 1;
  bool trace = false;                   ///< keep every observation, action, reward and state
  std::vector<float> commands;          ///< walking: [episodes][3], kept through each episode
  ExternalPhysics* external = nullptr;  ///< walking: the engine to use instead of ours; on a CPU
};

/// What an evaluation of a walking task finds in addition; definitions in docs/walking.md.
struct LeggedEvaluation {
  double tracking_error_linear = 0;   ///< [m/s]; NaN where no episode lasted a second
  double tracking_error_angular = 0;  ///< [rad/s]
  double fall_rate = 0;
  double survival = 0;  ///< share of episodes that lasted to their time limit
  double cost_of_transport = 0;
  /// On ground of tiles: episodes that were told to walk straight off their tile, and those that did.
  struct Crossing {
    int trials = 0, crossed = 0;
  };
  std::vector<Crossing> crossings;  ///< [levels][columns]
  /// Of each of FormulaSpec::names: the share of all steps, those of later episodes too, in which it was not finite.
  std::vector<double> formulas_not_finite;
};

/// How an evaluation kept one constraint: the share of steps that violate it, and, over all steps, mean and 99th
/// percentile of the violation (0 where there is none, in the unit of its quantity).
struct ConstraintFigures {
  double violated = 0, mean = 0, p99 = 0;
  double applied = 0;                ///< share of steps to which its `when` applies
  double violated_when_applied = 0;  ///< share of those that violate it; NaN where there are none
};

/// What the deterministic policy did in `episodes` environments, each until the end of its first episode.
struct Evaluation {
  int episodes = 0;
  double return_mean = 0, return_std = 0, episode_length_mean = 0;
  double metric = 0;  ///< mean over episodes of the task's own metric, where it has one
  std::int64_t steps = 0, nonfinite = 0, contacts_over_slots = 0;
  std::vector<double> returns;                 ///< of each episode
  std::vector<ConstraintFigures> constraints;  ///< in the task's order
  LeggedEvaluation legged;                     ///< of walking tasks
  /// With a trace: `observation` [steps, episodes, observations], `action` [steps, episodes, actions],
  /// `reward` [steps, episodes], `state` [steps, episodes, states] (before the step), `active` [steps, episodes].
  std::vector<Tensor> trace;
};

/// Environments to step with random actions.
struct BenchmarkRequest {
  std::shared_ptr<const TaskSpec> task;
  int num_envs = 4096;
  std::uint64_t seed = 1;
  double seconds = 3;  ///< about how long [s]
};

/// What a benchmark of an environment measured.
struct EnvironmentBenchmark {
  std::int64_t steps = 0, episodes = 0, nonfinite = 0, contacts_over_slots = 0;
  double seconds = 0;
};

/// A matrix product of a training that a library of the device computes, op(A) op(B) with op(A) m x k and op(B) k x n,
/// and the algorithm that the library chose for it.
struct MatrixProduct {
  std::int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  std::string precision;  ///< of its factors: "float32", "tf32" or "bf16"
  std::string epilogue;   ///< what is done with the sums before they are stored: "none", "bias", "bias_relu"
  /// The library's own numbers for the algorithm, by name; of cuBLASLt `algorithm`, `split_k`, `tile` and so on.
  std::vector<std::pair<std::string, std::int64_t>> algorithm;

  bool operator==(const MatrixProduct&) const = default;
};

/// A processor to run on, with its kernels.
class Engine {
 public:
  virtual ~Engine() = default;

  /// "cpu" or "cuda".
  virtual std::string device() const = 0;
  /// "avx512", "avx2", "baseline" on a CPU; "sm_90" and the like on a GPU.
  virtual std::string instruction_set() const = 0;
  /// The device's name and size, for people.
  virtual std::string description() const = 0;
  /// Host threads in use.
  virtual int threads() const = 0;
  /// Which of the GPUs that the process sees; 0 on a CPU.
  virtual int gpu() const { return 0; }
  /// The products that a library computes and for which it has chosen an algorithm so far, each once: of a training all
  /// of them after its first iteration. None on a CPU, whose loops are the engine's own.
  virtual std::vector<MatrixProduct> matrix_products() const { return {}; }

  /// From now on its trainers learn together with those of the group's other ranks; what a request says of ranks has
  /// no meaning then. The group must outlive them. Throws Error where the device cannot exchange numbers.
  virtual void join(RankGroup& group) = 0;
  virtual std::unique_ptr<Stage> make_trainer(const TrainingRequest& request) = 0;
  virtual Evaluation evaluate(const EvaluationRequest& request, const Policy& policy) = 0;
  /// Steps environments with random actions drawn in the kernel.
  virtual EnvironmentBenchmark bench_environment(const BenchmarkRequest& request) = 0;
  /// Environments of a task, to be stepped with the caller's actions; they may outlive the engine. Throws Error where
  /// the task or their number does not fit.
  virtual std::unique_ptr<VectorEnvironment> make_environment(const EnvironmentRequest& request) = 0;
  /// A policy by itself, for so many rows of observations; it may outlive the engine. Throws Error where the engine
  /// does not know a module of its network.
  virtual std::unique_ptr<StandalonePolicy> make_policy(const Policy& policy, int rows) = 0;
  /// Robots of a description, by themselves.
  virtual std::unique_ptr<Simulation> make_simulation(const SimulationRequest& request) = 0;
  /// The rate of fused multiply-adds that all threads reach together [GFLOP/s], measured by this call. 0 where it
  /// cannot be.
  virtual double fma_peak_gflops() = 0;
};

/// Signature of a module's one exported function, `stampede_engine`. `threads` 0: all cores; `gpu`: which of the GPUs
/// that the process sees, from 0 on, where it is one for GPUs. Throws Error with a reason where the device cannot be
/// used.
using MakeEngine = Engine*(int threads, int gpu);

/// Signature of `stampede_double_simulation`, which the module of doubles exports in its place.
using MakeSimulation = Simulation*(int threads, const SimulationRequest& request);

}  // namespace stampede
