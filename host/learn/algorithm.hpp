#pragma once
/// \file What an algorithm is: networks, and an update that makes them better by a rollout. PPO is one (ppo.hpp); another is a class of
/// this shape that is registered under a name, which `algorithm.kind` chooses. Nothing else changes.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/engine/training_request.hpp"
#include "host/learn/report.hpp"
#include "host/learn/rollout.hpp"
#include "host/nets/actor_critic.hpp"

namespace stampede {

template <class Backend>
class Algorithm {
 public:
  using Context = typename Backend::Context;
  virtual ~Algorithm() = default;

  /// What acts, and is saved, exported and evaluated.
  virtual ActorCritic<Backend>& networks() = 0;
  /// The counters on the device. The collector draws by its clock.
  virtual Control* control() = 0;

  // All of these only enqueue work, the same each time: an iteration is recorded and replayed. A sum over samples goes through the
  // backend's communicator before it is used, and what it is divided by counts those of all ranks (host/engine/communicator.hpp).
  virtual void begin_iteration() = 0;
  /// What follows from a rollout alone, as advantages and returns: of a tile of environments, once it has its rollout ...
  virtual void judge(const Context& context, Range environments, Rollout<Backend>& rollout) = 0;
  /// ... or of all, where constraints come in between. `soft_terminations` [horizon][stride]: probabilities that each step ended the
  /// episode; null where constraints are only watched.
  virtual void judge(Rollout<Backend>& rollout, const float* soft_terminations) = 0;
  virtual void update(Rollout<Backend>& rollout) = 0;
  virtual void end_iteration() = 0;

  /// [2][2]: sum and sum of squares of all ranks' returns and advantages, about their means in the rollouts, for the report; null where
  /// the algorithm has none.
  virtual const float* return_sums() { return nullptr; }
  /// Adds the algorithm's metrics, which are read off the report's row (report.hpp). `samples`: of all ranks' rollouts.
  virtual void list_metrics(ReportReader& metrics, double samples) = 0;
  /// Floating-point operations of one update's dense layers.
  virtual double update_flops() const = 0;

  /// Everything that it goes on from; the device's work must be done.
  virtual void save(std::vector<Tensor>& tensors) = 0;
  virtual void load(const std::vector<Tensor>& tensors) = 0;
  virtual Control read_control() = 0;
  virtual void set_control(const Control& control) = 0;
};

template <class Backend>
using MakeAlgorithm = std::unique_ptr<Algorithm<Backend>> (*)(Backend&, const TrainingRequest&, const RolloutShape&);

/// The module's algorithms, by name. Each puts itself in when the module is loaded.
template <class Backend>
std::map<std::string, MakeAlgorithm<Backend>>& algorithm_registry() {
  static std::map<std::string, MakeAlgorithm<Backend>> all;
  return all;
}

/// Registers `Made<Backend>`, whose constructor takes what MakeAlgorithm does. Returns true, for the initialiser of a variable.
template <template <class> class Made, class Backend>
bool register_algorithm(const std::string& name) {
  algorithm_registry<Backend>()[name] = [](Backend& backend, const TrainingRequest& request,
                                           const RolloutShape& shape) {
    return std::unique_ptr<Algorithm<Backend>>(std::make_unique<Made<Backend>>(backend, request, shape));
  };
  return true;
}

/// Throws Error, naming those that there are, where there is none of the request's name.
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
