#pragma once
/// \file Distillation: a student learns to act as a teacher does, in states that the two of them reach together.
///
///     who acts        in each step the teacher with probability beta, else the student  (Ross et al., "DAgger", 2011)
///     label           the teacher's mean action there, within the actions' bounds, whoever acts
///     squared         sum over the actions of (m - label)^2
///     huber           sum of 1/2 e^2 where |e| = |m - label| <= d, else d (|e| - d/2)
///     kl              sum of log(s / s_T) + (s_T^2 + e^2) / (2 s^2) - 1/2: from the teacher's Gaussian (label, s_T)
///                     to the student's (m, s), which learns s too
///
/// m and labels are in units of the network's output, so that the task's action is centre + scale x m. The mean over
/// the minibatch is taken by weighting with 1 / count. Auxiliary losses are means of squares (AuxiliaryLoss).

#include "kernels/ppo.hpp"

namespace stampede {

/// How the teacher's share of the steps goes on.
enum class ShareSchedule : int { kConstant, kFirst, kLinear };

/// The probability with which the teacher acts, by the iteration.
struct TeacherShare {
  float beta;
  ShareSchedule schedule;
  float rounds;  ///< kLinear: iterations until it is 0

  STAMPEDE_FN float at(std::uint32_t iteration) const {
    if (schedule == ShareSchedule::kFirst) return iteration == 0 ? beta : 0.0f;
    if (schedule == ShareSchedule::kLinear) return beta * max(1.0f - static_cast<float>(iteration) / rounds, 0.0f);
    return beta;
  }
};

/// Chooses who acts, adds noise to the action (not to the label), and stores the label.
struct MixActions {
  const float* student;  ///< means; the row of environment e is e - base
  Index student_stride;
  const float* teacher;  ///< likewise
  Index teacher_stride;
  Index base;
  int actions;
  std::uint64_t seed;
  const Control* control;
  std::uint32_t offset;  ///< control steps into the rollout
  TeacherShare share;
  float noise;  ///< its deviation, in units of the network's output
  ActionScaling scaling;
  float* label;   ///< [env][actions]
  float* action;  ///< [env][actions]: in the task's units
  Index first_environment = 0;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    Random<Real> random(seed, lane_indices<Real>(first_environment + first), control->clock + offset, Purpose::kAction);
    const auto teaches = random.uniform() < Real(share.at(control->iteration));
    Real spare = Real(0.0f);
    STAMPEDE_NO_UNROLL
    for (int a = 0; a < actions; ++a) {
      Real normal = spare;
      if (a % 2 == 0) random.normal_pair(normal, spare);
      const Real own = load_strided<Real>(student + (first - base) * student_stride + a, student_stride);
      const Real wanted =
          scaling.within(load_strided<Real>(teacher + (first - base) * teacher_stride + a, teacher_stride), a);
      store_strided(label + first * actions + a, actions, wanted);
      store_strided(action + first * actions + a, actions,
                    scaling(select(teaches, wanted, own) + Real(noise) * normal, a));
    }
  }
};

/// Copies what a rollout holds to its place among those that are kept: iteration i fills the i-th place, then the first
/// one again.
struct KeepRollout {
  const float* from;
  float* to;
  Index size;  ///< of one rollout
  const Control* control;
  std::uint32_t rollouts;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const auto place = static_cast<Index>(control->iteration % rollouts);
    store(to + place * size + first, load<Real>(from + first));
  }
};

/// An auxiliary head's loss and its gradient: weight x the mean over the head's columns of (output - target)^2.
struct AuxiliaryLoss {
  const std::uint32_t* order;  ///< rows of the rollouts, of this tile
  Index rows;                  ///< samples of this tile
  int columns;                 ///< of the head
  float weight;
  const float* target;  ///< [row of the rollouts][target_stride], at the head's first column
  Index target_stride;
  // Of the tile, at the head's first column.
  const float* output;
  float* output_gradient;
  Index output_stride;
  float* loss;  ///< [sample of the tile]: without the weight
  float count;  ///< samples of the minibatch

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const auto row = load_uint<Real>(order + first);
    const auto present = lane_indices<Real>(first) < UintOf<Real>(static_cast<std::uint32_t>(rows));
    const Real share = select(present, Real(1.0f / (count * static_cast<float>(columns))), Real(0.0f));
    const Real slope = Real(2.0f * weight) * share;
    const auto place = row * UintOf<Real>(static_cast<std::uint32_t>(target_stride));
    Real sum = Real(0.0f);
    STAMPEDE_NO_UNROLL
    for (int c = 0; c < columns; ++c) {
      const Real e = load_strided<Real>(output + first * output_stride + c, output_stride) - gather(target + c, place);
      sum = sum + e * e;
      store_strided(output_gradient + first * output_stride + c, output_stride, slope * e);
    }
    store_first(loss + first, sum * share, rows - first);
  }
};

