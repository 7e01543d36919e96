#pragma once
/// \file A policy by itself: it acts on observations that the caller has, from a robot or another simulator.

#include <cstdint>

namespace stampede {

/// A policy that acts without chance on a fixed number of rows, each of which is an environment or a robot. One thread
/// calls it.
class StandalonePolicy {
 public:
  virtual ~StandalonePolicy() = default;

  /// observations [rows][observations], as they are measured, become actions [rows][actions] in the task's units. Both
  /// lie on the host. States of the network go one step on; they begin at 0.
  virtual void act(const float* observations, float* actions) = 0;
  /// States begin anew in the rows where `which` [rows] is not 0; null: in all.
  virtual void reset(const float* which) = 0;
  /// Whether the network carries a state from step to step.
  virtual bool has_state() const = 0;
};

}  // namespace stampede
