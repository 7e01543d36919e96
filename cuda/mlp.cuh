#pragma once
/// \file A multilayer perceptron on the GPU: dense layers by cuBLASLt, with own kernels for activations, their slopes
/// and the gradients of the biases. The counterpart of host/cpu/mlp.hpp.
///
/// A layer's weights lie as [input][output], that is W (outputs x inputs) column-major; activations as rows of samples,
/// that is X (inputs x rows) column-major. So, with Z = W X + b and d the loss's gradient:
///
///     forward    Z  = W X + b    bias, and ReLU where that is the activation, in the product's epilogue
///     backward   dW = dZ X',  dX = W' dZ,  db = the sum of dZ's columns
///
/// The sums db come from the kernel that multiplies dX by the activation's slope: partial sums of stretches of rows,
/// added up in their order by one kernel for all layers. cuBLASLt could add them in its BGRADA epilogue, in an order
/// that is not documented.
///
/// Where the backend says so (Precision::kBf16), networks that learn have the numbers that products read in BF16: a
/// copy of the weights and of the inputs, made anew in each forward pass, and the hidden layers' outputs, slopes and
/// gradients, which are never kept in another form. Kernels compute with them in single precision and round what they
/// store. Outputs, and the gradient of the parameters, which are what is added to, stay in single precision; so does all
/// of a forward pass that no backward pass follows, as in a rollout: its products are those of Precision::kTf32.
///
/// Where only the outputs are wanted, as in a rollout, a small network runs in one launch (cuda/small_network.cuh). Two
/// small networks learn from a minibatch in two (cuda/fused_minibatch.cuh). Both are in single precision whatever the
/// products' is.
///
/// Parameters: for each layer weights, then bias, each from a multiple of 16 floats on. In the weights the outputs of a
/// layer are padded to a multiple of 4 (a float4), except where there is only one: the weights of a head with one
/// output are adjacent. Padding in parameters and gradients is never written and so stays zero.

#include <array>
#include <memory>
#include <vector>

#include "cuda/backend.cuh"
#include "cuda/fused_minibatch.cuh"
#include "cuda/small_network.cuh"
#include "host/engine/layer_layout.hpp"
#include "kernels/activation.hpp"

namespace stampede {

class CudaMlp {
 public:
  using Context = CudaBackend::Context;

  /// `sizes`: inputs, hidden widths, outputs. Parameters begin at `offset`, a multiple of 16, of the arrays that hold
  /// them; `most_rows`: samples that one pass may have. `with_input_gradient` changes nothing here.
  CudaMlp(CudaBackend& backend, const std::vector<int>& sizes, Activation activation, Index offset, Index most_rows,
          bool with_input_gradient = false);

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

  /// Outputs, [row][output_stride()], for `rows` rows of inputs `stride` apart. Valid until the next call.
  const float* forward(const Context& context, const float* parameters, const float* input, Index stride, Index rows);
  /// Whether it is small enough for `run_at_once`.
  bool fits_one_launch() const { return small_.layers > 0; }
  /// Normalises rows, takes them through all layers, and runs `tail` on the elements of `range`, one a row, which reads
  /// the outputs (SampleActions). Keeps nothing for `backward`.
  template <class Tail>
  void run_at_once(const Context& context, const float* parameters, const NormaliseRows& input, Range range,
                   const Tail& tail) const {
    cuda::launch_small_network(context.backend->stream(), small_, parameters, input, range.begin, range.size(), tail);
  }
  /// Whether it is small enough for `learn_at_once`, on this GPU.
  bool learns_at_once() const { return fused_.layers > 0; }
  /// Makes room for `learn_at_once`, which does not allocate. `critic` may be null.
  static void reserve_for_learning(const CudaMlp& actor, const CudaMlp* critic, CudaBackend::Gradient& gradient) {
    const cuda::FusedNetwork* const other = critic != nullptr ? &critic->fused_ : nullptr;
    gradient.reserve_parts(cuda::FusedMinibatch::part_floats(actor.fused_, other),
                           cuda::FusedMinibatch::add_blocks(actor.fused_, other));
  }
  /// Forward pass, loss and backward pass of a minibatch that has all but the networks.
  static void learn_at_once(const Context& context, const CudaMlp& actor, const CudaMlp* critic,
                            cuda::FusedMinibatch minibatch);
  Index output_stride() const { return layers_.back().stride; }
  /// What the last `forward` returned.
  const float* output(const Context&) const { return activations_.back().data(); }
  /// The last hidden layer's outputs in the last `forward` of a context that does not learn, [row][hidden_stride()];
  /// there must be one.
  const float* hidden(const Context&) const { return activations_[layers_.size() - 2].data(); }
  Index hidden_stride() const { return layers_[layers_.size() - 2].stride; }
  /// Where each layer's parameters lie.
  std::vector<LayerLayout> layouts() const { return {layers_.begin(), layers_.end()}; }

