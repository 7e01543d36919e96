#pragma once
/// \file What a training collects and learns from: `horizon` control steps of all environments, on the device.
///
/// One array for each quantity, time first: [step][environment][feature]. Observations and values have one more row of
/// environments: what is seen after the last step, with which the next rollout begins:
///
///     step            0        1       ...    horizon - 1   horizon
///     observation   | o_0    | o_1    |     | o_{h-1}     | o_h      |   o_{t+1} is what action t led to
///     action, reward| u_0    | u_1    |     | u_{h-1}     |
///     value         | v(o_0) | v(o_1) |     | v(o_{h-1})  | v(o_h)   |

#include <algorithm>
#include <cstdint>
#include <vector>

#include "host/engine/task_spec.hpp"
#include "host/nets/recurrence.hpp"
#include "kernels/vocabulary.hpp"

namespace stampede {

/// Extent of a rollout. Its arrays are [horizon][stride], where `stride` is `envs` rounded up to whole packs; only the
/// first `envs` of each row count.
struct RolloutShape {
  Index envs, stride, horizon;
  Index samples() const { return envs * horizon; }
  Index rows() const { return stride * horizon; }
};

/// What an update reads of a rollout, on the device.
struct RolloutView {
  const float* observation;             ///< [horizon][stride][observations]
  const float* privileged_observation;  ///< the critic's own, or the teacher's; null where it sees the policy's
  const float* output;                  ///< [horizon][stride][actions]: the actions as drawn, before scaling
  const float* mean;                    ///< [horizon][stride][actions]: of the policy that drew them
  const float* log_std;                 ///< [actions]: of the same policy
  // [horizon][stride] each:
  const float* log_prob;   ///< of the actions, when they were drawn
  const float* value;      ///< the critic's estimate, in units of the returns
  const float* advantage;  ///< of the actions
  const float* returns;    ///< what the critic is to learn
  // Only for networks with a state (host/nets/recurrence.hpp).
  const float* ended = nullptr;  ///< [horizon][stride]
  const float* state = nullptr;  ///< [horizon / window][stride][states]: before the first step of each window
  Index stride = 0;

  SeenRows seen() const { return {observation, privileged_observation, ended, state, stride}; }
};

/// What a rollout stores of the networks' states: `width` numbers for each environment (ActorCritic::states), at the
/// beginning of every window of `window` steps.
struct StateShape {
  Index width = 0, window = 1;
};

/// A rollout's arrays: [horizon][stride] unless another shape is given.
template <class Backend>
struct Rollout {
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  Rollout(Backend& backend, const TaskSpec& task, const RolloutShape& extent, const StateShape& kept_states)
      : shape(extent),
        states(kept_states),
        observations(task.policy().size()),
        privileged_observations(task.privileged_size()),
        actions(task.action.size()),
        final_steps(states.width > 0 ? 1 : std::clamp<Index>(task.max_steps, 1, shape.horizon)) {
    const auto floats = [&](Index count) { return backend.template make_buffer<float>(count); };
    const Index rows = shape.rows(), stride = shape.stride;
    observation = floats((rows + stride) * observations);
    if (privileged_observations > 0) privileged_observation = floats((rows + stride) * privileged_observations);
    final_observation = floats(stride * (privileged_observations > 0 ? privileged_observations : observations));
    output = floats(rows * actions);
    mean = floats(rows * actions);
    log_std = floats(actions);
    log_prob = floats(rows);
    reward = floats(rows);
    ended = floats(rows);
    value = floats(rows + stride);
    final_value = floats(final_rows() * stride);
    if (states.width == 0) last_observation = floats(final_rows() * final_observation.size());
    advantage = floats(rows);
    returns = floats(rows);
    if (states.width > 0) state = floats((windows() + 1) * stride * states.width);
  }

  RolloutView view() {
    return {observation.data(), own_privileged_observation(),
            output.data(),      mean.data(),
            log_std.data(),     log_prob.data(),
            value.data(),       advantage.data(),
            returns.data(),     ended.data(),
            state.data(),       shape.stride};
  }
  /// Null where critic and teacher see what the policy sees.
  float* own_privileged_observation() { return privileged_observations > 0 ? privileged_observation.data() : nullptr; }
  /// What the critic, or the teacher, sees at a row of the rollout.
  const float* privileged_row(Index row) {
    return privileged_observations > 0 ? privileged_observation.data() + row * privileged_observations
                                       : observation.data() + row * observations;
  }

  /// Rows of environments of final_value and last_observation.
  Index final_rows() const { return (shape.horizon + final_steps - 1) / final_steps; }
  Index windows() const { return shape.horizon / states.window; }
  /// [stride][width]: the networks' current states; null where they have none.
  float* current_state() { return states.width > 0 ? state.data() + windows() * shape.stride * states.width : nullptr; }

  RolloutShape shape;
  StateShape states;
  Index observations, privileged_observations, actions;
  /// An environment's time limit passes at most once in so many steps, so one row of final values serves them all. 1
  /// where networks have a state: their values are computed step by step, as the state passes.
  Index final_steps;
  Buffer<float> observation, privileged_observation;  ///< [horizon + 1][stride][numbers]
  Buffer<float> final_observation;                    ///< the privileged one before a reset, in the current step only
  Buffer<float> output, mean;   ///< [horizon][stride][actions]: actions as drawn, before scaling; the Gaussians' means
  Buffer<float> log_std;        ///< [actions]: of the policy that drew them
  Buffer<float> log_prob;       ///< of the actions
  Buffer<float> reward, ended;  ///< the latter kRunning, kTerminated or kTimedOut (envs/batch.hpp)
  Buffer<float> value;          ///< [horizon + 1][stride]
  Buffer<float> final_value;    ///< [final_rows()][stride]: of the last observation where an episode timed out
  Buffer<float> last_observation;  ///< [final_rows()][stride][numbers]: that; empty where networks have a state
  Buffer<float> advantage, returns;
  Buffer<float> state;  ///< [windows + 1][stride][width]: at the beginning of each window; last, the current one
};

}  // namespace stampede
