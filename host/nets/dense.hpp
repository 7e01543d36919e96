#pragma once
/// \file Dense layers as a network's module: the backend's multilayer perceptron, which takes a tile of rows through
/// all layers before the next tile, so that activations stay in the cache.

#include <cstdint>
#include <memory>
#include <numeric>
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

/// A linear layer beside a network's last one, for a loss that only a training has: it gets what that gets, the last
/// hidden layer or, where none is hidden, what the dense layers get. Its outputs lie behind the network's own. It is no
/// part of the policy (NetworkModule::parameters), but has parameters `name`.weight [outputs, inputs], `name`.bias.
struct AuxiliaryHead {
  std::string name;
  int outputs = 0;
};

template <class Backend>
class Dense final : public NetworkModule<Backend> {
 public:
  using Context = typename Backend::Context;
  using Mlp = typename Backend::Mlp;

  Dense(Backend& backend, const ModuleOptions& options, const ModuleSize& size,
        const std::vector<AuxiliaryHead>& heads = {})
      : sizes_(layer_sizes(size.inputs, options.hidden, size.outputs)),
        heads_(heads),
        above_others_(size.above_others),
        mlp_(backend, layer_sizes(size.inputs, options.hidden, size.outputs + outputs_of(heads)),
             activation_of(options.activation), size.begin, size.most_rows, size.above_others) {}

  /// Where the last layer's weights and bias begin in the flat array; with one output the weights are head_inputs()
  /// adjacent numbers.
  Index head_weight() const { return mlp_.head_weight(); }
  Index head_bias() const { return mlp_.head_bias(); }
  Index head_inputs() const { return mlp_.head_inputs(); }

  /// The layers as the backend has them.
  const Mlp& layers() const { return mlp_; }

  /// The last hidden layer's outputs in the last `forward` on this context, [row][hidden_stride()]; there must be one.
  const float* hidden(const Context& context) const { return mlp_.hidden(context); }
  Index hidden_stride() const { return mlp_.hidden_stride(); }

  int outputs() const override { return sizes_.back(); }
  std::vector<ParameterPlace> parameters() const override {
    std::vector<ParameterPlace> places;
    for (const LayerLayout& layer : mlp_.layouts()) {
      const std::size_t i = places.size() / 2;
      add_places(std::to_string(i), layer, 0, sizes_[i + 1], places);
    }
    return places;
  }
  /// Those of the auxiliary heads.
  std::vector<ParameterPlace> head_parameters() const {
    std::vector<ParameterPlace> places;
    Index first = sizes_.back();
    for (const AuxiliaryHead& head : heads_) {
      add_places(head.name, mlp_.layouts().back(), first, head.outputs, places);
      first += head.outputs;
    }
    return places;
  }
  Index end() const override { return mlp_.parameters().end; }
  void initialise(std::uint64_t seed, std::uint32_t stream, const InitialScale& scale, float* values) const override {
    std::vector<DenseLayer> layers = initial_network(sizes_, scale, seed, stream);
    DenseLayer& last = layers.back();
    std::uint32_t own = stream + kHeadStreams;
    for (const AuxiliaryHead& head : heads_) {
      const DenseLayer more = initial_network({last.inputs, head.outputs}, {}, seed, own++).front();
      last.outputs += head.outputs;
      last.weight.insert(last.weight.end(), more.weight.begin(), more.weight.end());
      last.bias.insert(last.bias.end(), more.bias.begin(), more.bias.end());
    }
    mlp_.write(layers, values);
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
  static constexpr std::uint32_t kHeadStreams = 500;  ///< from a network's own stream to those of its auxiliary heads

  static int outputs_of(const std::vector<AuxiliaryHead>& heads) {
    return std::accumulate(heads.begin(), heads.end(), 0,
                           [](int sum, const AuxiliaryHead& head) { return sum + head.outputs; });
  }

  /// Adds weight and bias of `outputs` outputs of a layer, from the one numbered `first` on.
  static void add_places(const std::string& name, const LayerLayout& layer, Index first, Index outputs,
                         std::vector<ParameterPlace>& places) {
    places.push_back(
        {name + ".weight", {outputs, layer.inputs}, layer.place(first, 0), layer.by_output, layer.by_input});
    places.push_back({name + ".bias", {outputs}, layer.bias + first});
  }

  std::vector<int> sizes_;  ///< without the auxiliary heads
  std::vector<AuxiliaryHead> heads_;
  bool above_others_;
  Mlp mlp_;
};

}  // namespace stampede
