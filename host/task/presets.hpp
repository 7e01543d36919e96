#pragma once
/// \file The algorithms and the networks' sizes as data.
///
/// All four algorithms are the one trainer; a fragment of TOML says which member of the family is meant (see
/// docs/algorithms.md). A preset changes the network only.

#include <string>
#include <vector>

namespace stampede {

/// A named fragment of a configuration.
struct Fragment {
  const char* name;
  const char* summary;
  const char* toml;
};

/// reinforce, reinforce-baseline, actor-critic, ppo.
const std::vector<Fragment>& algorithms();

/// default, small, medium, large, reference.
const std::vector<Fragment>& presets();

/// cat, shaped, early-termination: what walking tasks optimise.
const std::vector<Fragment>& objectives();

/// Their names, in order.
std::vector<std::string> names_of(const std::vector<Fragment>& fragments);

}  // namespace stampede
