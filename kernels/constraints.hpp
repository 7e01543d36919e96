#pragma once
/// \file Constraints as terminations (CaT; Chane-Sane et al., "CaT: Constraints as Terminations for Legged Locomotion
/// Reinforcement Learning", IROS 2024).
///
/// A constraint gives violations c_i(s, a), above 0 where it is violated, with a column for each joint, limb or base
/// that it judges. From the violations of all environments at a control step
///
///     l_i      = clip(largest c_i, 1e-6, 100 max(m_i, scale_i))
///     m_i     <- tau m_i + (1 - tau) l_i                          (the first step sets it)
///     delta_i  = min_p + clip(c_i / m_i, 0, 1) (p_i - min_p)      where c_i > 0, else 0
///     delta    = max_i delta_i
///
/// The upper clip is not in the paper. Without it one environment with an absurd violation, such as just before its
/// state overflows, would make m_i so large that the constraint has no effect anywhere until m_i has decayed. With it
/// and tau = 0.95 a step after the first makes m_i at most six times the larger of m_i and scale_i.
///
/// delta is a *soft* termination: the share by which the step's reward and all that would follow it are reduced
/// (kernels/returns.hpp). p_i may rise during training: 1 / p_i, the expected number of steps to a termination, falls
/// linearly from 20 to 1 / p_max.
///
/// The simulation does not depend on delta, so all of it is done after a rollout, from its stored violations, in the
/// steps' order.

#include "kernels/control.hpp"
#include "kernels/lanes.hpp"
#include "kernels/math.hpp"

namespace stampede {

/// Least value of m_i, by which violations are divided.
inline constexpr float kLeastViolation = 1e-6f;
/// A step's largest violation enters the running maximum m_i limited to this many times m_i or scale_i, whichever is
/// larger.
inline constexpr float kMostViolation = 100.0f;
/// Expected number of steps to a termination (1 / p_i) with which a rising probability begins.
inline constexpr float kGentleSteps = 20.0f;

/// Stands in a column where the constraint does not apply to the environment; below any violation.
inline constexpr float kNotApplied = -3.402823466e38f;

/// What a column belongs to and how hard it terminates.
struct ConstraintColumn {
  float p_max;
  float rises;  ///< 1: the probability rises from 1 / kGentleSteps to p_max during training; 0: it is always p_max
  float scale;  ///< size of a violation that matters: that of the limit, in the quantity's unit
};

/// p_i when the share `progress`, 0 to 1, of its rise has passed. Where p_max is below 1 / kGentleSteps, the
/// probability falls to p_max instead; a p_max of 0 gives 0.
STAMPEDE_FN float termination_probability(float p_max, bool rises, float progress) {
  if (!rises || p_max == 0.0f) return p_max;
  return 1.0f / (kGentleSteps + progress * (1.0f / p_max - kGentleSteps));
}

/// Advances the running maxima m over a rollout's steps, and writes 1 / m after each step, which the step's violations
/// are multiplied with. One lane is one column. All rows are `column_stride` apart, a multiple of kMaxLanes.
struct ScaleViolations {
  const float* largest;            ///< [horizon][column_stride]: over the environments
  const ConstraintColumn* column;  ///< [columns]
  const float* scale;              ///< [column_stride]: of the columns
  float* running;                  ///< [column_stride]: m; 0 before the first step
  float* inverse;                  ///< [horizon][column_stride]: 1 / m
  float* probability;              ///< [column_stride]: p
  const Control* control;
  int horizon, columns;
  Index column_stride;
  float tau;
  float rise_iterations;  ///< over which probabilities rise

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const float progress = min(static_cast<float>(control->iteration) / rise_iterations, 1.0f);
    const Index end = first + kLanes<Real> < columns ? first + kLanes<Real> : columns;
    for (Index i = first; i < end; ++i) {
      probability[i] = termination_probability(column[i].p_max, column[i].rises > 0.5f, progress);
    }
    const Real least(kLeastViolation), unit = load<Real>(scale + first);
    Real m = load<Real>(running + first);
    STAMPEDE_NO_UNROLL
    for (int t = 0; t < horizon; ++t) {
      const Index at = t * column_stride + first;
      const Real most = load<Real>(largest + at);
      // A violation that is not finite counts as the least one.
      const Real sane = select(is_finite(most), min(most, Real(kMostViolation) * max(m, unit)), least);
      const Real now = max(sane, least);
      m = select(m == Real(0.0f), now, Real(tau) * m + Real(1.0f - tau) * now);
      store(inverse + at, Real(1.0f) / m);
    }
    store(running + first, m);
  }
};

/// The soft termination of every environment and step: element (t, environment) of [horizon][stride].
struct SoftTerminations {
  const float* violation;    ///< [horizon][columns][violation_stride]
  const float* inverse;      ///< [horizon][column_stride]
  const float* probability;  ///< [column_stride]
  float* delta;              ///< [horizon][stride]
  int columns;
  Index stride, violation_stride, column_stride;
  float min_p;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index t = first / stride, env = first - t * stride;
    const float* row = violation + t * columns * violation_stride + env;
    Real worst = Real(0.0f);
    STAMPEDE_NO_UNROLL
    for (int i = 0; i < columns; ++i) {
      worst = max(worst, termination_of(load<Real>(row + i * violation_stride), Real(inverse[t * column_stride + i]),
                                        Real(probability[i]), Real(min_p)));
    }
    store(delta + first, worst);
  }

  template <class Real>
  STAMPEDE_FN static Real termination_of(Real violation, Real inverse, Real p, Real min_p) {
    const Real share = min(max(violation * inverse, Real(0.0f)), Real(1.0f));
    return select(violation > Real(0.0f), min_p + share * (p - min_p), Real(0.0f));
  }
};

/// Numbers that are summed for each constraint.
inline constexpr int kConstraintTotals = 4;

/// For `Backend::sum`, four numbers for each element of [horizon][stride] and each constraint: whether the step
/// violates the constraint (1 or 0), the largest violation of its columns, the soft termination that it alone would
/// give, and whether it applies (1 or 0).
struct ConstraintTotals {
  SoftTerminations of;
  const int* begin;  ///< [constraints + 1]: constraint i has the columns begin[i] to begin[i + 1] - 1
  Index envs;

  template <class Real>
  STAMPEDE_FN void operator()(Index first, int constraint, Array<Real, kConstraintTotals>& out) const {
    const Index t = first / of.stride, env = first - t * of.stride;
    const float* row = of.violation + t * of.columns * of.violation_stride + env;
    const auto counted = lane_indices<Real>(env) < UintOf<Real>(static_cast<std::uint32_t>(envs));
    Real highest = Real(kNotApplied), worst = Real(0.0f);
    STAMPEDE_NO_UNROLL
    for (int i = begin[constraint]; i < begin[constraint + 1]; ++i) {
      const Real c = load<Real>(row + i * of.violation_stride);
      highest = max(highest, c);
      worst = max(worst, SoftTerminations::termination_of(c, Real(of.inverse[t * of.column_stride + i]),
                                                          Real(of.probability[i]), Real(of.min_p)));
    }
    const Real largest = max(highest, Real(0.0f));
    out[0] = select(counted && largest > Real(0.0f), Real(1.0f), Real(0.0f));
    out[1] = select(counted, largest, Real(0.0f));
    out[2] = select(counted, worst, Real(0.0f));
    out[3] = select(counted && highest > Real(kNotApplied), Real(1.0f), Real(0.0f));
  }
};

}  // namespace stampede
