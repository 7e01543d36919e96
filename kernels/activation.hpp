#pragma once
/// \file Activations of hidden layers and their derivatives.

#include "kernels/math.hpp"

namespace stampede {

enum class Activation : int { kElu, kTanh, kRelu, kSilu };

/// 1 / (1 + e^-z), from the exponential that cannot overflow.
template <class Real>
STAMPEDE_FN Real sigmoid(Real z) {
  const Real decay = exp_nonpositive(-abs(z));
  return select(z < Real(0.0f), decay, Real(1.0f)) * reciprocal_of_1_to_2(Real(1.0f) + decay);
}

/// f(z).
template <Activation kind, class Real>
STAMPEDE_FN Real activate(Real z) {
  const Real zero = Real(0.0f), one = Real(1.0f);
  if constexpr (kind == Activation::kElu) return select(z > zero, z, exp_nonpositive(min(z, zero)) - one);
  if constexpr (kind == Activation::kTanh) return tanh(z);
  if constexpr (kind == Activation::kRelu) return max(z, zero);
  if constexpr (kind == Activation::kSilu) return z * sigmoid(z);
}

/// f'(z) from y = f(z), for those kinds of which y determines it.
template <Activation kind, class Real>
STAMPEDE_FN Real activation_slope(Real y) {
  const Real zero = Real(0.0f), one = Real(1.0f);
  if constexpr (kind == Activation::kElu) return min(y, zero) + one;
  if constexpr (kind == Activation::kTanh) return one - y * y;
  if constexpr (kind == Activation::kRelu) return select(y > zero, one, zero);
}

/// f'(z) of SiLU, which needs z itself; `gate` is sigmoid(z).
template <class Real>
STAMPEDE_FN Real silu_slope(Real z, Real gate) {
  return gate * (Real(1.0f) + z * (Real(1.0f) - gate));
}

/// Carries a kind as a constant expression.
template <Activation kind>
struct ActivationTag {
  static constexpr Activation value = kind;
};

/// Calls body with the tag of the kind.
template <class Body>
STAMPEDE_FN void with_activation(Activation kind, Body&& body) {
  switch (kind) {
    case Activation::kElu:
      return body(ActivationTag<Activation::kElu>{});
    case Activation::kTanh:
      return body(ActivationTag<Activation::kTanh>{});
    case Activation::kRelu:
      return body(ActivationTag<Activation::kRelu>{});
    case Activation::kSilu:
      return body(ActivationTag<Activation::kSilu>{});
  }
}

}  // namespace stampede
