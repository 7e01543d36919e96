#pragma once
/// \file Policies as ONNX, opset 17: input `obs` float32 [batch, observation], output `action` float32 [batch, action].
///
/// The graph: Sub mean, Mul 1/std, Clip; Gemm and activation for each layer; Mul scale, Add centre; Max low, Min high
/// (Clip takes one bound for all actions only). SiLU is Sigmoid and Mul.

#include <string>
#include <string_view>

#include "host/engine/policy.hpp"
#include "host/task/task_info.hpp"

namespace stampede {

/// The file's bytes. Task, names, bounds, control step and version go into its metadata.
std::string to_onnx(const Policy& policy, const TaskSpec& task);

/// Reads such a file back. Normalisation, scaling and bounds may be missing; then they change nothing. The variance
/// comes from 1/std and is the written one to rounding. Throws Error, naming the file `name`, where the bytes are not
/// ONNX or hold a graph of another kind.
Policy parse_onnx(std::string_view bytes, const std::string& name);

}  // namespace stampede
