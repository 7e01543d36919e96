#pragma once
/// \file From a data set to what a student learns from.

#include <string>
#include <vector>

#include "host/app/session/data_set.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// The data set that the student's settings name (distill.dataset). Throws Error where it is none, or where they ask
/// for what no data set can give.
DataSet find_data_set(const PlannedTask& student);

/// What the student is to learn from it: what its policy's group sees, and the actions as its network gives them.
/// Differences between data set and task that may be add a line each to `notes`. Throws Error that names the first of
/// the others: joints, observations, robots, action scales, control steps.
Demonstrations demonstrations_in(const DataSet& set, const PlannedTask& student, std::vector<std::string>& notes);

}  // namespace stampede
