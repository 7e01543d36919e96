#pragma once
/// \file A trained policy as plain data: what export writes, evaluation reads and backends load.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "host/base/error.hpp"

namespace stampede {

/// An array of a network, by name.
struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;  ///< row-major
};

/// What a configuration says of a network's modules; each module uses what concerns it.
struct ModuleOptions {
  static constexpr int kMostGru = 4096;  ///< units that a GRU may have

  std::string activation = "elu";  ///< elu, tanh, relu or silu, behind every dense layer but the last
  std::vector<int> hidden;         ///< dense layers' widths, but for the last one's
  int gru = 0;                     ///< units of each GRU (host/nets/gru.hpp)
  // Of convolutions: the picture that a row begins with, [channels][height][width]; for each layer channels, kernel and
  // stride.
  std::vector<int> image{}, channels{}, kernels{}, strides{};
};

/// The kind of the module that ends every network: dense layers, `y = W x + b`, parameters `0.weight` [outputs,
/// inputs], `0.bias` [outputs], `1.weight`, ...
inline constexpr const char* kDenseModule = "dense";

/// The kind of the module that looks at pictures: convolutions (host/nets/convolution.hpp).
inline constexpr const char* kConvolutionModule = "convolution";

/// The kind of modules with gated recurrent units (host/nets/gru.hpp).
inline constexpr const char* kGruModule = "gru";

/// One module of a network (host/nets/module.hpp): it maps `inputs` numbers and its state to `outputs` numbers and the
/// next state.
struct ModuleWeights {
  std::string kind = kDenseModule;
  std::string name = "actor";  ///< what its parameters' and states' names begin with in files
  ModuleOptions options;
  int inputs = 0, outputs = 0;
  int states = 0;  ///< numbers that it carries from step to step: zeros when an episode begins
  std::vector<Parameter> parameters;

  /// Throws Error where there is none of that name.
  const Parameter& parameter(const std::string& wanted) const {
    for (const Parameter& there : parameters) {
      if (there.name == wanted) return there;
    }
    throw Error("policy: its module '" + name + "' has no parameter '" + wanted + "'");
  }
};

/// One dense layer, `y = W x + b`.
struct DenseLayer {
  int inputs = 0, outputs = 0;
  std::vector<float> weight;  ///< [outputs][inputs]
  std::vector<float> bias;    ///< [outputs]
};

/// A dense module made of these layers.
inline ModuleWeights dense_module(const std::string& name, const std::string& activation,
                                  const std::vector<DenseLayer>& layers) {
  ModuleWeights dense;
  dense.name = name;
  dense.options.activation = activation;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const DenseLayer& layer = layers[i];
    if (i == 0) dense.inputs = layer.inputs;
    if (i + 1 < layers.size()) dense.options.hidden.push_back(layer.outputs);
    dense.outputs = layer.outputs;
    dense.parameters.push_back({std::to_string(i) + ".weight", {layer.outputs, layer.inputs}, layer.weight});
    dense.parameters.push_back({std::to_string(i) + ".bias", {layer.outputs}, layer.bias});
  }
  return dense;
}

/// The reverse: the layers of a dense module.
inline std::vector<DenseLayer> dense_layers(const ModuleWeights& dense) {
  if (dense.kind != kDenseModule) {
    throw Error("policy: its network ends with the module '" + dense.name + "', which is not dense");
  }
  std::vector<DenseLayer> layers;
  for (std::size_t i = 0; i < dense.parameters.size() / 2; ++i) {
    const Parameter& weight = dense.parameter(std::to_string(i) + ".weight");
    layers.push_back({static_cast<int>(weight.shape.at(1)), static_cast<int>(weight.shape.at(0)), weight.values,
                      dense.parameter(std::to_string(i) + ".bias").values});
  }
  return layers;
}

/// `action = clip(centre + scale * actor(clip((observation - mean) * inverse_deviation(variance), +-observation_clip)),
/// low, high)`, in the task's units; `inverse_deviation` is kernels/control.hpp's.
struct Policy {
  std::string task;
  std::string robot;                         ///< of a walking task, where it is known; else empty
  std::map<std::string, std::string> facts;  ///< what its file says of it: names, default pose, gains; lists are JSON
  std::vector<ModuleWeights> actor;          ///< applied in this order; the last is dense
  std::vector<float> log_std;                ///< [actions], of the network's output; only training uses it
  std::vector<float> observation_mean, observation_variance;  ///< [observations]
  float observation_clip = 10.0f;
  std::vector<float> action_centre, action_scale, action_low, action_high;  ///< [actions]

  int observations() const { return static_cast<int>(observation_mean.size()); }
  int actions() const { return static_cast<int>(action_centre.size()); }
  /// The layers of the dense module at the network's end; none where there is no network.
  std::vector<DenseLayer> layers() const {
    return actor.empty() ? std::vector<DenseLayer>() : dense_layers(actor.back());
  }
  /// Replaces them by layers of any widths.
  void set_layers(const std::vector<DenseLayer>& layers) {
    if (actor.empty()) actor.emplace_back();
    actor.back() = dense_module(actor.back().name, actor.back().options.activation, layers);
  }
};

}  // namespace stampede
