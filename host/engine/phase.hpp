#pragma once
/// \file The phases of a rollout whose times backends measure separately.

namespace stampede {

/// What time within a rollout is spent on.
enum class Phase : int {
  kPhysics,    ///< steps of the environments, with what they measure
  kPictures,   ///< what cameras see
  kTeacher,    ///< the labels of a student's steps
  kInference,  ///< the networks that are learned, and all the rest
};
inline constexpr int kPhases = 4;

}  // namespace stampede
