#pragma once
/// \file Fills rollouts: an actor chooses actions, the environments take steps, and what they bring is stored.

#include <algorithm>
#include <cstdint>
#include <memory>

#include "host/engine/phase.hpp"
#include "host/learn/actor.hpp"
#include "host/learn/algorithm.hpp"
#include "host/learn/constraints.hpp"
#include "host/learn/rollout.hpp"
#include "host/simulate/environments.hpp"
#include "kernels/returns.hpp"

namespace stampede {

/// Collects rollouts: for each tile of environments, `horizon` times: act, step; then the critic's values of all steps,
/// in as few passes as there is room for. On a CPU a tile stays in its thread's cache for the whole rollout. A critic
/// with a state goes along step by step, as it sees every observation once, in order.
template <class Backend>
class Collector {
 public:
  using Context = typename Backend::Context;

  Collector(Backend& backend, Environments<Backend>& environments, Algorithm<Backend>& algorithm, Actor<Backend>& actor,
            Constraints<Backend>* constraints, std::uint64_t seed)
      : backend_(backend),
        environments_(environments),
        algorithm_(algorithm),
        actor_(actor),
        constraints_(constraints),
        seed_(seed),
        action_(backend.template make_buffer<float>(environments.stride() * environments.task().action.size())) {}

  /// Starts all environments, with `random_phase` at random ages. Their first observations become the rollout's last
  /// row, with which the next rollout begins.
  void reset(Rollout<Backend>& rollout, bool random_phase) {
    FirstObservations first{rollout.observation.data() + rollout.shape.rows() * rollout.observations};
    if (rollout.privileged_observations > 0) {
      first.privileged = rollout.privileged_observation.data() + rollout.shape.rows() * rollout.privileged_observations;
    }
    environments_.reset(backend_, seed_, random_phase, first);
    actor_.reset();
    const Index width = rollout.states.width;
    if (width > 0) {
      backend_.launch(rollout.shape.stride * width, ForgetStates{nullptr, rollout.current_state(), width});
    }
  }

  /// Enqueues one rollout. Without constraints the algorithm's judge() follows for each tile as soon as it is done.
  /// With constraints the caller does that later, as the soft terminations of the whole rollout are needed first.
  void collect(Rollout<Backend>& rollout) {
    environments_.clear_statistics(backend_);
    actor_.begin(rollout);
    backend_.for_tiles(rollout.shape.stride, [&](const Context& context, Range range) {
      begin_with_last_row(context, range, rollout);
      for (Index t = 0; t < rollout.shape.horizon; ++t) take_step(context, range, t, rollout);
      if (rollout.states.width > 0) {
        estimate(context, range, rollout.shape.horizon, rollout, false);  // the next rollout begins with this step
      } else {
        estimate_all(context, range, rollout);
      }
      if (constraints_ == nullptr) algorithm_.judge(context, range, rollout);
      context.mark(Phase::kInference);
    });
  }

 private:
  /// Copies the observations behind the last rollout's last step to the first row of this one.
  void begin_with_last_row(const Context& context, Range range, Rollout<Backend>& rollout) {
    const auto copy = [&](typename Backend::template Buffer<float>& buffer, Index width) {
      context.launch({range.begin * width, range.end * width},
                     CopyElements{buffer.data() + rollout.shape.rows() * width, buffer.data()});
    };
    copy(rollout.observation, rollout.observations);
    if (rollout.privileged_observations > 0) copy(rollout.privileged_observation, rollout.privileged_observations);
  }

  /// The values of one step, of networks with a state.
  void estimate(const Context& context, Range range, Index t, Rollout<Backend>& rollout, bool state_goes_on) {
    const Index at = t * rollout.shape.stride;
    algorithm_.networks().estimate(context, range, rollout.privileged_row(at), algorithm_.control(),
                                   rollout.value.data() + at, rollout.current_state(), state_goes_on);
  }

  /// The values of all steps of a tile, of networks without a state.
  void estimate_all(const Context& context, Range range, Rollout<Backend>& rollout) {
    if (!algorithm_.networks().has_critic()) return;
    const Index stride = rollout.shape.stride, horizon = rollout.shape.horizon;
    estimate_steps(context, range, horizon + 1, rollout.privileged_row(0), rollout.value.data(), stride);
    const Index features = rollout.final_observation.size() / stride;
    for (Index row = 0; row < rollout.final_rows(); ++row) {
      const Index first = row * rollout.final_steps, end = std::min(first + rollout.final_steps, horizon);
      if (!any_ended(context, range, first, end, rollout)) continue;
      estimate_steps(context, range, 1, rollout.last_observation.data() + row * stride * features,
                     rollout.final_value.data() + row * stride, stride);
    }
  }

