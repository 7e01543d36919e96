#pragma once
/// \file Who chooses the actions while a rollout is collected.

#include <cstdint>
#include <string>
#include <vector>

#include "host/learn/rollout.hpp"
#include "host/nets/action_bounds.hpp"
#include "host/nets/actor_critic.hpp"
#include "kernels/policy.hpp"

namespace stampede {

/// What chooses the actions while a rollout is collected: the policy that is learned, or something else (a teacher,
/// random actions, a mixture). An algorithm chooses its actor (Algorithm::make_actor).
template <class Backend>
class Actor {
 public:
  using Context = typename Backend::Context;
  virtual ~Actor() = default;

  /// All environments have started anew.
  virtual void reset() {}
  /// Called before each rollout.
  virtual void begin(Rollout<Backend>&) {}
  /// Chooses the actions of step `t` for a range of environments. Writes them to `action` [env][actions] in the task's
  /// units, and to the rollout (output, mean, log_prob) as the update needs them. Where the learning policy has a
  /// state, this function must also advance it by a step (ActorCritic::mean with rollout.current_state()); the
  /// collector advances the critic's.
  virtual void act(const Context& context, Range environments, Index t, Rollout<Backend>& rollout, float* action) = 0;
  /// Called after each step: `ended` [environment] is not 0 where it ended an episode. Whatever the actor itself
  /// carries from step to step begins anew there.
  virtual void forget(const Context&, Range, const float* /*ended*/) {}
};

/// Acts with the policy that is learned: actions are drawn from its Gaussian.
template <class Backend>
class PolicyActor final : public Actor<Backend> {
 public:
  using Context = typename Backend::Context;

  /// `first_environment`: number of this rank's first environment among those of all ranks.
  PolicyActor(Backend& backend, ActorCritic<Backend>& networks, const Control* control, const ActionSpec& action,
              std::uint64_t seed, Index first_environment)
      : backend_(backend),
        networks_(networks),
        control_(control),
        bounds_(backend, action.centre, action.scale, action.low, action.high),
        seed_(seed),
        first_environment_(first_environment) {}

  void begin(Rollout<Backend>& rollout) override {
    backend_.launch(rollout.actions, CopyElements{networks_.log_std(), rollout.log_std.data()});
  }

  void act(const Context& context, Range environments, Index t, Rollout<Backend>& rollout, float* action) override {
    const Index at = t * rollout.shape.stride;
    networks_.act(context, environments, rollout.observation.data() + at * rollout.observations,
                  rollout.current_state(),
                  SampleActions{nullptr, 0, 0, networks_.log_std(), static_cast<int>(rollout.actions), seed_, control_,
                                static_cast<std::uint32_t>(t), bounds_.scaling(),
                                rollout.output.data() + at * rollout.actions, action, rollout.log_prob.data() + at,
                                rollout.mean.data() + at * rollout.actions, first_environment_});
  }

 private:
  Backend& backend_;
  ActorCritic<Backend>& networks_;
  const Control* control_;
  ActionBounds<Backend> bounds_;
  std::uint64_t seed_;
  Index first_environment_;
};

}  // namespace stampede
