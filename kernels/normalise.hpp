#pragma once
/// \file Running normalisation of observations and values.

#include "kernels/control.hpp"
#include "kernels/mirror.hpp"

namespace stampede {

/// Copies elements.
struct CopyElements {
  const float* from;
  float* to;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    store(to + first, load<Real>(from + first));
  }
};

/// Copies columns of rows: element i is (row, column) of `rows` x `padded`; columns from `columns` on become 0.
struct CopyColumns {
  const float* from;
  Index from_stride;
  float* to;
  Index to_stride, columns, padded;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index row = first / padded, column = first - row * padded;
    STAMPEDE_NO_UNROLL
    for (int lane = 0; lane < kLanes<Real>; ++lane) {
      const Index at = column + lane;
      to[row * to_stride + at] = at < columns ? from[row * from_stride + at] : 0.0f;
    }
  }
};

/// What training limits normalised observations to.
inline constexpr float kObservationClip = 10.0f;

/// Picks rows of observations and normalises them: element i of the target is (row i / stride, feature i % stride).
/// The target's rows lie `stride`, a multiple of kMaxLanes, apart; features from `features` on are padding.
struct NormaliseRows {
  const float* observation;    ///< [row][features]
  const std::uint32_t* index;  ///< row to pick for each target row; null: the row itself
  const float* mean;           ///< [stride]
  const float* inverse_deviation;
  float* target;
  Index features, stride;
  float clip;  ///< what a normalised observation is limited to
  MirrorView mirror{};

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index row = static_cast<std::uint32_t>(first) / static_cast<std::uint32_t>(stride);
    const Index feature = first - row * stride;
    Index source = row;
    if (index != nullptr) {
      source = static_cast<Index>(index[row]);
      // Rows picked at random are seldom in the cache, so each is prefetched 12 rows ahead. Arrays have room for a pack
      // behind their end, so index[row + 12] may be read at the last rows too.
      STAMPEDE_PREFETCH(observation + static_cast<Index>(index[row + 12]) * features + feature);
    }
    store(target + first, feature >= features ? Real(0.0f) : normalised<Real>(source, feature));
  }

  /// The numbers of an observation from `feature` on, of which there is at least one.
  template <class Real>
  STAMPEDE_FN Real normalised(Index source, Index feature) const {
    Real x;
    if (mirror.place != nullptr && !mirror.keeps(static_cast<std::uint32_t>(source))) {
      x = gather(observation + source * features, load_uint<Real>(mirror.place + feature)) *
          load<Real>(mirror.sign + feature);
    } else {
      // No number behind the row's end is read: it may be the next row's, which another thread may be writing.
      x = load_first<Real>(observation + source * features + feature, features - feature);
    }
    const Real normal = (x - load<Real>(mean + feature)) * load<Real>(inverse_deviation + feature);
    return clamp(normal, Real(-clip), Real(clip));
  }
};

/// Sums of x - mean and of (x - mean)^2 over a rollout's observations x, for each feature, for `Backend::sum`; `mean`
/// is the running mean. The nearer it is to the mean of these observations, the fewer digits are lost to rounding.
/// Before the first rollout, when there is no running mean yet, it should be one of the observations.
struct ObservationMoments {
  const float* observation;  ///< [step][env stride][features]
  const float* mean;         ///< [features]
  Index features, envs, env_stride;

  template <class Real>
  STAMPEDE_FN void operator()(Index first, int column, Array<Real, 2>& out) const {
    const Index env = first % env_stride;
    const auto counted = lane_indices<Real>(env) < UintOf<Real>(static_cast<std::uint32_t>(envs));
    const Real x = load_strided<Real>(observation + first * features + column, features) - Real(mean[column]);
    out[0] = select(counted, x, Real(0.0f));
    out[1] = select(counted, x * x, Real(0.0f));
  }
};

/// Merges the sums above into the running moments of every feature.
struct MergeObservationMoments {
  const float* sums;  ///< [feature][2]
  float count;        ///< values in each sum
  float* counts;      ///< [features]
  float* mean;
  float* variance;
  float* inverse;  ///< 1 / deviation

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    STAMPEDE_NO_UNROLL
    for (Index i = first; i < first + kLanes<Real>; ++i) {
      Moments moments{counts[i], mean[i], variance[i]};
      moments.merge(count, mean[i], sums[2 * i], sums[2 * i + 1]);
      counts[i] = moments.count;
      mean[i] = moments.mean;
      variance[i] = moments.variance;
      inverse[i] = inverse_deviation(moments.variance);
    }
  }
};

/// Sums of x - centre over a rollout, and with K = 2 also of (x - centre)^2, for x the returns (column 0) and the
/// advantages (column 1).
struct ReturnSums {
  const float* returns;  ///< [step][env stride]
  const float* advantage;
  const float* centre;  ///< [2]; null: 0
  Index envs, env_stride;

  template <class Real, int K>
  STAMPEDE_FN void operator()(Index first, int column, Array<Real, K>& out) const {
    const auto counted = lane_indices<Real>(first % env_stride) < UintOf<Real>(static_cast<std::uint32_t>(envs));
    const Real about = Real(centre != nullptr ? centre[column] : 0.0f);
    const Real x = load<Real>((column == 0 ? returns : advantage) + first) - about;
    out[0] = select(counted, x, Real(0.0f));
    if constexpr (K > 1) out[1] = select(counted, x * x, Real(0.0f));
  }
};

/// The means of the returns and of the advantages, from their sums.
struct ReturnMeans {
  const float* sums;  ///< [2], about 0
  float count;
  float* mean;  ///< [2]

  STAMPEDE_FN void operator()() const {
    for (int i = 0; i < 2; ++i) mean[i] = sums[i] / count;
  }
};

/// Merges the returns' sums into the running moments. The critic's output is in units of these moments, so its last
/// layer is rescaled such that the values it predicts do not change (van Hasselt et al., "Learning values across many
/// orders of magnitude", 2016: PopArt).
struct MergeReturnMoments {
  Control* control;
  const float* centre;  ///< what the sums are about
  const float* sums;    ///< [2]
  float count;
  float* head_weight;  ///< [inputs]
  float* head_bias;    ///< [1]
  Index inputs;

  STAMPEDE_FN void operator()(int lane, int lanes) const {
    Moments values = control->values;
    const float old_mean = values.mean, old_deviation = 1.0f / inverse_deviation(values.variance);
    values.merge(count, *centre, sums[0], sums[1]);
    const float inverse = inverse_deviation(values.variance);
    STAMPEDE_NO_UNROLL
    for (Index i = lane; i < inputs; i += lanes) head_weight[i] *= old_deviation * inverse;
    meet();  // by now all lanes have read what the first one overwrites
    if (lane > 0) return;
    control->values = values;
    *head_bias = (old_deviation * *head_bias + old_mean - values.mean) * inverse;
  }
};

}  // namespace stampede
