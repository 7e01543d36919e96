#pragma once
/// \file Advantages and returns of a rollout.
///
/// With T_t = 1 where the episode really ended at step t, R_t = 1 where the environment was reset after it (real end or
/// time-out), s'_t the state that followed before any reset, and delta_t the soft termination
/// (kernels/constraints.hpp), 0 without constraints:
///
///     TD_t = (1 - delta_t) (r_t + gamma (1 - T_t) V(s'_t)) - V(s_t)
///     A_t  = TD_t + gamma lambda (1 - delta_t) (1 - R_t) A_{t+1}            (Schulman et al., "GAE", 2016)
///
/// At a time-out V(s'_t) stands for the rewards that would have followed, and A_{t+1}, which belongs to the next
/// episode, is left out. lambda = 0 is the one-step TD of an actor-critic, lambda = 1 the return with a baseline;
/// without values (V = 0, lambda = 1) A is the plain discounted return of REINFORCE, to the end of the episode or the
/// rollout.

#include "kernels/lanes.hpp"
#include "kernels/math.hpp"

namespace stampede {

/// One lane walks one environment backwards through the rollout. Arrays are [step][stride].
struct Advantages {
  const float* reward;
  const float* ended;        ///< 0 running, 1 terminated, 2 timed out
  const float* value;        ///< [horizon + 1]: V(s_t), of the observation after resets
  const float* final_value;  ///< [horizon / final_steps, rounded up]: V(s'_t), where the episode timed out at t
  const float* delta;        ///< soft terminations; null for none
  float* advantage;
  float* returns;  ///< advantage + value: what the critic learns
  int horizon;
  Index stride;
  float gamma, lambda;
  bool use_values;
  int final_steps = 1;  ///< steps that share a row of `final_value`

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Real zero = Real(0.0f), discount = Real(gamma), trace = Real(gamma * lambda);
    Real next = zero;
    STAMPEDE_NO_UNROLL
    for (int t = horizon - 1; t >= 0; --t) {
      const Index at = t * stride + first;
      const Real end = load<Real>(ended + at);
      const auto reset = end != zero;
      const auto terminated = end == Real(1.0f);
      Real v = zero, v_next = zero;
      if (use_values) {
        v = load<Real>(value + at);
        v_next =
            select(reset, load<Real>(final_value + t / final_steps * stride + first), load<Real>(value + at + stride));
        v_next = select(terminated, zero, v_next);
      }
      Real onward = load<Real>(reward + at) + discount * v_next, passed_on = trace;
      if (delta != nullptr) {
        const Real goes_on = Real(1.0f) - load<Real>(delta + at);
        onward = goes_on * onward;
        passed_on = goes_on * trace;
      }
      const Real difference = onward - v;
      next = difference + passed_on * select(reset, zero, next);
      store(advantage + at, next);
      store(returns + at, next + v);
    }
  }
};

}  // namespace stampede
