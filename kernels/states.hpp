#pragma once
/// \file The states of recurrent networks: numbers of each environment that a network carries from one control step to
/// the next. Here they are set to zero where an episode begins, and gathered for an update.
///
/// An update learns from windows: `steps` rows of one environment that follow each other in time. `order` lists the
/// indices of the windows' rows in the rollout, window after window; two control steps that follow each other are
/// `env_stride` rows apart.

#include "kernels/lanes.hpp"

namespace stampede {

/// Writes `order` from the index of each window's first row.
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

/// Whether the state after the row before is passed on to a row: 0 where the episode ended between them. 1 for the
/// first row of a window, which goes on from the state that GatherStates reads.
struct GoesOn {
  const std::uint32_t* order;  ///< [rows]
  const float* ended;          ///< [row of the rollout]: not 0 where the step was an episode's last
  float* goes_on;              ///< [rows]: 1 or 0
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

/// Reads the states that the environments had where the windows begin: element i of the target is (window i / width,
/// number i % width of its state).
struct GatherStates {
  const float* state;          ///< [horizon / steps][env_stride][width]: kept when each window began
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

/// Sets states to zero where an episode ended: element i is (environment i / width, number i % width of its state).
struct ForgetStates {
  const float* ended;  ///< [environment]: not 0 where an episode ended; null: all are set to zero
  float* state;        ///< [environment][width]
  Index width;         ///< a multiple of kMaxLanes

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    if (ended == nullptr || ended[first / width] != 0.0f) store(state + first, Real(0.0f));
  }
};

}  // namespace stampede
