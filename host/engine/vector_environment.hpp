#pragma once
/// \file Environments of a task, stepped side by side with actions of the caller's own: for controllers and learners
/// outside this project. All arrays stay where the simulation runs; a caller on the same device works on them there,
/// any other copies them.
///
///     auto environment = engine->make_environment({task, 4096, 1});
///     while (...) {
///       environment->step(actions_for(environment->observations()));
///       learn_from(environment->rewards(), environment->ended());
///     }

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host/base/error.hpp"
#include "host/engine/policy.hpp"
#include "host/engine/task_spec.hpp"
#include "host/engine/tensor.hpp"

namespace stampede {

/// Which environments to make.
struct EnvironmentRequest {
  std::shared_ptr<const TaskSpec> task;
  int num_envs = 1;
  std::uint64_t seed = 1;  ///< all that is random follows from it
  bool random_initial_phase =
      false;  ///< start the first episodes at random ages, so that they do not time out together
  /// Of walking tasks: [num_envs][3] what each robot is told, forward, sideways [m/s] and turning [rad/s] or, where the
  /// task commands headings, a heading [rad]; kept through the episodes. Without: drawn at random, as in a training.
  /// With commands the environments are spread over the ground's levels as well, as an evaluation's are.
  std::vector<float> commands{};
};

class VectorEnvironment;

/// A view of an array [rows][columns] of floats; copying it copies the pointer only. One that environments gave is
/// valid as long as they are.
struct DeviceArray {
  float* data = nullptr;
  std::int64_t rows = 0, columns = 0;
  bool on_device = false;   ///< whether `data` is a GPU's pointer; else the host may use it
  std::int64_t stride = 0;  ///< floats from a row's first element to the next row's; 0: as many as columns
  VectorEnvironment* environment = nullptr;  ///< that it belongs to; null for an array of the caller's own

  /// A copy [rows][columns] without gaps, once what was enqueued is done. Throws Error for a GPU's array that belongs
  /// to no environments.
  std::vector<float> to_host() const;
};

/// Counted over all environments since the last reset.
struct VectorCounts {
  std::int64_t steps = 0;                ///< control steps of single environments
  std::int64_t episodes = 0;             ///< that ended, without those that were started at a random age
  std::int64_t nonfinite = 0;            ///< episodes that ended because a state turned non-finite
  std::int64_t contacts_over_slots = 0;  ///< contacts that the physics left out, as all slots were taken
};

/// A policy that acts in a batch of environments, on their device and without chance. It may not outlive them.
class PolicyRunner {
 public:
  virtual ~PolicyRunner() = default;

  /// What the policy does with what the environments show by now, for their next step: written to their `actions()`,
  /// which are returned, [num_envs][actions] in the task's units. States of its network go one step on, and begin anew
  /// where the last step ended an episode: to be called once a step. Enqueued like any other work.
  virtual DeviceArray act() = 0;
  /// All states begin anew, as the environments do after their own reset().
  virtual void reset() = 0;
};

/// A batch of environments. One thread calls it. Same task, seed and actions: the same bits, for any number of threads.
///
/// A GPU's work is enqueued on one stream and not waited for: whoever reads or writes arrays there enqueues on
/// `stream()` or calls `wait()` first. A CPU's is done when a call returns.
class VectorEnvironment {
 public:
  virtual ~VectorEnvironment() = default;

  /// Names of observations and actions, ranges of actions, constraints, the time limit.
  virtual const TaskSpec& task() const = 0;
  virtual std::int64_t num_envs() const = 0;

  /// Starts all anew, as they were when they were made: first observations are there, rewards and the like are 0.
  virtual void reset() = 0;

  /// Takes all environments one control step (task().control_dt seconds) on. Episodes that end are reset at once.
  ///
  /// actions [num_envs][actions] are in the task's units and are limited to its ranges, task().action.low to high. They
  /// may lie on the host or on the environments' device; those of `actions()` are used in place. Throws Error where the
  /// size is another or the array lies on another device.
  virtual void step(const DeviceArray& actions) = 0;
  /// The same, with actions [num_envs][actions] of the host, a row after the other.
  virtual void step(const std::vector<float>& actions) = 0;

  /// [num_envs][actions]: room for the next step's actions, for the caller to write; at first the ranges' centres.
  virtual DeviceArray actions() = 0;
  /// [num_envs][size of the group]: what the next actions are chosen from. "policy"; "critic" where the task has one.
  /// Throws Error where it has no such group.
  virtual DeviceArray observations(const std::string& group = "policy") = 0;
  /// [num_envs][1]: of the last step.
  virtual DeviceArray rewards() = 0;
  /// [num_envs][1]: how the last step left each episode. 0: it goes on; 1: it was terminated; 2: it timed out.
  virtual DeviceArray ended() = 0;
  /// [num_envs][size]: what was seen before the reset where the last step ended an episode, without noise. Other rows
  /// mean nothing. Of the group "critic" where the task has one, else of "policy".
  virtual DeviceArray final_observations() = 0;
  /// [columns of the constraints][num_envs], those of task().constraints.list[i] from its `begin` on: above 0 where the
  /// last step violates the constraint, by how much in its quantity's unit; kNotApplied (kernels/constraints.hpp) where
  /// it does not apply. Without rows where the task has no constraints.
  virtual DeviceArray violations() = 0;

  /// [states][num_envs]: what is simulated, after the last step and the resets behind it: of walking tasks a robot's
  /// qpos, then its qvel, in MuJoCo's order, units and axes; of others the members of their State. Copied by each call.
  virtual DeviceArray states() = 0;
  /// Other commands from now on, as EnvironmentRequest has them. Throws Error where that had none, or for another size.
  virtual void set_commands(const std::vector<float>& commands) = 0;
  /// Sets the base's horizontal velocity [m/s, world axes] of one environment, as the pushes of a training do. Throws
  /// Error where there is no such environment, and for tasks without a robot.
  virtual void push(std::int64_t env, float x, float y) = 0;

  /// A policy to act in these environments. Throws Error where it does not fit their task.
  virtual std::unique_ptr<PolicyRunner> make_policy_runner(const Policy& policy) = 0;

  /// Waits for what was enqueued, then counts.
  virtual VectorCounts counts() = 0;

  /// Everything that the next steps depend on, bit for bit, and all arrays but the actions.
  virtual std::vector<Tensor> state() = 0;
  /// Takes what `state` gave of as many environments of the same task, seed included. Throws Error naming the tensor
  /// that is missing or of another size.
  virtual void restore(const std::vector<Tensor>& tensors) = 0;

  /// Waits until everything is done that was enqueued.
  virtual void wait() = 0;
  /// The cudaStream_t that everything is enqueued on; null on a CPU.
  virtual void* stream() = 0;

  /// As DeviceArray::to_host.
  virtual std::vector<float> read(const DeviceArray& array) = 0;
};

inline std::vector<float> DeviceArray::to_host() const {
  if (environment != nullptr) return environment->read(*this);
  if (on_device) throw Error("an array of the caller's own is on a GPU; copy it with the GPU's own functions");
  const std::int64_t step = stride == 0 ? columns : stride;
  std::vector<float> values;
  for (std::int64_t row = 0; row < rows; ++row)
    values.insert(values.end(), data + row * step, data + row * step + columns);
  return values;
}

}  // namespace stampede
