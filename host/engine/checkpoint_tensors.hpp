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

/// The layers as tensors prefix.0.weight [outputs, inputs], prefix.0.bias [outputs], …
inline void append_layers(std::vector<Tensor>& to, const std::string& prefix, const std::vector<DenseLayer>& layers) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string name = prefix + "." + std::to_string(i);
    to.push_back(make_tensor(name + ".weight", {layers[i].outputs, layers[i].inputs}, layers[i].weight));
    to.push_back(make_tensor(name + ".bias", {layers[i].outputs}, layers[i].bias));
  }
}

/// The reverse, for layers of the shapes that `like` has.
inline std::vector<DenseLayer> find_layers(const std::vector<Tensor>& tensors, const std::string& prefix,
                                           std::vector<DenseLayer> like) {
  for (std::size_t i = 0; i < like.size(); ++i) {
    const std::string name = prefix + "." + std::to_string(i);
    like[i].weight = floats_of(tensors, name + ".weight", like[i].weight.size());
    like[i].bias = floats_of(tensors, name + ".bias", like[i].bias.size());
  }
  return like;
}

}  // namespace stampede
