#pragma once
/// \file The states of networks that carry numbers from step to step: where they begin anew, and what an update needs of them.
///
/// An update learns from windows: `steps` rows of one environment that follow each other in the rollout. `order` names rows of
/// the rollout, window after window.

#include "kernels/lanes.hpp"

namespace stampede {

/// Rows of the rollout in the windows' order.
struct ExpandWindows {
  const std::uint32_t* first_row;  ///< [windows]
  std::uint32_t* order;            ///< [rows]
  Index rows;
  std::uint32_t steps, env_stride;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    STAMPEDE_NO_UNROLL
    for (Index i = first; i < first + kLanes<Real>; ++i) {
      if (i >= rows) return;
      const auto row = static_cast<std::uint32_t>(i);
      order[i] = first_row[row / steps] + row % steps * env_stride;
    }
  }
};

/// Whether each row goes on from the one before it in its window: 0 where the episode ended between them. The first of a window does, as
/// its state is given.
struct GoesOn {
  const std::uint32_t* order;  ///< [rows]
  const float* ended;          ///< of the rollout's rows: not 0 where the step was an episode's last
  float* goes_on;              ///< [rows]
  Index rows;
  std::uint32_t steps;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    STAMPEDE_NO_UNROLL
    for (Index i = first; i < first + kLanes<Real>; ++i) {
      if (i >= rows) return;
      const bool begins = static_cast<std::uint32_t>(i) % steps == 0;
      goes_on[i] = begins || ended[order[i - 1]] == 0.0f ? 1.0f : 0.0f;
    }
  }
};

/// The states that the rollout had at the windows' beginnings: element i of the target is (window i / width, number i % width).
struct GatherStates {
  const float* state;          ///< [rollout's windows in time][env_stride][width]
  const std::uint32_t* order;  ///< [rows]
  float* target;               ///< [windows][width]
  Index width;                 ///< a multiple of kMaxLanes
  std::uint32_t steps, env_stride;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index window = first / width, number = first - window * width;
    const std::uint32_t row = order[window * steps];
    const std::uint32_t source = row / (steps * env_stride) * env_stride + row % env_stride;
    store(target + first, load<Real>(state + source * width + number));
  }
};

/// States begin anew where an episode ended. Elements as above, of environments.
struct ForgetStates {
  const float* ended;  ///< [environment]; null: all begin anew
  float* state;        ///< [environment][width]
  Index width;         ///< a multiple of kMaxLanes

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    if (ended == nullptr || ended[first / width] != 0.0f) store(state + first, Real(0.0f));
  }
};

}  // namespace stampede
