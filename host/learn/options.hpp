#pragma once
/// \file Settings translated for the kernels: words to enumerations, and what follows from numbers.

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

/// The estimator of the advantage, by its two parameters (kernels/returns.hpp): whether the critic's values are used,
/// and lambda.
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

}  // namespace stampede
