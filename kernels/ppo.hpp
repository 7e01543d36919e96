#pragma once
/// \file The policy-gradient losses and their gradients with respect to the networks' outputs.
///
/// For a sample with advantage A, the ratio q = pi(u|s) / pi_old(u|s) and the clip range c:
///
///     clipped_ratio:  -min(q A, clip(q, 1 - c, 1 + c) A)                  (Schulman et al., "PPO", 2017)
///     log_prob:       -A log pi(u|s)                                      (REINFORCE, actor-critic)
///     value:          1/2 (v - R)^2, or with clipping the larger of that and 1/2 (v_old + clip(v - v_old, +-c) - R)^2
///     entropy bonus:  - coefficient * sum log sigma  (up to a constant)
///
/// v, v_old and R are in units of the returns' deviation. The mean over the minibatch is taken by weighting with
/// 1 / count.
///
/// How far the policy has moved is not estimated from the actions drawn, but computed exactly: as the divergence from
/// the Gaussian that drew them (m', s') to the one that is learning (m, s):
///
///     KL = sum over the actions of  log(s / s') + (s'^2 + (m' - m)^2) / (2 s^2) - 1/2

#include "kernels/normalise.hpp"
#include "kernels/policy.hpp"

namespace stampede {

/// Any larger log q is replaced by this: the gradient keeps its direction, and its square still fits a float.
inline constexpr float kMostLogRatio = 20.0f;

enum class Surrogate : int { kLogProb, kClippedRatio };

/// Which rows of the rollout a pass over it visits, in which order. With several rollouts side by side, as many rows as
/// one has, of all those that are filled.
struct Shuffle {
  std::uint32_t* order;  ///< [samples]
  std::uint32_t samples, envs, env_stride;
  std::uint64_t seed;
  Pass pass;
  /// Each rank has an order of its own: if all were the same, the samples of a minibatch would come from the same few
  /// steps of the rollout, and from the same tiles of the ground, on every rank.
  std::uint32_t rank = 0;
  std::uint32_t rollouts = 1;  ///< for which there is room; iteration i fills the i-th, then the first again

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    using Uint = UintOf<Real>;
    const std::uint32_t begun = pass.control->iteration + 1, filled = begun < rollouts ? begun : rollouts;
    const Uint place = permute<Real>(lane_indices<Real>(first), samples * filled, seed, pass.number(), rank);
    // Rows of the surplus environments that fill up the last pack are left out.
    store(order + first, envs == env_stride ? place : place + (place / Uint(envs)) * Uint(env_stride - envs));
  }
};

/// How a pass is cut into minibatches of about the same size. A window is what is never taken apart.
struct Split {
  Index windows, minibatches, window;  ///< of the pass; the latter the samples of a window

  /// The minibatch's first sample in the order of the pass, and how many it has.
  STAMPEDE_FN Index begin(Index minibatch) const { return minibatch * windows / minibatches * window; }
  STAMPEDE_FN Index size(Index minibatch) const { return begin(minibatch + 1) - begin(minibatch); }
  /// The largest minibatch's samples.
  STAMPEDE_FN Index most() const { return (windows + minibatches - 1) / minibatches * window; }
};

/// Sums for mean and deviation of the advantages of each of a pass's minibatches, a column each. They are taken about
/// the mean of the whole rollout's advantages, so that no digits are lost where advantages are large and differ little.
struct AdvantageMoments {
  const float* advantage;
  const std::uint32_t* order;  ///< of the whole pass
  const float* centre;
  Split split;

  STAMPEDE_FN Index elements(int minibatch) const { return split.size(minibatch); }
  template <class Real>
  STAMPEDE_FN void operator()(Index first, int minibatch, Array<Real, 2>& out) const {
    out[0] = gather(advantage, load_uint<Real>(order + split.begin(minibatch) + first)) - Real(*centre);
    out[1] = out[0] * out[0];
  }
};

/// Shifts and scales a minibatch's advantages to mean 0 and deviation 1: (advantage - centre - mean) x inverse.
struct AdvantageScale {
  float centre, mean, inverse;
};

/// Computes the scale from the sums of AdvantageMoments.
struct ScaleAdvantages {
  const float* sums;
  const float* centre;
  float count;
  AdvantageScale* scale;

  STAMPEDE_FN void operator()() const {
    const float mean = sums[0] / count;
    *scale = {*centre, mean, inverse_deviation(max(sums[1] / count - mean * mean, 0.0f))};
  }
};

/// Columns that the loss writes, with a number for each sample. Behind them come `actions` columns with the gradient
/// with respect to the log standard deviations. kKl has the divergence x weight of those samples that are not mirrored,
/// and 0 for others; kCompared has the weights of the same samples, so that the quotient of the two sums is the mean
/// divergence.
enum LossColumn : int { kPolicyLoss, kValueLoss, kKl, kClipped, kCompared, kLossColumns };

