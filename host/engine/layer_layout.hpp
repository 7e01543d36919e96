#pragma once
/// \file What the backends' networks have in common on the host: where a layer's parameters lie, and copying them out
/// and in.

#include <string>
#include <vector>

#include "host/base/error.hpp"
#include "host/engine/policy.hpp"
#include "kernels/vocabulary.hpp"

namespace stampede {

/// A dense layer's place in an array of parameters (or of gradients, or of moments).
struct LayerLayout {
  Index inputs, outputs;
  Index weight, bias;         ///< where they begin
  Index by_output, by_input;  ///< between the weights of adjacent outputs, and of adjacent inputs

  Index place(Index output, Index input) const { return weight + output * by_output + input * by_input; }
};

/// Floating-point operations of a forward pass, for each sample. `Layers` holds structs derived from LayerLayout.
template <class Layers>
double forward_flops(const Layers& layers) {
  double sum = 0;
  for (const LayerLayout& layer : layers) sum += 2.0 * static_cast<double>(layer.inputs * layer.outputs);
  return sum;
}

/// Those of a forward and a backward pass; the first layer's inputs need no gradient.
template <class Layers>
double training_flops(const Layers& layers) {
  const LayerLayout& first = layers.front();
  return 3 * forward_flops(layers) - 2.0 * static_cast<double>(first.inputs * first.outputs);
}

/// Copies the layers out of an array on the host, without its padding.
template <class Layers>
std::vector<DenseLayer> read_layers(const Layers& layers, const float* parameters) {
  std::vector<DenseLayer> read;
  for (const LayerLayout& layer : layers) {
    DenseLayer to;
    to.inputs = static_cast<int>(layer.inputs);
    to.outputs = static_cast<int>(layer.outputs);
    to.weight.reserve(static_cast<std::size_t>(layer.inputs * layer.outputs));
    for (Index o = 0; o < layer.outputs; ++o) {
      for (Index i = 0; i < layer.inputs; ++i) to.weight.push_back(parameters[layer.place(o, i)]);
    }
    to.bias.assign(parameters + layer.bias, parameters + layer.bias + layer.outputs);
    read.push_back(std::move(to));
  }
  return read;
}

/// The reverse of `read_layers`; throws Error where the shapes differ.
template <class Layers>
void write_layers(const Layers& layers, const std::vector<DenseLayer>& from, float* parameters) {
  if (from.size() != layers.size()) {
    throw Error("network has " + std::to_string(from.size()) + " layers where " + std::to_string(layers.size()) +
                " are expected");
  }
  for (std::size_t l = 0; l < from.size(); ++l) {
    const LayerLayout& layer = layers[l];
    if (from[l].inputs != layer.inputs || from[l].outputs != layer.outputs) {
      throw Error("layer " + std::to_string(l) + " is " + std::to_string(from[l].outputs) + " x " +
                  std::to_string(from[l].inputs) + " where " + std::to_string(layer.outputs) + " x " +
                  std::to_string(layer.inputs) + " is expected");
    }
    for (Index o = 0; o < layer.outputs; ++o) {
      for (Index i = 0; i < layer.inputs; ++i) {
        parameters[layer.place(o, i)] = from[l].weight[static_cast<std::size_t>(o * layer.inputs + i)];
      }
      parameters[layer.bias + o] = from[l].bias[static_cast<std::size_t>(o)];
    }
  }
}

}  // namespace stampede
