#pragma once
/// \file What networks with a state need besides rows of observations: while acting, the state of each environment,
/// which every step advances; while learning, windows, a few consecutive steps of an environment with the state at
/// their beginning.

#include <string>

#include "host/engine/training_request.hpp"
#include "host/nets/module.hpp"
#include "kernels/states.hpp"

namespace stampede {

/// Control steps of a window: network.window, or the horizon where that is 0. Throws Error where a window would be too
/// long, or does not divide the horizon.
inline Index window_of(const NetworkSettings& settings, Index horizon) {
  const Index window = settings.window > 0 ? settings.window : horizon;
  const std::string most = std::to_string(NetworkSettings::kLongestWindow);
  if (window > NetworkSettings::kLongestWindow) {
    throw Error("network.window = 0 is the whole of train.horizon = " + std::to_string(horizon) +
                ", but a window has at most " + most + " steps; a divisor of the horizon up to that would be right");
  }
  if (horizon % window == 0) return window;
  throw Error("network.window = " + std::to_string(window) + " does not divide train.horizon = " +
              std::to_string(horizon) + "; a divisor of it up to " + most + " would be right");
}

/// What networks see of a rollout's rows, on the device.
struct SeenRows {
  const float* observation;
  const float* privileged_observation;  ///< null where the critic sees the policy's
  const float*
      ended;  ///< not 0 where the row's step ended an episode. This and the two below: for networks with a state only
  const float* state;  ///< [windows in time][stride][width]: at the beginning of each window
  Index stride;        ///< from a row to that of the same environment one step later
};

/// Sequences of one step each, for the environments in `range`. Their states `state` [environment][width] are
/// overwritten with the next ones if `goes_on` is true; null where the networks have no state.
inline Sequences one_step(Range range, float* state, Index width, bool goes_on) {
  Sequences sequences;
  sequences.rows = range.size();
  if (state == nullptr) return sequences;
  sequences.state = state + range.begin * width;
  if (goes_on) sequences.next_state = state + range.begin * width;
  sequences.state_stride = width;
  return sequences;
}

/// The windows of a tile: which rows continue the episode of the row before, and the state at each window's beginning.
/// Empty where no network has a state.
template <class Backend>
class Windows {
 public:
  using Context = typename Backend::Context;

  Windows() = default;
  /// `width`: numbers of an environment's state, a multiple of kMaxLanes; `steps`: rows of a window; `most_rows`: the
  /// largest number of rows in a pass.
  Windows(Backend& backend, Index width, Index steps, Index most_rows) : width_(width), steps_(steps) {
    if (width == 0) return;
    goes_on_ = typename Backend::Scratch(backend, most_rows, 1);
    state_ = typename Backend::Scratch(backend, (most_rows + steps - 1) / steps, width);
  }

  /// Steps of each window; 1 where the networks have no state.
  Index steps() const { return steps_; }

  /// Gathers a tile's windows. `order` [rows] names rows of the rollout: complete windows, one after the other.
  void gather(const Context& context, const SeenRows& seen, const std::uint32_t* order, Index rows) {
    if (width_ == 0) return;
    const auto window = static_cast<std::uint32_t>(steps_), env_stride = static_cast<std::uint32_t>(seen.stride);
    context.launch({0, rows}, GoesOn{order, seen.ended, goes_on_.at(context), rows, window});
    context.launch({0, rows / steps_ * width_},
                   GatherStates{seen.state, order, state_.at(context), width_, window, env_stride});
  }

  /// The gathered windows as a network takes them whose part of an environment's state begins at `first`.
  Sequences sequences(const Context& context, Index rows, Index first) {
    Sequences sequences;
    sequences.rows = rows;
    sequences.steps = steps_;
    if (width_ == 0) return sequences;
    sequences.goes_on = goes_on_.at(context);
    sequences.state = state_.at(context) + first;
    sequences.state_stride = width_;
    return sequences;
  }

 private:
  Index width_ = 0, steps_ = 1;
  typename Backend::Scratch goes_on_, state_;
};

}  // namespace stampede