/// Takes a minibatch's auxiliary losses into the means over an iteration's minibatches.
struct MeanAuxiliaryLosses {
  const float* sums;  ///< [losses]: of the minibatch
  float* mean;        ///< [losses]
  int losses;
  float share;  ///< 1 / minibatches of an iteration
  bool begins;  ///< whether it is the iteration's first

  STAMPEDE_FN void operator()() const {
    for (int i = 0; i < losses; ++i) mean[i] = (begins ? 0.0f : mean[i]) + share * sums[i];
  }
};

enum class Imitation : int { kSquared, kHuber, kDivergence };

struct ImitationLoss {
  const std::uint32_t* order;  ///< rows of the rollouts, of this tile
  Index rows;                  ///< samples of this tile
  int actions;
  const float* label;            ///< [row][actions]
  const float* teacher_log_std;  ///< [actions]
  // The network's outputs and where their gradients go.
  const float* mean;
  float* mean_gradient;
  Index mean_stride;
  const float* log_std;
  float* columns;  ///< [kLossColumns + actions][column_stride], at this tile's first sample: below
  Index column_stride;
  float count;  ///< samples of the minibatch
  Imitation kind;
  float huber;  ///< d
  const Control* control;
  TeacherShare share;

  /// Columns (LossColumn): kPolicyLoss has the loss, kValueLoss the mean of |e| over the actions, kClipped the teacher's
  /// share of the steps; behind kLossColumns the gradient with respect to the log standard deviations.
  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Real zero = Real(0.0f), one = Real(1.0f), half = Real(0.5f);
    const auto row = load_uint<Real>(order + first);
    const auto present = lane_indices<Real>(first) < UintOf<Real>(static_cast<std::uint32_t>(rows));
    const Real weight = select(present, Real(1.0f / count), zero);
    const auto place = row * UintOf<Real>(static_cast<std::uint32_t>(actions));
    Real loss = zero, error = zero;
    STAMPEDE_NO_UNROLL
    for (int a = 0; a < actions; ++a) {
      const Real e = load_strided<Real>(mean + first * mean_stride + a, mean_stride) - gather(label + a, place);
      const Real size = abs(e);
      Real slope = Real(2.0f) * e, of_log_std = zero;
      if (kind == Imitation::kSquared) {
        loss = loss + e * e;
      } else if (kind == Imitation::kHuber) {
        const Real d = Real(huber);
        loss = loss + select(size <= d, half * e * e, d * (size - half * d));
        slope = clamp(e, -d, d);
      } else {
        const float narrowed = teacher_log_std[a] - log_std[a], ratio = exp(narrowed);
        const Real inverse = Real(exp(-log_std[a])), z = e * inverse;
        const Real square = Real(ratio * ratio) + z * z;
        loss = loss + half * square - Real(narrowed + 0.5f);
        slope = z * inverse;
        of_log_std = one - square;
      }
      error = error + size;
      store_strided(mean_gradient + first * mean_stride + a, mean_stride, slope * weight);
      put(kLossColumns + a, first, of_log_std * weight);
    }
    put(kPolicyLoss, first, loss * weight);
    put(kValueLoss, first, error * weight * Real(1.0f / static_cast<float>(actions)));
    put(kKl, first, zero);
    put(kClipped, first, weight * Real(share.at(control->iteration)));
    put(kCompared, first, zero);
  }

 private:
  /// Writes for the tile's rows only, as PpoLoss does.
  template <class Real>
  STAMPEDE_FN void put(Index column, Index first, Real x) const {
    store_first(columns + column * column_stride + first, x, rows - first);
  }
};

}  // namespace stampede
