#pragma once
/// \file The tests' own engine, with the point mass (tests/envs/point_mass.hpp) and what else tests/modules/point_mass.cpp registers.

#include <memory>
#include <string>
#include <vector>

#include "host/engine/loader.hpp"
#include "host/task/describe_task.hpp"
#include "host/task/planned_task.hpp"
#include "tests/envs/point_mass.hpp"

namespace stampede::test {

inline void know_point_mass() { [[maybe_unused]] static const bool registered = (register_tasks(PointMasses{}), true); }

/// A task that `set`, key=value each, says everything of.
inline PlannedTask planned_with_point_mass(const std::vector<std::string>& set) {
  know_point_mass();
  return plan_task(resolve_settings({"", set, {}}));
}

inline std::unique_ptr<Engine> engine_with_point_mass(int threads) {
  return make_engine(DeviceChoice{"cpu", "", STAMPEDE_POINT_MASS_MODULE, ""}, threads);
}

}  // namespace stampede::test