  /// Values of `steps` steps; `observation` and `value` are [step][stride]. Where the tile is all there is, the steps'
  /// rows follow each other, and a pass takes as many as there is room for.
  void estimate_steps(const Context& context, Range range, Index steps, const float* observation, float* value,
                      Index stride) {
    ActorCritic<Backend>& networks = algorithm_.networks();
    const auto pass = [&](Range rows) {
      networks.estimate(context, rows, observation, algorithm_.control(), value, nullptr, false);
    };
    if (range.size() < stride) {
      for (Index t = 0; t < steps; ++t) pass({t * stride + range.begin, t * stride + range.end});
      return;
    }
    const Index rows = steps * stride, most = networks.rows_at_once();
    for (Index begin = 0; begin < rows; begin += most) pass({begin, std::min(begin + most, rows)});
  }

  static bool any_ended(const Context& context, Range range, Index first, Index end, Rollout<Backend>& rollout) {
    for (Index t = first; t < end; ++t) {
      if (context.any_set(rollout.ended.data() + t * rollout.shape.stride, range)) return true;
    }
    return false;
  }

  /// At its time limit an episode is cut off, not over: the critic's value stands for the rewards that would have
  /// followed. Computes it now, of networks with a state; of others the step keeps what it is a value of.
  void note_time_limits(const Context& context, Range range, Index t, Rollout<Backend>& rollout) {
    const Index stride = rollout.shape.stride;
    const float* ended = rollout.ended.data() + t * stride;
    ActorCritic<Backend>& networks = algorithm_.networks();
    if (rollout.states.width == 0 || !networks.has_critic() || !context.any_set(ended, range)) return;
    networks.estimate(context, range, rollout.final_observation.data(), algorithm_.control(),
                      rollout.final_value.data() + t / rollout.final_steps * stride, rollout.current_state(), false);
  }

  /// Stores the networks' states for the update where a window begins.
  void keep_states(const Context& context, Range range, Index t, Rollout<Backend>& rollout) {
    const Index width = rollout.states.width;
    if (width == 0 || t % rollout.states.window != 0) return;
    float* kept = rollout.state.data() + t / rollout.states.window * rollout.shape.stride * width;
    context.launch({range.begin * width, range.end * width}, CopyElements{rollout.current_state(), kept});
  }

  void forget_states(const Context& context, Range range, Index t, Rollout<Backend>& rollout) {
    const float* ended = rollout.ended.data() + t * rollout.shape.stride;
    actor_.forget(context, range, ended);
    const Index width = rollout.states.width;
    if (width == 0) return;
    context.launch({range.begin * width, range.end * width}, ForgetStates{ended, rollout.current_state(), width});
  }

  void take_step(const Context& context, Range range, Index t, Rollout<Backend>& rollout) {
    const Index stride = rollout.shape.stride, at = t * stride;
    keep_states(context, range, t, rollout);
    actor_.act(context, range, t, rollout, action_.data());
    if (rollout.states.width > 0) estimate(context, range, t, rollout, true);
    context.mark(Phase::kInference);
    StepOutput out{rollout.reward.data() + at, rollout.ended.data() + at,
                   rollout.observation.data() + (at + stride) * rollout.observations, rollout.final_observation.data()};
    if (rollout.privileged_observations > 0) {
      out.privileged_observation =
          rollout.privileged_observation.data() + (at + stride) * rollout.privileged_observations;
    }
    if (rollout.states.width == 0 && algorithm_.networks().has_critic()) {
      const Index row = t / rollout.final_steps;
      out.last_observation = rollout.last_observation.data() + row * rollout.final_observation.size();
    }
    if (constraints_ != nullptr) {
      out.violation = constraints_->violation(t);
      out.violation_stride = constraints_->stride();
    }
    environments_.step(context, range, seed_, algorithm_.control(), static_cast<int>(t), action_.data(), out);
    note_time_limits(context, range, t, rollout);
    forget_states(context, range, t, rollout);
  }

  Backend& backend_;
  Environments<Backend>& environments_;
  Algorithm<Backend>& algorithm_;
  Actor<Backend>& actor_;
  Constraints<Backend>* constraints_;  ///< null where the task has none
  std::uint64_t seed_;
  typename Backend::template Buffer<float> action_;  ///< [env][actions], of the current step
};

}  // namespace stampede
