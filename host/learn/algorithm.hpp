#pragma once
/// \file What an algorithm is: networks, and an update that improves them from a rollout. PPO is one (ppo.hpp),
/// distillation another (distillation.hpp). A further one is a class that derives from Algorithm and is registered
/// under a name with each backend (register_algorithm); the setting `algorithm.kind` chooses among the names.

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/training_request.hpp"
#include "host/learn/actor.hpp"
#include "host/learn/adam.hpp"
#include "host/learn/report.hpp"
#include "host/learn/rollout.hpp"

namespace stampede {

template <class Backend>
class Algorithm {
 public:
  using Context = typename Backend::Context;
  virtual ~Algorithm() = default;

  /// The policy and the critic: they act, and are saved, exported and evaluated.
  ActorCritic<Backend>& networks() { return networks_; }
  /// Makes what chooses the actions of the rollouts: here the policy that is learned, with actions drawn from its
  /// Gaussian. `first_environment`: number of this rank's first environment among those of all ranks.
  virtual std::unique_ptr<Actor<Backend>> make_actor(const ActionSpec& action, std::uint64_t seed,
                                                     Index first_environment) {
    return std::make_unique<PolicyActor<Backend>>(backend_, networks_, control_.data(), action, seed,
                                                  first_environment);
  }
  /// What a rollout is to store of the networks' states.
  StateShape states() const { return {networks_.states(), networks_.window()}; }
  /// Counters and learning rate, on the device. Its clock is part of the key of every random number that a rollout
  /// draws.
  Control* control() { return control_.data(); }

  // The following functions only enqueue work, and the same work each time, because a GPU records an iteration and
  // replays it. A sum over samples goes through the backend's communicator before it is used, and is divided by the
  // number of samples of all ranks (host/engine/communicator.hpp).
  void begin_iteration() {
    backend_.launch_single(BeginIteration{control_.data(), schedule_of(settings_.schedule), settings_.learning_rate,
                                          static_cast<float>(iterations_)});
  }
  /// Computes what follows from the rollout alone, such as advantages and returns: for a tile of environments, as soon
  /// as its last step is taken, where the task has no constraints ...
  virtual void judge(const Context& context, Range environments, Rollout<Backend>& rollout) = 0;
  /// ... or for all environments after the whole rollout, where it has. `soft_terminations` [horizon][stride]: the
  /// share of the future that each step costs (kernels/constraints.hpp); null where violations are only reported.
  virtual void judge(Rollout<Backend>& rollout, const float* soft_terminations) = 0;
  virtual void update(Rollout<Backend>& rollout) = 0;
  void end_iteration() {
    backend_.launch_single(EndIteration{control_.data(), static_cast<std::uint32_t>(shape_.horizon)});
  }

  /// Numbers of the algorithm's own for the report [WriteReport::kOwn]; null where it has none.
  virtual const float* own_numbers() { return nullptr; }
  /// Adds the algorithm's metrics, which are read from the report's row (report.hpp). `samples`: number of samples in
  /// an iteration, of all ranks.
  virtual void list_metrics(ReportReader& metrics, double samples) = 0;
  /// Floating-point operations that the networks take in one update.
  virtual double update_flops() const = 0;

  // ------------------------------------------------------------------------------------------ on the host

  /// Everything that a resumed training needs of the algorithm. The device must have finished its work.
  virtual void save(std::vector<Tensor>& tensors) {
    networks_.save_parameters(tensors);
    optimiser_.save(tensors);
    networks_.save_normalisers(tensors);
    const Control control = read_control();
    tensors.push_back(make_tensor("control", {sizeof(Control) / 4}, &control, Tensor::Type::kU32));
  }
  virtual void load(const std::vector<Tensor>& tensors) {
    networks_.load_parameters(tensors);
    optimiser_.load(tensors);
    networks_.load_normalisers(tensors);
    const auto words = tensor_values<std::uint32_t>(tensors, "control", Tensor::Type::kU32, sizeof(Control) / 4);
    Control control;
    std::memcpy(&control, words.data(), sizeof control);
    set_control(control);
  }

  Control read_control() {
    Control control;
    backend_.download(control_, &control, 1);
    return control;
  }
  void set_control(const Control& control) { backend_.upload(control_, &control, 1); }

 protected:
  /// `with_critic`: whether values are learned; `most_rows`: the largest number of samples in one pass through the
  /// networks during an update; `heads`: auxiliary ones of the actor. (While acting, a pass has up to one row for each
  /// environment.)
  Algorithm(Backend& backend, const TrainingRequest& request, const RolloutShape& shape, bool with_critic,
            Index most_rows, const std::vector<AuxiliaryHead>& heads = {})
      : backend_(backend),
        settings_(request.algorithm),
        iterations_(request.train.iterations),
        shape_(shape),
        networks_(backend, *request.task, request.network, request.seed, with_critic,
                  std::max(shape.stride, padded(most_rows)), shape.horizon, heads),
        optimiser_(backend, networks_, request.algorithm),
        control_(backend.template make_buffer<Control>(1)) {
    Control control{};
    control.learning_rate = settings_.learning_rate;
    control.beta1_power = control.beta2_power = 1.0f;
    control.values = {0.0f, 0.0f, 1.0f};
    set_control(control);
  }

  Backend& backend_;
  AlgorithmSettings settings_;
  int iterations_;
  RolloutShape shape_;
  ActorCritic<Backend> networks_;
  Adam<Backend> optimiser_;
  typename Backend::template Buffer<Control> control_;
};

template <class Backend>
using MakeAlgorithm = std::unique_ptr<Algorithm<Backend>> (*)(Backend&, const TrainingRequest&, const RolloutShape&);

/// The algorithms that an engine knows, by name. Filled by initialisers of variables (register_algorithm) when the
/// engine's shared library is loaded.
template <class Backend>
std::map<std::string, MakeAlgorithm<Backend>>& algorithm_registry() {
  static std::map<std::string, MakeAlgorithm<Backend>> all;
  return all;
}

/// Registers `Made<Backend>`, whose constructor takes what MakeAlgorithm does. Returns true, for the initialiser of a
/// variable.
template <template <class> class Made, class Backend>
bool register_algorithm(const std::string& name) {
  algorithm_registry<Backend>()[name] = [](Backend& backend, const TrainingRequest& request,
                                           const RolloutShape& shape) {
    return std::unique_ptr<Algorithm<Backend>>(std::make_unique<Made<Backend>>(backend, request, shape));
  };
  return true;
}

/// Makes the algorithm that the request names. Throws Error that lists the known ones where there is none of that name.
template <class Backend>
std::unique_ptr<Algorithm<Backend>> make_algorithm(Backend& backend, const TrainingRequest& request,
                                                   const RolloutShape& shape) {
  const auto& all = algorithm_registry<Backend>();
  if (const auto found = all.find(request.algorithm.kind); found != all.end()) {
    return found->second(backend, request, shape);
  }
  std::string names;
  for (const auto& [name, make] : all) names += (names.empty() ? "" : ", ") + name;
  throw Error("algorithm.kind = \"" + request.algorithm.kind + "\" is unknown to this engine; it has " + names);
}

}  // namespace stampede
