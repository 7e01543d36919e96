#pragma once
/// \file The algorithms and the networks' sizes as data: fragments of TOML.
///
/// Algorithms that train differ in their settings only (docs/algorithms.md), as do those that teach a student
/// (docs/distillation.md). A preset itself changes the network only; a task may change more for it, under `for`.

#include <string>
#include <vector>

namespace stampede {

/// A named fragment of a configuration.
struct Fragment {
  const char* name;
  const char* summary;
  const char* toml;
  bool teaches = false;  ///< of an algorithm: a student learns from a teacher, as [distill] says
};

/// reinforce, reinforce-baseline, actor-critic, ppo; online, dagger, bc.
const std::vector<Fragment>& algorithms();

/// default, fast, small, medium, large, reference.
const std::vector<Fragment>& presets();

/// cat, shaped, early-termination: what walking tasks optimise.
const std::vector<Fragment>& objectives();

/// Their names, in order.
std::vector<std::string> names_of(const std::vector<Fragment>& fragments);

}  // namespace stampede
