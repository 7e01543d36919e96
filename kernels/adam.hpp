#pragma once
/// \file Adam (Kingma and Ba, 2015) with a clip of the gradient's global norm and a learning rate that follows the KL
/// divergence.

#include "kernels/ppo.hpp"

namespace stampede {

inline constexpr float kAdamBeta1 = 0.9f, kAdamBeta2 = 0.999f, kAdamEpsilon = 1e-5f;

/// Runs before Adam's step on a minibatch: adds the minibatch's losses, KL divergence and gradient norm to the
/// iteration's sums, sets the factor that clips the gradient, and adapts the learning rate.
struct PrepareStep {
  Control* control;
  const float* sums;          ///< [LossColumn]: sums of the loss's columns over the minibatch
  const float* squared_norm;  ///< of the gradient
  float max_gradient_norm;
  Schedule schedule;
  float target_kl;

  STAMPEDE_FN void operator()() const {
    // All is read before anything is written: one wait for memory, and not one for each number.
    Control c = *control;
    float column_sums[kLossColumns];
    STAMPEDE_UNROLL
    for (int i = 0; i < kLossColumns; ++i) column_sums[i] = sums[i];
    const float norm = sqrt(*squared_norm), compared = column_sums[kCompared];
    const float kl = compared > 0.0f ? column_sums[kKl] / compared : 0.0f;
    // Before the iteration's first step the policy is still the one that drew the actions: its divergence is 0 whatever
    // the learning rate is.
    const bool says_something = compared > 0.0f && c.minibatches > 0;
    c.minibatches += 1;
    c.policy_loss += column_sums[kPolicyLoss];
    c.value_loss += column_sums[kValueLoss];
    c.kl += kl;
    c.clip_fraction += column_sums[kClipped];
    c.gradient_norm += norm;
    c.gradient_scale = norm > max_gradient_norm ? max_gradient_norm / norm : 1.0f;
    if (schedule == Schedule::kAdaptive && says_something) {
      // As in rsl_rl: the rate is divided by 1.5 where the policy moved more than twice as far as wanted, and
      // multiplied by 1.5 where it moved less than half as far. It stays within [1e-5, 1e-2], unless it was set
      // outside. A divergence that is not finite counts as too large.
      if (!(kl <= 2.0f * target_kl)) c.learning_rate = min(c.learning_rate, max(c.learning_rate / 1.5f, 1e-5f));
      if (kl < 0.5f * target_kl) c.learning_rate = max(c.learning_rate, min(c.learning_rate * 1.5f, 1e-2f));
    }
    c.beta1_power *= kAdamBeta1;
    c.beta2_power *= kAdamBeta2;
    *control = c;
  }
};

/// What prepares a step in the launch that makes the gradient: the sum of its squares, and what follows from it.
struct StepPreparation {
  float* squared_norm;  ///< where that sum goes; null: nobody prepares a step
  PrepareStep prepare;
};

struct AdamStep {
  float* parameters;
  float* first_moment;
  float* second_moment;
  const float* gradient;
  const Control* control;

  template <class Real>
  STAMPEDE_FN void operator()(Index at) const {
    const Control& c = *control;
    const Real g = load<Real>(gradient + at) * Real(c.gradient_scale);
    const Real m = Real(kAdamBeta1) * load<Real>(first_moment + at) + Real(1.0f - kAdamBeta1) * g;
    const Real v = Real(kAdamBeta2) * load<Real>(second_moment + at) + Real(1.0f - kAdamBeta2) * g * g;
    store(first_moment + at, m);
    store(second_moment + at, v);
    const Real rate = Real(c.learning_rate / (1.0f - c.beta1_power));
    const Real root = sqrt(v * Real(1.0f / (1.0f - c.beta2_power)));
    store(parameters + at, load<Real>(parameters + at) - rate * m / (root + Real(kAdamEpsilon)));
  }
};

}  // namespace stampede
