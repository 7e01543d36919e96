#pragma once
/// \file A task that is nothing but its sizes, for what learns from rollouts that are given by hand.

#include <memory>
#include <string>

#include "host/engine/task_spec.hpp"

namespace stampede::test {

inline TaskSpec plain_task(int observations, int actions) {
  TaskSpec task;
  task.name = "by hand";
  ObservationGroup& policy = task.observations.emplace_back();
  policy.name = "policy";
  for (int i = 0; i < observations; ++i) policy.names.push_back("observation." + std::to_string(i));
  for (int i = 0; i < actions; ++i) task.action.names.push_back("action." + std::to_string(i));
  const auto size = static_cast<std::size_t>(actions);
  task.action.centre.assign(size, 0.0f);
  task.action.scale.assign(size, 1.0f);
  task.action.low.assign(size, -1.0f);
  task.action.high.assign(size, 1.0f);
  return task;
}

}  // namespace stampede::test
