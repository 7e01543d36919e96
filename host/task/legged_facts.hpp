#pragma once
/// \file What a policy's file says of the walking task that it was trained for.

#include <cstddef>
#include <map>
#include <string>

#include "host/engine/task_spec.hpp"
#include "host/task/legged_settings.hpp"

namespace stampede {

/// Index of a name among the entries of a table of terms; -1 where it is none of them.
template <class Info, std::size_t N>
int index_of(const Info (&infos)[N], const std::string& name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (name == infos[i].name) return static_cast<int>(i);
  }
  return -1;
}

/// TaskSpec::facts of a walking task whose observations and actions are filled in: JSON values by key. Gains and
/// torques are those of the joints that are driven, in the order of the actions [N m/rad, N m s/rad, N m]; the scan is
/// x from, to, y from, to, spacing [m].
std::map<std::string, std::string> legged_facts(const TaskSpec& spec, const LeggedSettings& settings);

}  // namespace stampede
