#pragma once
/// \file Between typed host arrays and the named tensors of checkpoints.

#include <cstring>
#include <string>
#include <vector>

#include "host/base/error.hpp"
#include "host/engine/engine.hpp"

namespace stampede {

/// The values of the tensor of that name, which must have `count` elements of the type. Throws Error.
template <class T>
std::vector<T> tensor_values(const std::vector<Tensor>& tensors, const std::string& name, Tensor::Type type,
                             std::size_t count) {
  for (const Tensor& tensor : tensors) {
    if (tensor.name != name) continue;
    if (tensor.type != type || tensor.bytes.size() != count * sizeof(T)) {
      throw Error("checkpoint: tensor '" + name + "' has " +
                  std::to_string(tensor.bytes.size() / Tensor::size_of(tensor.type)) + " elements where " +
                  std::to_string(count) + " are expected: it is of other settings");
    }
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }
  throw Error("checkpoint: tensor '" + name + "' is missing: it is of other settings or of another version");
}

inline std::vector<float> floats_of(const std::vector<Tensor>& tensors, const std::string& name, std::size_t count) {
  return tensor_values<float>(tensors, name, Tensor::Type::kF32, count);
}

}  // namespace stampede
