#pragma once
/// \file Dense layers as a network's module: the backend's multilayer perceptron, which takes a tile of rows through
/// all layers before the next tile, so that activations stay in the cache.

#include <memory>
#include <string>
#include <vector>

#include "host/engine/layer_layout.hpp"
#include "host/nets/initialise.hpp"
#include "host/nets/module.hpp"
#include "kernels/activation.hpp"

namespace stampede {

/// The activation that a configuration's word names; ELU for any other word.
inline Activation activation_of(const std::string& word) {
  if (word == "tanh") return Activation::kTanh;
  if (word == "relu") return Activation::kRelu;
  if (word == "silu") return Activation::kSilu;
  return Activation::kElu;
}

/// The widths of a perceptron: inputs, hidden layers, outputs.
inline std::vector<int> layer_sizes(int inputs, const std::vector<int>& hidden, int outputs) {
  std::vector<int> sizes = {inputs};
  sizes.insert(sizes.end(), hidden.begin(), hidden.end());
  sizes.push_back(outputs);
  return sizes;
}

template <class Backend>
class Dense final : public NetworkModule<Backend> {
 public:
  using Context = typename Backend::Context;
  using Mlp = typename Backend::Mlp;

  Dense(Backend& backend, const ModuleOptions& options, const ModuleSize& size)
      : sizes_(layer_sizes(size.inputs, options.hidden, size.outputs)),
        above_others_(size.above_others),
        mlp_(backend, sizes_, activation_of(options.activation), size.begin, size.most_rows, size.above_others) {}

  /// Where the last layer's weights and bias begin in the flat array; with one output the weights are head_inputs()
  /// adjacent numbers.
  Index head_weight() const { return mlp_.head_weight(); }
  Index head_bias() const { return mlp_.head_bias(); }
  Index head_inputs() const { return mlp_.head_inputs(); }

  int outputs() const override { return mlp_.outputs(); }
  std::vector<ParameterPlace> parameters() const override {
    std::vector<ParameterPlace> places;
    for (const LayerLayout& layer : mlp_.layouts()) {
      const std::string name = std::to_string(places.size() / 2);
      places.push_back(
          {name + ".weight", {layer.outputs, layer.inputs}, layer.weight, layer.by_output, layer.by_input});
      places.push_back({name + ".bias", {layer.outputs}, layer.bias});
    }
    return places;
  }
  Index end() const override { return mlp_.parameters().end; }
  void initialise(std::uint64_t seed, std::uint32_t stream, double gain, float* values) const override {
    mlp_.write(initial_network(sizes_, gain, seed, stream), values);
  }
  void parameters_changed(Backend& backend, const float* parameters) override {
    mlp_.weights_changed(backend, parameters);
  }

  const float* forward(const Context& context, const float* parameters, const float* input, Index stride,
                       const Sequences& sequences) override {
    return mlp_.forward(context, parameters, input, stride, sequences.rows);
  }
  Index output_stride() const override { return mlp_.output_stride(); }
  const float* output(const Context& context) override { return mlp_.output(context); }
  float* output_gradient(const Context& context) override { return mlp_.output_gradient(context); }
  void backward(const Context& context, const float* parameters, const float* input, Index stride,
                const Sequences& sequences, float* gradient, float* input_gradient) override {
    mlp_.backward(context, parameters, input, stride, sequences.rows, gradient, input_gradient);
  }
  double training_flops() const override {
    return mlp_.training_flops() + (above_others_ ? 2.0 * sizes_[0] * sizes_[1] : 0.0);
  }

 private:
  std::vector<int> sizes_;
  bool above_others_;
  Mlp mlp_;
};

}  // namespace stampede
