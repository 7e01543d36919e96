#pragma once
/// \file A trained policy that acts for evaluations. It is deterministic: an action is the Gaussian's mean.

#include <string>
#include <vector>

#include "host/engine/policy.hpp"
#include "host/engine/task_spec.hpp"
#include "host/nets/action_bounds.hpp"
#include "host/nets/network.hpp"
#include "host/nets/normaliser.hpp"
#include "host/nets/recurrence.hpp"

namespace stampede {

/// Throws Error where a policy has other observations or actions than the task.
inline void check_fit(const Policy& policy, const TaskSpec& task) {
  if (policy.observations() == task.policy().size() && policy.actions() == task.action.size() &&
      !policy.actor.empty()) {
    return;
  }
  throw Error("policy: it maps " + std::to_string(policy.observations()) + " observations to " +
              std::to_string(policy.actions()) + " actions, task '" + task.name + "' has " +
              std::to_string(task.policy().size()) + " and " + std::to_string(task.action.size()));
}

template <class Backend>
class ActingPolicy {
 public:
  using Context = typename Backend::Context;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  /// For `environments` environments, a multiple of kMaxLanes; their network states begin at 0. Throws Error where the
  /// engine does not know a module of the network, or the network does not fit the actions.
  ActingPolicy(Backend& backend, const Policy& policy, Index environments)
      : actions_(policy.actions()),
        network_(backend, policy.actor, policy.observations(), 0, environments),
        normaliser_(backend, policy.observations(), policy.observation_clip),
        bounds_(backend, policy.action_centre, policy.action_scale, policy.action_low, policy.action_high),
        parameters_(backend.template make_buffer<float>(network_.place().end)),
        rows_(backend, environments, normaliser_.stride()) {
    if (network_.head().outputs() != actions_) {
      throw Error("policy: its network gives " + std::to_string(network_.head().outputs()) + " numbers for " +
                  std::to_string(actions_) + " actions");
    }
    std::vector<float> values(static_cast<std::size_t>(parameters_.size()), 0.0f);
    network_.write(policy.actor, values.data());
    backend.upload(parameters_, values.data(), parameters_.size());
    network_.parameters_changed(parameters_.data());
    const std::vector<float> no_counts(policy.observation_mean.size(), 0.0f);
    normaliser_.write(backend, no_counts, policy.observation_mean, policy.observation_variance);
    if (network_.states() > 0) state_ = backend.template make_buffer<float>(environments * network_.states());
  }

  /// All states begin anew.
  void reset(Backend& backend) {
    if (network_.states() > 0) {
      backend.launch(state_.size(), ForgetStates{nullptr, state_.data(), network_.states()});
    }
  }

  /// Writes the actions [environment][actions], in the task's units, of the environments in `range` for the
  /// observations [environment][observations], and advances their network states by one step.
  void act(const Context& context, Range range, const float* observation, float* action) {
    network_.run(
        context, parameters_.data(),
        normaliser_.rows_of(observation + range.begin * normaliser_.observations(), nullptr, rows_.at(context)), range,
        one_step(range, state(), network_.states(), true),
        MeanActions{nullptr, 0, 0, actions_, bounds_.scaling(), action});
  }
  /// The same as the network gives it, before scaling: the row of environment e is e - range.begin, and rows are
  /// mean_stride() apart. Valid until the next call on the same context.
  const float* mean(const Context& context, Range range, const float* observation) {
    float* rows = rows_.at(context);
    normaliser_.apply(context, observation + range.begin * normaliser_.observations(), nullptr, range.size(), rows);
    return network_.forward(context, parameters_.data(), rows, normaliser_.stride(),
                            one_step(range, state(), network_.states(), true));
  }
  Index mean_stride() const { return network_.output_stride(); }
  /// What the last `mean` on this context saw and what it made of that, rows as its: the observations, normalised, and
  /// the last hidden layer, which must be there.
  const float* seen(const Context& context) { return rows_.at(context); }
  Index seen_stride() const { return normaliser_.stride(); }
  const float* hidden(const Context& context) const { return network_.head().hidden(context); }
  Index hidden_stride() const { return network_.head().hidden_stride(); }
  /// How many numbers the network carries from step to step for each environment.
  Index states() const { return network_.states(); }

  /// Network states [environments][states()], on the host; only where there are any.
  std::vector<float> read_states(Backend& backend) {
    std::vector<float> values(static_cast<std::size_t>(state_.size()));
    backend.download(state_, values.data(), state_.size());
    return values;
  }
  void write_states(Backend& backend, const std::vector<float>& values) {
    backend.upload(state_, values.data(), state_.size());
  }

  /// To be called after every step of the environments: sets network states to 0 where `ended` [environment] is not 0.
  void forget(const Context& context, Range range, const float* ended) {
    const Index width = network_.states();
    if (width == 0) return;
    context.launch({range.begin * width, range.end * width}, ForgetStates{ended, state(), width});
  }

 private:
  float* state() { return network_.states() > 0 ? state_.data() : nullptr; }

  int actions_;
  Network<Backend> network_;
  ObservationNormaliser<Backend> normaliser_;
  ActionBounds<Backend> bounds_;
  Buffer<float> parameters_, state_;
  typename Backend::Scratch rows_;
};

}  // namespace stampede