  /// Where the loss puts d loss / d output for `backward`, same rows and stride as the outputs.
  float* output_gradient(const Context&) { return deltas_[0].data(); }

  /// Backward pass of the samples of the last `forward`, whose context was the same; that of a network that learns in
  /// BF16 must learn. Sets `gradient`, laid out as the parameters, and `input_gradient`, laid out as the inputs, unless
  /// it is null.
  void backward(const Context& context, const float* parameters, const float* input, Index stride, Index rows,
                float* gradient, float* input_gradient = nullptr);

  /// Nothing to do: no packed copy of the weights is kept here, unlike on the CPU.
  void weights_changed(CudaBackend&, const float*) {}

  /// Copies the layers' weights (or a gradient, or moments) out of an array on the host and into it; see
  /// host/engine/layer_layout.hpp.
  std::vector<DenseLayer> read(const float* parameters) const { return read_layers(layers_, parameters); }
  void write(const std::vector<DenseLayer>& layers, float* parameters) const {
    write_layers(layers_, layers, parameters);
  }

 private:
  enum Direction { kForward, kWeights, kInputs, kDirections };

  struct Layer : LayerLayout {
    Index stride;       ///< between the rows of its outputs
    Index partial;      ///< column of its biases in the partial sums
    Index bf16_stride;  ///< between the rows of its outputs, and of its weights, in BF16
    Index bf16_weight;  ///< where its weights begin there
  };

  /// A layer's products for one number of rows; made on first use.
  struct Plan {
    Index rows, input_stride;
    bool bf16;
    std::vector<std::array<std::unique_ptr<Product>, kDirections>> products;
  };

  /// What a network has beside the rest to learn in BF16.
  struct Bf16Numbers {
    DeviceBuffer<Bf16> weights;          ///< [input][bf16_stride] of each layer
    DeviceBuffer<std::uint32_t> places;  ///< of each of these in the parameters; kNowhere for padding
    DeviceBuffer<Bf16> input;            ///< [row][input_stride]
    Index input_stride = 0;
    std::vector<DeviceBuffer<Bf16>> activations, slopes;  ///< of hidden layers, the latter for SiLU only
    DeviceBuffer<Bf16> deltas[2];
  };

  void reserve_bf16();
  /// Whether passes of this context are in BF16.
  bool in_bf16(const Context& context) const { return context.learns && bf16_.weights.size() > 0; }
  Plan& plan_for(Index rows, Index input_stride, bool bf16);
  Product& product(Plan& plan, std::size_t layer, Direction direction);
  ProductShape shape_of(const Plan& plan, std::size_t layer, Direction direction) const;
  Epilogue epilogue_of(const Plan& plan, std::size_t layer) const;
  bool is_head(std::size_t layer) const { return layer + 1 == layers_.size(); }
  template <class T>
  void activate(cudaStream_t stream, std::size_t layer, Index rows, const float* missing_bias, T* y, T* slope);
  /// How backward passes over so many rows are cut for the sums of the biases' gradients.
  struct Stretches {
    Index rows, stretch, count;
  };
  template <class From, class To>
  void apply_slope(cudaStream_t stream, std::size_t layer, const Stretches& over, const From* from, To* delta,
                   const To* known);
  void apply_slope_of(cudaStream_t stream, std::size_t layer, const Stretches& over, void* delta, bool bf16);

  CudaBackend& backend_;
  Activation activation_;
  Index begin_, end_ = 0, most_rows_, bias_columns_ = 0;
  std::vector<Layer> layers_;
  cuda::SmallNetwork small_;
  cuda::FusedNetwork fused_;
  std::vector<std::unique_ptr<Plan>> plans_;
  std::vector<DeviceBuffer<float>> activations_;  ///< outputs of each layer
  std::vector<DeviceBuffer<float>> slopes_;       ///< for SiLU only, whose outputs do not determine them
  DeviceBuffer<float> deltas_[2];                 ///< d loss / d (a layer's sums)
  DeviceBuffer<float> bias_partials_;             ///< [stretch][bias_columns_]
  DeviceBuffer<std::uint32_t> bias_places_;       ///< of each column in the parameters; kNowhere for padding
  Bf16Numbers bf16_;                              ///< empty where it learns in single precision
};

}  // namespace stampede
