#pragma once
/// \file The few numbers of a training that change from iteration to iteration. They live on the device, where the
/// kernels read and advance them, so that an iteration needs nothing from the host and can be replayed as a graph.

#include "kernels/math.hpp"

namespace stampede {

/// How the learning rate moves.
enum class Schedule : int { kFixed, kLinear, kAdaptive };

/// The largest weight that values before have in running moments: floats are 64 apart there.
inline constexpr float kMostWeight = 1e9f;

/// Running mean and variance of one quantity (Chan, Golub and LeVeque, 1983: merging of two sets' moments).
struct Moments {
  float count, mean, variance;

  /// Takes in `n` new values, given by the sums of (x - centre) and (x - centre)^2. The nearer the centre is to their
  /// mean, the more digits the variance keeps.
  STAMPEDE_FN void merge(float n, float centre, float sum, float sum_of_squares) {
    const float total = count + n;
    if (!(n > 0.0f)) return;
    const float offset = sum / n;
    const float spread = max(sum_of_squares / n - offset * offset, 0.0f);
    const float shift = (centre - mean) + offset;
    const float old_share = count / total, new_share = n / total;
    variance = old_share * variance + new_share * spread + old_share * new_share * shift * shift;
    mean += new_share * shift;
    count = total < kMostWeight ? total : kMostWeight;
  }
};

/// 1 / standard deviation as normalisers use it; the same in exported policies.
STAMPEDE_FN float inverse_deviation(float variance) { return 1.0f / sqrt(variance + 1e-8f); }

struct Control {
  std::uint32_t clock;      ///< control steps every environment has taken
  std::uint32_t iteration;  ///< finished iterations
  float learning_rate;
  float beta1_power, beta2_power;  ///< Adam's decay rates to the power of the steps taken
  float gradient_scale;            ///< of the current step: 1, or less where the norm is clipped
  Moments values;                  ///< of the returns; the critic learns (return - mean) / deviation
  // Of the current iteration: its minibatches so far, and sums over them.
  std::uint32_t minibatches;
  float policy_loss, value_loss, kl, clip_fraction, gradient_norm;
};
static_assert(sizeof(Control) == 15 * sizeof(float), "Control is saved as words");

/// One pass of an update over its rollout.
struct Pass {
  const Control* control;
  std::uint32_t epoch, epochs;

  /// Passes before this one since the training began.
  STAMPEDE_FN std::uint32_t number() const { return control->iteration * epochs + epoch; }
};

/// Sets the iteration's sums to zero and the learning rate to what the schedule says.
struct BeginIteration {
  Control* control;
  Schedule schedule;
  float learning_rate;
  float iterations;

  STAMPEDE_FN void operator()() const {
    Control& c = *control;
    if (schedule == Schedule::kFixed) c.learning_rate = learning_rate;
    if (schedule == Schedule::kLinear) {
      c.learning_rate = learning_rate * max(1.0f - static_cast<float>(c.iteration) / iterations, 0.0f);
    }
    c.minibatches = 0;
    c.policy_loss = c.value_loss = c.kl = c.clip_fraction = c.gradient_norm = 0.0f;
  }
};

struct EndIteration {
  Control* control;
  std::uint32_t horizon;

  STAMPEDE_FN void operator()() const {
    control->clock += horizon;
    control->iteration += 1;
  }
};

}  // namespace stampede
