#pragma once
/// \file A policy as safetensors: raw weights under the layers' names, and the normaliser's mean and variance.
///
/// Tensors: `actor.0.weight` [outputs, inputs], `actor.0.bias`, ..., those of the network's other modules
/// (`actor.<module>.<parameter>`), `log_std`, `observation_mean`, `observation_variance`, `action_centre`,
/// `action_scale`, `action_low`, `action_high`. Metadata: `task`, `activation`, `modules` (what the network is made of;
/// files of earlier versions, which lack it, hold dense layers), `observation_clip`, and the facts that an export adds
/// (policy_facts).

#include <map>
#include <string>
#include <vector>

#include "host/app/export/safetensors.hpp"
#include "host/engine/engine.hpp"
#include "host/task/task_info.hpp"

namespace stampede {

/// The policy's arrays, every name with `prefix` before it.
std::vector<Tensor> policy_tensors(const Policy& policy, const std::string& prefix = "");

/// What a policy needs besides its arrays, every key with `prefix` before it. Its facts are not among them.
std::map<std::string, std::string> policy_metadata(const Policy& policy, const std::string& prefix = "");

/// Reads a policy back, bit for bit; metadata whose keys begin with `prefix` become its facts. Throws Error naming the
/// file, `name`, and the tensor that is missing or of another shape.
Policy policy_from_tensors(const SafetensorsFile& file, const std::string& name, const std::string& prefix = "");

/// Facts for a policy file's metadata: task, names, control step, bounds, version (README.md lists all). Lists are
/// JSON.
std::map<std::string, std::string> policy_facts(const Policy& policy, const TaskSpec& task);

/// `policy.safetensors`, its bytes.
std::string to_policy_safetensors(const Policy& policy, const TaskSpec& task);

}  // namespace stampede
