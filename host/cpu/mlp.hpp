#pragma once
/// \file A multilayer perceptron on the CPU: a tile of samples goes through all layers forward, then backward, before
/// the next tile, so that activations stay in the first- and second-level cache.
///
/// Parameters, gradients and optimiser moments share one layout, padded to whole packs. The weights of a layer
/// with at least 16 outputs lie as [input][padded output]; a narrower layer, such as the head, as [output][padded
/// input]: along its few outputs most lanes would be padding. Behind them the bias, [padded output]. Padding stays
/// zero.

#include <algorithm>
#include <vector>

#include "host/cpu/buffer.hpp"
#include "host/cpu/dense.hpp"
#include "host/engine/layer_layout.hpp"
#include "kernels/activation.hpp"

namespace stampede {

/// The most samples of a tile; workspaces have room for as many.
inline constexpr Index kTrainingTile = 192;

/// Samples of a tile when networks of so many parameters in all learn from so many samples. It depends on these two
/// alone and not on the machine's caches, so that results are the same everywhere. Activations of 96 samples stay in a
/// second-level cache of 512 KiB. Where the parameters do not fit there, weights, packed weights and gradients are
/// loaded again for each tile: then larger tiles are better, as long as there are enough of them for many threads.
inline Index training_tile(Index parameters, Index samples) {
  constexpr Index kSmall = kTrainingTile / 2, kEnough = 32;
  const bool passes_through = parameters * Index{sizeof(float)} > Index{512} << 10;
  return passes_through && samples >= kEnough * kTrainingTile ? kTrainingTile : kSmall;
}

class CpuMlp {
 public:
  /// `sizes`: inputs, hidden widths, outputs. Parameters begin at `offset` of the arrays that hold them.
  /// `with_input_gradient`: whether `backward` is to give that as well.
  CpuMlp(const std::vector<int>& sizes, Activation activation, Index offset, int threads,
         bool with_input_gradient = false)
      : activation_(activation), with_input_gradient_(with_input_gradient), begin_(offset) {
    Index packed = 0, widest = 0;
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
      Layer layer;
      layer.inputs = sizes[i];
      layer.outputs = sizes[i + 1];
      layer.narrow = layer.outputs < kMaxLanes;
      layer.by_output = layer.narrow ? padded(layer.inputs) : 1;
      layer.by_input = layer.narrow ? 1 : padded(layer.outputs);
      layer.weight = offset;
      layer.bias =
          offset + (layer.narrow ? layer.outputs * padded(layer.inputs) : layer.inputs * padded(layer.outputs));
      offset = layer.bias + padded(layer.outputs);
      layer.forward = packed;
      layer.backward = packed + layer.inputs * padded(layer.outputs);
      packed = layer.backward + layer.outputs * padded(layer.inputs);
      layer.stride = row_stride(layer.outputs);
      widest = std::max({widest, layer.stride, row_stride(layer.inputs)});
      layers_.push_back(layer);
    }
    end_ = offset;
    packed_ = HostBuffer<float>(packed);
    for (int thread = 0; thread < threads; ++thread) workspaces_.push_back(make_workspace(widest));
  }

  int inputs() const { return static_cast<int>(layers_.front().inputs); }
  int outputs() const { return static_cast<int>(layers_.back().outputs); }
  /// The parameters' place in their arrays.
  Range parameters() const { return {begin_, end_}; }
  /// The last layer's weights (where it is one output: `inputs` adjacent values) and bias.
  Index head_weight() const { return layers_.back().weight; }
  Index head_bias() const { return layers_.back().bias; }
  Index head_inputs() const { return layers_.back().inputs; }

  /// Floating-point operations a sample, forward and backward.
  double training_flops() const { return stampede::training_flops(layers_); }
  double forward_flops() const { return stampede::forward_flops(layers_); }

  /// To be called whenever the parameters changed: packs the weights. Pieces 0 … pack_pieces()-1 may be packed at the
  /// same time.
  int pack_pieces() const { return static_cast<int>(layers_.size()); }
  void pack_piece(const float* parameters, int piece) {
    const Layer& layer = layers_[static_cast<std::size_t>(piece)];
    const float* weights = parameters + layer.weight;
    dense::pack(layer.inputs, layer.outputs, weights, layer.by_input, layer.by_output, packed_.data() + layer.forward);
    if (piece > 0 || with_input_gradient_) {
      dense::pack(layer.outputs, layer.inputs, weights, layer.by_output, layer.by_input,
                  packed_.data() + layer.backward);
    }
  }

