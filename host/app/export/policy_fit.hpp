#pragma once
/// \file Fits a policy to a task: joints and observations are matched by name, never by position.

#include <string>
#include <vector>

#include "host/engine/policy.hpp"
#include "host/task/task_info.hpp"

namespace stampede {

/// Throws Error unless the policy has as many observations and actions as the task, and was trained for its robot.
/// `name` is what messages call the policy.
void check_policy_fits(const Policy& policy, const TaskSpec& task, const std::string& name);

/// The policy with its observations and actions put into the task's order, by the names in its facts. Throws Error that
/// names the first difference in what its numbers mean: a joint or an observation that only one of the two has, or
/// another default pose, action scale or height scan. Gains, torque limits and time steps may differ: each difference
/// adds a line to `notes`.
Policy fit_policy(Policy policy, const TaskSpec& task, const std::string& name, std::vector<std::string>& notes);

/// Throws Error where the network's outputs mean other actions to a policy that fits than to one of the task, and,
/// below, where it acts at other times; `who` is what messages call the policy.
void check_action_scale(const Policy& policy, const TaskSpec& task, const std::string& name, const std::string& who);
void check_control_step(const Policy& policy, const TaskSpec& task, const std::string& name, const std::string& who);

/// Throws Error where the networks of a checkpoint's policy consist of other modules than those of `now`: parameters
/// are loaded by name, and those of modules that are missing would silently be left out.
void check_same_networks(const Policy& then, const Policy& now, const std::string& name);

/// Throws Error that names the first observation or action with another position in `now` than in `then`, the facts of
/// a checkpoint, because weights and normalisers are stored by position. A list that either lacks is not compared.
void check_same_places(const std::map<std::string, std::string>& then, const std::map<std::string, std::string>& now,
                       const std::string& name);

}  // namespace stampede
