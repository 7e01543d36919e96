#pragma once
/// \file A policy meets a task: joints and observations are matched by name, never by place.

#include <string>
#include <vector>

#include "host/engine/policy.hpp"
#include "host/task/task_info.hpp"

namespace stampede {

/// Throws Error unless the policy takes and gives as many numbers as the task does, and is of its robot. `name` is what the policy
/// is called.
void check_policy_fits(const Policy& policy, const TaskSpec& task, const std::string& name);

/// The policy with observations and actions in the task's order, which its facts name. Throws Error that names the first
/// difference: a joint or an observation that one of both has not, another default pose, action scale or height scan, which change
/// what its numbers mean. What it only acts through (gains, torque limits, time steps) may differ: a line in `notes` each.
Policy fit_policy(Policy policy, const TaskSpec& task, const std::string& name, std::vector<std::string>& notes);

/// Throws Error where the networks of a checkpoint's policy are made of other modules than those of `now`: what is loaded by name would
/// leave some out.
void check_same_networks(const Policy& then, const Policy& now, const std::string& name);

/// Throws Error that names the first observation or action that has another place in `now` than in `then`, the facts of a
/// checkpoint: weights and normalisers are kept by place. What either does not say is not compared.
void check_same_places(const std::map<std::string, std::string>& then, const std::map<std::string, std::string>& now,
                       const std::string& name);

}  // namespace stampede