  /// Forward pass of `rows` <= kTrainingTile samples, keeping what `backward` needs. Returns the outputs, whose
  /// rows lie `output_stride()` apart, in the thread's workspace.
  float* forward(int thread, const float* parameters, const float* input, Index input_stride, Index rows) {
    Workspace& work = workspaces_[static_cast<std::size_t>(thread)];
    const float* x = input;
    Index stride = input_stride;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      float* y = work.activations[i].data();
      const float* bias = parameters + layer.bias;
      if (i + 1 == layers_.size() && layer.outputs < 4 && layer.inputs == padded(layer.inputs)) {
        for (Index r = 0; r < rows; ++r) {
          for (Index o = 0; o < layer.outputs; ++o) {
            y[r * layer.stride + o] =
                bias[o] + dense::dot(layer.inputs, x + r * stride, parameters + layer.weight + o * layer.inputs);
          }
        }
      } else {
        const dense::Finish finish = activation_of_layer(i, work);
        dense::Output output{y, layer.stride, bias};
        if (i + 1 < layers_.size()) output.finish = &finish;
        dense::multiply_packed(rows, layer.inputs, padded(layer.outputs), {x, stride, 1},
                               packed_.data() + layer.forward, output);
      }
      x = y;
      stride = layer.stride;
    }
    return work.activations.back().data();
  }

  Index output_stride() const { return layers_.back().stride; }
  /// What the thread's last `forward` returned.
  const float* output(int thread) const {
    return workspaces_[static_cast<std::size_t>(thread)].activations.back().data();
  }
  /// The last hidden layer's outputs in the thread's last `forward`, [row][hidden_stride()]; there must be one.
  const float* hidden(int thread) const {
    return workspaces_[static_cast<std::size_t>(thread)].activations[layers_.size() - 2].data();
  }
  Index hidden_stride() const { return layers_[layers_.size() - 2].stride; }
  /// Where each layer's parameters lie.
  std::vector<LayerLayout> layouts() const { return {layers_.begin(), layers_.end()}; }

  /// Where the loss puts d loss / d output for `backward`, same rows and stride as the outputs.
  float* output_gradient(int thread) { return workspaces_[static_cast<std::size_t>(thread)].deltas[0].data(); }

  /// Backward pass of the samples of the last `forward` of this thread: adds to `gradient` (laid out as the
  /// parameters), or sets it where `accumulate` is false. Sets `input_gradient`, rows and stride as the inputs', unless
  /// it is null.
  void backward(int thread, const float* input, Index input_stride, Index rows, float* gradient, bool accumulate,
                float* input_gradient = nullptr) {
    Workspace& work = workspaces_[static_cast<std::size_t>(thread)];
    float* delta = work.deltas[0].data();
    float* below = work.deltas[1].data();
    for (std::size_t i = layers_.size(); i-- > 0;) {
      const Layer& layer = layers_[i];
      const float* x = i > 0 ? work.activations[i - 1].data() : input;
      const Index stride = i > 0 ? layers_[i - 1].stride : input_stride;
      if (i + 1 == layers_.size()) clear_padding(layer, rows, delta);
      dense::column_sums(rows, padded(layer.outputs), delta, layer.stride, gradient + layer.bias, accumulate);
      if (layer.narrow) {
        dense::multiply_samples(layer.outputs, rows, padded(layer.inputs), delta, layer.stride, x, stride,
                                gradient + layer.weight, padded(layer.inputs), accumulate);
        clear_weight_padding(layer, gradient + layer.weight);
      } else {
        dense::multiply_samples(layer.inputs, rows, padded(layer.outputs), x, stride, delta, layer.stride,
                                gradient + layer.weight, padded(layer.outputs), accumulate);
      }
      if (i == 0) {
        if (input_gradient != nullptr) {
          dense::multiply_packed(rows, layer.outputs, padded(layer.inputs), {delta, layer.stride, 1},
                                 packed_.data() + layer.backward, {input_gradient, input_stride});
        }
        break;
      }
      const dense::Finish finish = slope_of_layer(i - 1, work, below);
      dense::Output output{below, layers_[i - 1].stride};
      output.finish = &finish;
      dense::multiply_packed(rows, layer.outputs, padded(layer.inputs), {delta, layer.stride, 1},
                             packed_.data() + layer.backward, output);
      std::swap(delta, below);
    }
  }

  /// Copies the weights (or a gradient, or moments) out of their arrays and in; see layer_layout.hpp.
  std::vector<DenseLayer> read(const float* parameters) const { return read_layers(layers_, parameters); }
  void write(const std::vector<DenseLayer>& layers, float* parameters) const {
    write_layers(layers_, layers, parameters);
  }

 private:
  struct Layer : LayerLayout {
    bool narrow;
    Index forward, backward;  ///< in the packed weights
    Index stride;             ///< between the rows of its outputs
  };

  struct Workspace {
    std::vector<HostBuffer<float>> activations;  ///< outputs of each layer
    std::vector<HostBuffer<float>> slopes;       ///< of SiLU, where the outputs do not determine them
    HostBuffer<float> deltas[2];                 ///< d loss / d (a layer's sums)
  };

  /// Distance of rows. Wide rows get one more pack, as rows a power of two apart fall into the same few sets of the
  /// cache.
  static Index row_stride(Index columns) { return padded(columns) + (padded(columns) >= 128 ? kMaxLanes : 0); }

  Workspace make_workspace(Index widest) const {
    Workspace work;
    for (const Layer& layer : layers_) {
      work.activations.emplace_back(kTrainingTile * layer.stride);
      if (activation_ == Activation::kSilu) work.slopes.emplace_back(kTrainingTile * layer.stride);
    }
    for (HostBuffer<float>& delta : work.deltas) delta = HostBuffer<float>(kTrainingTile * widest);
    return work;
  }

  /// Calls body(place) for each vector of a block.
  template <class Body>
  static void for_vectors(float* at, Index row, Index rows, Index columns, const Body& body) {
    for (Index r = 0; r < rows; ++r) {
      for (Index c = 0; c < columns; c += dense::kWidth) body(at + r * row + c);
    }
  }

  template <Activation kind>
  static void activate_block(const dense::Finish& finish, float* block, Index row, Index rows, Index columns) {
    using Vector = dense::Vector;
    for_vectors(block, row, rows, columns, [&](float* at) {
      const Vector z = load<Vector>(at);
      if constexpr (kind == Activation::kSilu) {
        const Vector gate = sigmoid(z);
        store(finish.to + (at - finish.base), silu_slope(z, gate));
        store(at, z * gate);
      } else {
        store(at, activate<kind>(z));
      }
    });
  }

  template <Activation kind>
  static void slope_block(const dense::Finish& finish, float* block, Index row, Index rows, Index columns) {
    using Vector = dense::Vector;
    for_vectors(block, row, rows, columns, [&](float* at) {
      const Vector known = load<Vector>(finish.from + (at - finish.base));
      if constexpr (kind == Activation::kSilu) {
        store(at, load<Vector>(at) * known);
      } else {
        store(at, load<Vector>(at) * activation_slope<kind>(known));
      }
    });
  }

  /// The Finish that turns a hidden layer's sums into its outputs.
  dense::Finish activation_of_layer(std::size_t i, Workspace& work) const {
    dense::Finish finish{nullptr, work.activations[i].data(), nullptr, nullptr};
    if (activation_ == Activation::kSilu) finish.to = work.slopes[i].data();
    with_activation(activation_, [&]<class Tag>(Tag) { finish.apply = activate_block<Tag::value>; });
    return finish;
  }

  /// The Finish that turns d loss / d outputs of a hidden layer, which begin at `delta`, into d loss / d sums.
  dense::Finish slope_of_layer(std::size_t i, const Workspace& work, const float* delta) const {
    dense::Finish finish{nullptr, delta, work.activations[i].data(), nullptr};
    if (activation_ == Activation::kSilu) finish.from = work.slopes[i].data();
    with_activation(activation_, [&]<class Tag>(Tag) { finish.apply = slope_block<Tag::value>; });
    return finish;
  }

  /// Sets a gradient's padding columns to 0: the loss writes only the head's other columns.
  static void clear_padding(const Layer& layer, Index rows, float* delta) {
    for (Index r = 0; r < rows; ++r) {
      for (Index c = layer.outputs; c < padded(layer.outputs); ++c) delta[r * layer.stride + c] = 0.0f;
    }
  }
  static void clear_weight_padding(const Layer& layer, float* weight) {
    for (Index o = 0; o < layer.outputs; ++o) {
      for (Index i = layer.inputs; i < padded(layer.inputs); ++i) weight[o * padded(layer.inputs) + i] = 0.0f;
    }
  }

  Activation activation_;
  bool with_input_gradient_;
  Index begin_, end_ = 0;
  std::vector<Layer> layers_;
  HostBuffer<float> packed_;
  std::vector<Workspace> workspaces_;
};

}  // namespace stampede
