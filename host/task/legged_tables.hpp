#pragma once
/// \file Reading of those tables of a walking task's file that hold entries by name: rewards, constraints, terminations,
/// observations and the environments' own numbers.

#include <string>

#include "host/task/layer.hpp"
#include "host/task/legged_settings.hpp"
#include "host/task/task_info.hpp"

namespace stampede::reading {

/// Puts a layer's table of that name on top; entries keep the order in which files define them (toml++ keeps keys in
/// alphabetical order), and those that are there already are changed in their places. False where it is none of these
/// tables.
bool apply_legged_table(LeggedSettings& legged, const std::string& name, const toml::table& table, const Layer& layer,
                        const TaskInfo& task);

}  // namespace stampede::reading
