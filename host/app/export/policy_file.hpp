#pragma once
/// \file A policy's file, of any of the kinds that are written.

#include <string>

#include "host/engine/policy.hpp"

namespace stampede {

/// Reads a policy by the file's ending: `.safetensors`, else ONNX. Throws Error naming the file.
Policy read_policy_file(const std::string& file);

}  // namespace stampede
