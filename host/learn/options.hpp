#pragma once
/// \file The settings' words as the kernels' enumerations.

#include <algorithm>
#include <string>

#include "host/engine/training_request.hpp"
#include "kernels/control.hpp"
#include "kernels/ppo.hpp"

namespace stampede {

inline Schedule schedule_of(const std::string& word) {
  if (word == "linear") return Schedule::kLinear;
  if (word == "adaptive") return Schedule::kAdaptive;
  return Schedule::kFixed;
}

inline Surrogate surrogate_of(const std::string& word) {
  return word == "log_prob" ? Surrogate::kLogProb : Surrogate::kClippedRatio;
}

/// Which member of the family of estimators is meant (kernels/returns.hpp).
struct Estimator {
  bool use_values;
  float lambda;
};

inline Estimator estimator_of(const AlgorithmSettings& settings) {
  if (settings.advantage == "return") return {false, 1.0f};
  if (settings.advantage == "return_baseline") return {true, 1.0f};
  if (settings.advantage == "td") return {true, 0.0f};
  return {true, settings.gae_lambda};
}

/// How a rollout's samples are split into minibatches of nearly equal size, about the one that was asked for.
inline int minibatches_of(std::int64_t samples, std::int64_t wanted) {
  return static_cast<int>(std::max<std::int64_t>(1, (samples + wanted / 2) / wanted));
}

}  // namespace stampede
