#pragma once
/// \file The phases of a rollout whose times backends measure separately.

namespace stampede {

/// What time within a rollout is spent on.
enum class Phase : int { kPhysics, kInference };
inline constexpr int kPhases = 2;

}  // namespace stampede
