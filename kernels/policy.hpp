#pragma once
/// \file The Gaussian policy: mean from the network, standard deviation a parameter of its own.

#include "kernels/control.hpp"
#include "kernels/random.hpp"

namespace stampede {

inline constexpr float kLogSqrtTwoPi = 0.9189385332046727f;

/// From the network's output u to the task's units: clip(centre + scale u, low, high). Each array has a number for each
/// action.
struct ActionScaling {
  const float* centre;
  const float* scale;
  const float* low;
  const float* high;

  template <class Real>
  STAMPEDE_FN Real operator()(Real u, int action) const {
    return clamp(Real(centre[action]) + Real(scale[action]) * u, Real(low[action]), Real(high[action]));
  }
  /// The network's output that is nearest to u among those whose actions are within the bounds. `scale` must be above 0.
  template <class Real>
  STAMPEDE_FN Real within(Real u, int action) const {
    const float inverse = 1.0f / scale[action];
    return clamp(u, Real((low[action] - centre[action]) * inverse), Real((high[action] - centre[action]) * inverse));
  }
};

/// Draws actions u = mean + deviation * normal, with their log-probabilities.
///
/// Kernels that read a network's outputs are told where these are by reads(), when the network has been run
/// (Network::run).
struct SampleActions {
  const float* mean;  ///< the network's outputs; the row of environment e is e - base
  Index mean_stride, base;
  const float* log_std;  ///< [actions]
  int actions;
  std::uint64_t seed;
  const Control* control;
  std::uint32_t offset;  ///< control steps into the rollout
  ActionScaling scaling;
  float* output;                ///< [env][actions]: u, before scaling; the loss reads it
  float* action;                ///< [env][actions]: in the task's units
  float* log_prob;              ///< [env]
  float* kept;                  ///< [env][actions]: the mean, from which the updated policy's divergence is measured
  Index first_environment = 0;  ///< number of environment 0 among those of all ranks

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    Random<Real> random = stream<Real>(first);
    Real sum = Real(0.0f), spare = Real(0.0f);
    STAMPEDE_NO_UNROLL
    for (int a = 0; a < actions; ++a) {
      Real normal = spare;
      if (a % 2 == 0) random.normal_pair(normal, spare);
      sum = sum - draw(first, a, normal);
    }
    store(log_prob + first, sum);
  }

  STAMPEDE_FN void reads(const float* outputs, Index stride, Index first) {
    mean = outputs;
    mean_stride = stride;
    base = first;
  }

  // The same by several threads for each environment: each calls part(), then one of them join().
  /// So many may share an environment: each draws two actions.
  STAMPEDE_FN int parts() const { return (actions + 1) / 2; }
  /// Draws the actions of one part, and writes what the log-probability loses by them to `terms` [actions].
  STAMPEDE_FN void part(Index first, int which, float* terms) const {
    Random<float> random = stream<float>(first);
    for (int i = 0; i < 2 * which; ++i) random.bits();  // the parts' before it
    float normal[2];
    random.normal_pair(normal[0], normal[1]);
    for (int a = 2 * which; a < 2 * which + 2 && a < actions; ++a) terms[a] = draw(first, a, normal[a % 2]);
  }
  /// To be called once all parts' `terms` are there.
  STAMPEDE_FN void join(Index first, const float* terms) const {
    float sum = 0.0f;
    for (int a = 0; a < actions; ++a) sum = sum - terms[a];
    log_prob[first] = sum;
  }

 private:
  template <class Real>
  STAMPEDE_FN Random<Real> stream(Index first) const {
    return {seed, lane_indices<Real>(first_environment + first), control->clock + offset, Purpose::kAction};
  }

  /// Stores an action. Returns what the log-probability loses by it.
  template <class Real>
  STAMPEDE_FN Real draw(Index first, int a, Real normal) const {
    const Real log_deviation = Real(log_std[a]);
    const Real centre = load_strided<Real>(mean + (first - base) * mean_stride + a, mean_stride);
    const Real u = centre + exp(log_deviation) * normal;
    store_strided(kept + first * actions + a, actions, centre);
    store_strided(output + first * actions + a, actions, u);
    store_strided(action + first * actions + a, actions, scaling(u, a));
    return Real(0.5f) * normal * normal + log_deviation + Real(kLogSqrtTwoPi);
  }
};

/// The deterministic policy: the mean itself.
struct MeanActions {
  const float* mean;  ///< as in SampleActions
  Index mean_stride, base;
  int actions;
  ActionScaling scaling;
  float* action;  ///< [env][actions]: in the task's units

  STAMPEDE_FN void reads(const float* outputs, Index stride, Index first) {
    mean = outputs;
    mean_stride = stride;
    base = first;
  }

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    STAMPEDE_NO_UNROLL
    for (int a = 0; a < actions; ++a) {
      const Real u = load_strided<Real>(mean + (first - base) * mean_stride + a, mean_stride);
      store_strided(action + first * actions + a, actions, scaling(u, a));
    }
  }
};

/// The critic's output as a value: mean + deviation * output.
struct StoreValues {
  const float* output;  ///< row of environment e is e - base
  Index output_stride, base;
  const Control* control;
  float* value;  ///< [env]

  STAMPEDE_FN void reads(const float* outputs, Index stride, Index first) {
    output = outputs;
    output_stride = stride;
    base = first;
  }

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const float deviation = 1.0f / inverse_deviation(control->values.variance);
    const Real x = load_strided<Real>(output + (first - base) * output_stride, output_stride);
    store(value + first, Real(control->values.mean) + Real(deviation) * x);
  }
};

}  // namespace stampede