struct PpoLoss {
  const std::uint32_t* order;  ///< rows of the rollout, of this tile
  Index rows;                  ///< samples of this tile
  int actions;
  // The rollout.
  const float* output;       ///< [row][actions]: u, the actions before scaling
  const float* old_mean;     ///< [row][actions]: of the policy that drew them
  const float* old_log_std;  ///< [actions]
  const float* log_prob;
  const float* advantage;
  const float* returns;
  const float* value;
  // The networks' outputs and where their gradients go.
  const float* mean;
  float* mean_gradient;
  Index mean_stride;
  const float* critic;  ///< null where no values are learned
  float* critic_gradient;
  Index critic_stride;
  const float* log_std;
  float* columns;  ///< [kLossColumns + actions][column_stride], at this tile's first sample
  Index column_stride;
  // The loss.
  const Control* control;
  const AdvantageScale* advantage_scale;  ///< of the minibatch; null where advantages stay as they are
  float count;                            ///< samples of the minibatch
  Surrogate surrogate;
  float clip_ratio, value_coefficient;
  bool clip_value;
  MirrorView mirror{};  ///< of the actions
  Index mean_step = 1;  ///< between the means of adjacent actions, and their gradients

  /// Samples of the tile, as many as there are lanes, from `first` on.
  template <class Real>
  struct Sample {
    Index first;
    UintOf<Real> row;         ///< of the rollout
    Real weight;              ///< 0 behind the tile's end
    MaskOf<Real> original{};  ///< whether they are no mirror images
  };
  /// How far an action lies from its mean, and the mean that drew it, in standard deviations.
  template <class Real>
  struct Deviation {
    Real action, old_mean;
  };

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Sample<Real> sample = sample_at<Real>(first);
    const Real slope = learn_policy(sample, [&](int a) { return deviation(sample, a); });
    STAMPEDE_NO_UNROLL
    for (int a = 0; a < actions; ++a) learn_action(sample, a, slope);
    learn_value(sample);
  }

  // Its parts, for kernels that have several threads to a sample: for the policy deviation() of each action, then
  // learn_policy(), then learn_action() of each; for the values learn_value().

  template <class Real>
  STAMPEDE_FN Sample<Real> sample_at(Index first) const {
    Sample<Real> sample;
    sample.first = first;
    sample.row = load_uint<Real>(order + first);
    const auto present = lane_indices<Real>(first) < UintOf<Real>(static_cast<std::uint32_t>(rows));
    sample.weight = select(present, Real(1.0f / count), Real(0.0f));
    sample.original = present;
    if (mirror.place != nullptr) sample.original = mirror.keeps(sample.row);
    return sample;
  }

  /// That of one action. The first number is stored where the gradient goes, from where learn_action takes it.
  template <class Real>
  STAMPEDE_FN Deviation<Real> deviation(const Sample<Real>& sample, int a) const {
    const auto place = sample.row * UintOf<Real>(static_cast<std::uint32_t>(actions));
    Real u = gather(output + a, place);
    if (mirror.place != nullptr) {
      const Real image = gather(output + mirror.place[a], place);
      u = select(sample.original, u, image * Real(mirror.sign[a]));
    }
    const Real centre = load_strided<Real>(mean + sample.first * mean_stride + a * mean_step, mean_stride);
    const Real inverse = Real(exp(-log_std[a]));
    const Real z = (u - centre) * inverse;
    store_strided(mean_gradient_of(sample.first, a), mean_stride, z);
    return {z, (gather(old_mean + a, place) - centre) * inverse};
  }

  /// The surrogate and the divergence; deviation_of(a) is an action's Deviation. Returns d loss / d log-probability.
  template <class Real, class DeviationOf>
  STAMPEDE_FN Real learn_policy(const Sample<Real>& sample, const DeviationOf& deviation_of) const {
    const Real zero = Real(0.0f), one = Real(1.0f), weight = sample.weight;
    const Index first = sample.first;
    Real log_probability = zero, divergence = zero;
#if defined(__CUDA_ARCH__)
#pragma unroll 4  // what several actions need is loaded at once
#else
    STAMPEDE_NO_UNROLL
#endif
    for (int a = 0; a < actions; ++a) {
      const Deviation<Real> by = deviation_of(a);
      const Real z = by.action, moved = by.old_mean;
      const float narrowed = old_log_std[a] - log_std[a], ratio_of_deviations = exp(narrowed);
      divergence = divergence + Real(0.5f * (ratio_of_deviations * ratio_of_deviations - 1.0f) - narrowed) +
                   Real(0.5f) * moved * moved;
      log_probability = log_probability - (Real(0.5f) * z * z + Real(log_std[a]) + Real(kLogSqrtTwoPi));
    }

    Real advance = gather(advantage, sample.row);
    if (advantage_scale != nullptr) {
      advance =
          ((advance - Real(advantage_scale->centre)) - Real(advantage_scale->mean)) * Real(advantage_scale->inverse);
    }
    const Real log_ratio = log_probability - gather(log_prob, sample.row);
    const Real ratio = exp(select(log_ratio > Real(kMostLogRatio), Real(kMostLogRatio), log_ratio));  // a NaN stays
    const Real range = Real(clip_ratio);
    Real slope, loss;  // d loss / d log_probability
    const auto outside = abs(ratio - one) > range;
    if (surrogate == Surrogate::kClippedRatio) {
      const Real plain = ratio * advance;
      const Real clipped = clamp(ratio, one - range, one + range) * advance;
      loss = -min(plain, clipped);
      slope = select(plain <= clipped, -plain, zero);
    } else {
      loss = -(advance * log_probability);
      slope = -advance;
    }
    put(kPolicyLoss, first, loss * weight);
    put(kClipped, first, select(outside, weight, zero));
    // Only samples as they were collected say how far the policy has moved: the divergence at a mirror image also
    // contains how far the policy is from being symmetric.
    Real compared = weight;
    divergence = divergence * weight;
    if (mirror.place != nullptr) {
      compared = select(sample.original, compared, zero);
      divergence = select(sample.original, divergence, zero);
    }
    put(kKl, first, divergence);
    put(kCompared, first, compared);
    return slope * weight;
  }

  /// The gradient with respect to one action's mean and log standard deviation.
  template <class Real>
  STAMPEDE_FN void learn_action(const Sample<Real>& sample, int a, Real slope) const {
    float* to = mean_gradient_of(sample.first, a);
    const Real z = load_strided<Real>(to, mean_stride);
    store_strided(to, mean_stride, slope * z * Real(exp(-log_std[a])));
    put(kLossColumns + a, sample.first, slope * (z * z - Real(1.0f)));
  }

  /// The critic's part.
  template <class Real>
  STAMPEDE_FN void learn_value(const Sample<Real>& sample) const {
    const Index first = sample.first;
    Real value_loss = Real(0.0f);
    if (critic != nullptr) {
      const Real range = Real(clip_ratio);
      const Real inverse = Real(inverse_deviation(control->values.variance)), centre = Real(control->values.mean);
      const Real v = load_strided<Real>(critic + first * critic_stride, critic_stride);
      const Real target = (gather(returns, sample.row) - centre) * inverse;
      const Real error = v - target;
      Real gradient = error;
      value_loss = Real(0.5f) * error * error;
      if (clip_value) {
        const Real old = (gather(value, sample.row) - centre) * inverse;
        const Real change = v - old;
        const Real limited = old + clamp(change, -range, range) - target;
        const Real limited_loss = Real(0.5f) * limited * limited;
        const auto larger = limited_loss > value_loss;
        gradient = select(larger, select(abs(change) < range, limited, Real(0.0f)), gradient);
        value_loss = max(value_loss, limited_loss);
      }
      store_strided(critic_gradient + first * critic_stride, critic_stride,
                    gradient * sample.weight * Real(value_coefficient));
    }
    put(kValueLoss, first, value_loss * sample.weight);
  }

 private:
  STAMPEDE_FN float* mean_gradient_of(Index first, int a) const {
    return mean_gradient + first * mean_stride + a * mean_step;
  }

  /// Writes for the tile's rows only: behind the last one lie another tile's numbers, which another thread may be
  /// writing.
  template <class Real>
  STAMPEDE_FN void put(Index column, Index first, Real x) const {
    store_first(columns + column * column_stride + first, x, rows - first);
  }
};

/// Sums of whole columns, for `Backend::sum`.
struct ColumnValues {
  const float* columns;  ///< [column][stride]
  Index stride;

  template <class Real>
  STAMPEDE_FN void operator()(Index first, int column, Array<Real, 1>& out) const {
    out[0] = load<Real>(columns + column * stride + first);
  }
};

/// Squares of a gradient, for its norm.
struct Squares {
  const float* x;

  template <class Real>
  STAMPEDE_FN void operator()(Index first, int, Array<Real, 1>& out) const {
    const Real value = load<Real>(x + first);
    out[0] = value * value;
  }
};

/// The gradient of the log standard deviations from the loss's columns and the entropy bonus.
struct LogStdGradient {
  const float* column_sums;  ///< of the columns behind kLossColumns
  float* gradient;
  int actions;
  float entropy_coefficient;

  STAMPEDE_FN void operator()(int lane, int lanes) const {
    STAMPEDE_NO_UNROLL
    for (int a = lane; a < actions; a += lanes) gradient[a] = of(column_sums[kLossColumns + a], entropy_coefficient);
  }
  STAMPEDE_FN static float of(float column_sum, float entropy_coefficient) { return column_sum - entropy_coefficient; }
};

}  // namespace stampede
