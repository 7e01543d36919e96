/// \file A multilayer perceptron on the GPU.
#include "cuda/mlp.cuh"

#include <algorithm>
#include <type_traits>

namespace stampede {
namespace {

constexpr int kThreads = 256;
/// Most stretches of rows that partial sums of bias gradients are made of, and the fewest rows of one.
constexpr Index kBiasStretches = 128, kStretchRows = 32;
constexpr std::uint32_t kNowhere = 0xffffffffu;

/// Outputs rounded up so that rows begin on a float4.
Index whole_quads(Index n) { return (n + 3) / 4 * 4; }

// ---------------------------------------------------------------------------------------------- activations

/// Four adjacent numbers.
template <class T>
struct alignas(4 * sizeof(T)) Quad {
  T v[4];
};

/// Turns a layer's sums into its outputs, in place, four elements a thread.
template <class T>
struct ActivateArguments {
  Quad<T>* y;               ///< [row][quads]
  Quad<T>* slope;           ///< of SiLU
  const Quad<float>* bias;  ///< [quads], where the product could not add it; null where it did
  Index size, quads;        ///< in quads
};

/// One element; `slope` is written for SiLU only.
template <Activation kind>
__device__ __forceinline__ float activate_one(float z, float& slope) {
  if constexpr (kind == Activation::kSilu) {
    const float gate = sigmoid(z);
    slope = silu_slope(z, gate);
    return z * gate;
  } else {
    return activate<kind>(z);
  }
}

/// With `kIdentity` only the bias is added.
template <Activation kind, bool kIdentity, class T>
__global__ void __launch_bounds__(kThreads) activate_rows(const ActivateArguments<T> a) {
  const Index at = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  if (at >= a.size) return;
  Quad<T> y = a.y[at];
  Quad<float> bias{};
  if (a.bias != nullptr) bias = a.bias[at % a.quads];
  Quad<T> slope{};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float v = widened(y.v[i]);
    if (a.bias != nullptr) v += bias.v[i];
    float of_one = 0.0f;
    if constexpr (!kIdentity) v = activate_one<kind>(v, of_one);
    y.v[i] = narrowed<T>(v);
    slope.v[i] = narrowed<T>(of_one);
  }
  if constexpr (!kIdentity && kind == Activation::kSilu) a.slope[at] = slope;
  a.y[at] = y;
}

// ---------------------------------------------------------------------------------------------- operands in BF16

/// Element i of the weights, and behind them of the inputs, as products read them.
struct NarrowOperands {
  const float* parameters;
  const std::uint32_t* places;  ///< [weights]
  Bf16* weight;
  Index weights;
  const float* input;  ///< [row][from_stride]
  Bf16* rows;          ///< [row][to_stride]
  Index columns, from_stride, to_stride;

  template <class Real>
  STAMPEDE_FN void operator()(Index i) const {
    if (i < weights) {
      const std::uint32_t place = places[i];
      weight[i] = narrowed<Bf16>(place == kNowhere ? 0.0f : parameters[place]);
      return;
    }
    const Index at = i - weights, row = at / to_stride, column = at - row * to_stride;
    rows[at] = narrowed<Bf16>(column < columns ? input[row * from_stride + column] : 0.0f);
  }
};

// ---------------------------------------------------------------------------------------------- slopes and biases

/// d loss / d outputs becomes d loss / d sums, and its columns are added up, stretch by stretch of rows.
template <class From, class To>
struct SlopeArguments {
  const From* from;  ///< [row][from_stride]; a head's may have another type than its delta
  To* delta;         ///< [row][stride]; may be `from`
  const To* known;   ///< [row][stride]: the outputs, for SiLU the slopes; unused for a head
  float* partial;    ///< [stretch][partial_stride], from this layer's first column on
  Index rows, columns, from_stride, stride, stretch, partial_stride;
  int width;  ///< columns a block has, a power of two up to 32
};

/// Blocks of (columns, stretches). Thread t takes column t % width and every (kThreads / width)th row of the stretch.
template <Activation kind, bool kIdentity, class From, class To>
__global__ void __launch_bounds__(kThreads) apply_slopes(const SlopeArguments<From, To> a) {
  __shared__ float sums[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const Index column = static_cast<Index>(blockIdx.x) * a.width + thread % a.width;
  const int lane = thread / a.width, lanes = kThreads / a.width;
  const Index begin = static_cast<Index>(blockIdx.y) * a.stretch;
  const Index end = begin + a.stretch < a.rows ? begin + a.stretch : a.rows;
  float sum = 0.0f;
  if (column < a.columns) {
    // Several rows at a time, all loads before the first store: the compiler may not change that order itself.
    constexpr int kAtOnce = 4;
    for (Index row = begin + lane; row < end; row += kAtOnce * lanes) {
      float d[kAtOnce], known[kAtOnce];
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
        const Index r = row + j * lanes;
        d[j] = r < end ? widened(a.from[r * a.from_stride + column]) : 0.0f;
        if constexpr (!kIdentity) known[j] = r < end ? widened(a.known[r * a.stride + column]) : 0.0f;
      }
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
        const Index r = row + j * lanes;
        if constexpr (!kIdentity) {
          if constexpr (kind == Activation::kSilu) {
            d[j] *= known[j];
          } else {
            d[j] *= activation_slope<kind>(known[j]);
          }
        }
        if constexpr (!kIdentity || !std::is_same_v<From, To>) {
          if (r < end) a.delta[r * a.stride + column] = narrowed<To>(d[j]);
        }
        sum += d[j];
      }
    }
  }
  sums[thread] = sum;
  __syncthreads();
  for (int half = kThreads / 2; half >= a.width; half /= 2) {
    if (thread < half) sums[thread] += sums[thread + half];
    __syncthreads();
  }
  if (thread < a.width && column < a.columns) {
    a.partial[static_cast<Index>(blockIdx.y) * a.partial_stride + column] = sums[thread];
  }
}

struct BiasArguments {
  const float* partial;         ///< [stretch][columns]
  const std::uint32_t* places;  ///< [columns]
  float* gradient;
  Index columns;
  int stretches;
};

/// gradient[places[column]] = the sum over the stretches. Blocks of 32 columns and 8 shares of the stretches.
__global__ void __launch_bounds__(kThreads) add_bias_partials(const BiasArguments a) {
  constexpr int kWidth = 32, kShares = kThreads / kWidth;
  __shared__ float sums[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const Index column = static_cast<Index>(blockIdx.x) * kWidth + thread % kWidth;
  float sum = 0.0f;
  if (column < a.columns) {
#pragma unroll 4
    for (int stretch = thread / kWidth; stretch < a.stretches; stretch += kShares) {
      sum += a.partial[stretch * a.columns + column];
    }
  }
  sums[thread] = sum;
  __syncthreads();
  for (int half = kThreads / 2; half >= kWidth; half /= 2) {
    if (thread < half) sums[thread] += sums[thread + half];
    __syncthreads();
  }
  if (thread < kWidth && column < a.columns && a.places[column] != kNowhere)
    a.gradient[a.places[column]] = sums[thread];
}

/// Launches the instance of a kernel template for the activation, or for none.
#define STAMPEDE_LAUNCH_FOR(activation, identity, kernel, grid, stream, arguments)    \
  do {                                                                                \
    if (identity) {                                                                   \
      kernel<Activation::kElu, true><<<grid, kThreads, 0, stream>>>(arguments);       \
    } else {                                                                          \
      switch (activation) {                                                           \
        case Activation::kElu:                                                        \
          kernel<Activation::kElu, false><<<grid, kThreads, 0, stream>>>(arguments);  \
          break;                                                                      \
        case Activation::kTanh:                                                       \
          kernel<Activation::kTanh, false><<<grid, kThreads, 0, stream>>>(arguments); \
          break;                                                                      \
        case Activation::kRelu:                                                       \
          kernel<Activation::kRelu, false><<<grid, kThreads, 0, stream>>>(arguments); \
          break;                                                                      \
        case Activation::kSilu:                                                       \
          kernel<Activation::kSilu, false><<<grid, kThreads, 0, stream>>>(arguments); \
          break;                                                                      \
      }                                                                               \
    }                                                                                 \
    cuda::check_launch(stream, #kernel);                                              \
  } while (false)

}  // namespace

CudaMlp::CudaMlp(CudaBackend& backend, const std::vector<int>& sizes, Activation activation, Index offset,
                 Index most_rows, bool)
    : backend_(backend), activation_(activation), begin_(offset), most_rows_(most_rows) {
  if (offset % kMaxLanes != 0)
    throw Error("cuda: parameters of a network begin at " + std::to_string(offset), Status::kFailed);
  Index widest = 0;
  std::vector<std::uint32_t> places;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    Layer layer;
    layer.inputs = sizes[i];
    layer.outputs = sizes[i + 1];
    layer.by_output = 1;
    layer.by_input = layer.outputs == 1 ? 1 : whole_quads(layer.outputs);
    layer.stride = whole_quads(layer.outputs);
    layer.weight = offset;
    layer.bias = offset + padded(layer.inputs * layer.by_input);
    offset = layer.bias + padded(layer.outputs);
    layer.partial = bias_columns_;
    layer.bf16_stride = whole_bf16_quanta(layer.outputs);
    bias_columns_ += padded(layer.outputs);
    for (Index column = 0; column < padded(layer.outputs); ++column) {
      places.push_back(column < layer.outputs ? static_cast<std::uint32_t>(layer.bias + column) : kNowhere);
    }
    widest = std::max(widest, layer.stride);
    layers_.push_back(layer);
  }
  end_ = offset;
  small_ = cuda::SmallNetwork::of(layouts(), activation);
  fused_ = cuda::FusedNetwork::of(layouts(), activation, {begin_, end_}, cuda::most_shared_bytes());
  for (const Layer& layer : layers_) {
    activations_.emplace_back(most_rows * layer.stride);
    if (activation == Activation::kSilu) slopes_.emplace_back(most_rows * layer.stride);
  }
  // Of a network that learns in BF16 the outputs' alone.
  const bool bf16 = backend.blas().precision() == Precision::kBf16;
  deltas_[0] = DeviceBuffer<float>(most_rows * (bf16 ? layers_.back().stride : widest));
  if (!bf16) deltas_[1] = DeviceBuffer<float>(most_rows * widest);
  bias_partials_ = DeviceBuffer<float>(kBiasStretches * bias_columns_);
  bias_places_ = DeviceBuffer<std::uint32_t>(bias_columns_);
  backend.upload(bias_places_, places.data(), bias_columns_);
  if (bf16) reserve_bf16();
}

void CudaMlp::reserve_bf16() {
  // Weights begin where any matrix may; the loss's gradient, of the outputs alone, stays in the first of the deltas.
  constexpr Index kBegin = Product::kAlignment / Index{sizeof(Bf16)};
  std::vector<std::uint32_t> places;
  Index widest = 0;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    layer.bf16_weight = static_cast<Index>(places.size());
    for (Index input = 0; input < layer.inputs; ++input) {
      for (Index output = 0; output < layer.bf16_stride; ++output) {
        places.push_back(output < layer.outputs ? static_cast<std::uint32_t>(layer.place(output, input)) : kNowhere);
      }
    }
    while (places.size() % kBegin != 0) places.push_back(kNowhere);
    widest = std::max(widest, layer.bf16_stride);
    if (is_head(i)) continue;
    bf16_.activations.emplace_back(most_rows_ * layer.bf16_stride);
    if (activation_ == Activation::kSilu) bf16_.slopes.emplace_back(most_rows_ * layer.bf16_stride);
  }
  const auto weights = static_cast<Index>(places.size());
  bf16_.weights = DeviceBuffer<Bf16>(weights);
  bf16_.places = DeviceBuffer<std::uint32_t>(weights);
  backend_.upload(bf16_.places, places.data(), weights);
  bf16_.input_stride = whole_bf16_quanta(layers_.front().inputs);
  bf16_.input = DeviceBuffer<Bf16>(most_rows_ * bf16_.input_stride);
  for (DeviceBuffer<Bf16>& delta : bf16_.deltas) delta = DeviceBuffer<Bf16>(most_rows_ * widest);
}

// ---------------------------------------------------------------------------------------------- products

CudaMlp::Plan& CudaMlp::plan_for(Index rows, Index input_stride, bool bf16) {
  if (rows > most_rows_)
    throw Error("cuda: a network made for fewer rows than " + std::to_string(rows), Status::kFailed);
  for (const auto& plan : plans_) {
    if (plan->bf16 == bf16 && plan->rows == rows && plan->input_stride == input_stride) return *plan;
  }
  plans_.push_back(std::make_unique<Plan>());
  Plan& plan = *plans_.back();
  plan.rows = rows;
  plan.input_stride = input_stride;
  plan.bf16 = bf16;
  plan.products.resize(layers_.size());
  return plan;
}

Product& CudaMlp::product(Plan& plan, std::size_t layer, Direction direction) {
  std::unique_ptr<Product>& made = plan.products[layer][direction];
  if (!made) made = std::make_unique<Product>(backend_.blas(), shape_of(plan, layer, direction));
  return *made;
}

Epilogue CudaMlp::epilogue_of(const Plan& plan, std::size_t layer) const {
  // A bias that is added to a result in BF16 would have to be in BF16 too.
  if (plan.bf16 && !is_head(layer)) return Epilogue::kNone;
  return !is_head(layer) && activation_ == Activation::kRelu ? Epilogue::kBiasRelu : Epilogue::kBias;
}

ProductShape CudaMlp::shape_of(const Plan& plan, std::size_t index, Direction direction) const {
  const Layer& layer = layers_[index];
  const bool bf16 = plan.bf16, narrow_outputs = bf16 && !is_head(index);
  const Index rows = plan.rows;
  // Between rows of the weights, of the inputs as they are read, of their gradient, of the outputs, of their gradient.
  const Index weights = bf16 ? layer.bf16_stride : layer.by_input;
  const Index below = index == 0 ? plan.input_stride
                      : bf16     ? layers_[index - 1].bf16_stride
                                 : layers_[index - 1].stride;
  const Index inputs = bf16 && index == 0 ? bf16_.input_stride : below;
  const Index outputs = narrow_outputs ? layer.bf16_stride : layer.stride;
  const Index delta = bf16 ? layer.bf16_stride : layer.stride;
  ProductShape shape{};
  switch (direction) {
    case kForward:  // Z (outputs x rows) = W (outputs x inputs) X (inputs x rows)
      shape = {
          layer.outputs, rows,          layer.inputs, false, false, weights, inputs, outputs, epilogue_of(plan, index),
          bf16,          narrow_outputs};
      break;
    case kWeights:  // dW (outputs x inputs) = dZ (outputs x rows) X' (rows x inputs)
      shape = {layer.outputs, layer.inputs, rows, false, true, delta, inputs, layer.by_input, Epilogue::kNone, bf16};
      break;
    case kInputs:  // dX (inputs x rows) = W' (inputs x outputs) dZ (outputs x rows)
      shape = {layer.inputs,    rows, layer.outputs,    true, false, weights, delta, below,
               Epilogue::kNone, bf16, bf16 && index > 0};
      break;
    case kDirections:
      break;
  }
  return shape;
}

// ---------------------------------------------------------------------------------------------- passes

template <class T>
void CudaMlp::activate(cudaStream_t stream, std::size_t layer, Index rows, const float* missing_bias, T* y, T* slope) {
  const Index stride = std::is_same_v<T, float> ? layers_[layer].stride : layers_[layer].bf16_stride;
  const ActivateArguments<T> arguments{reinterpret_cast<Quad<T>*>(y), reinterpret_cast<Quad<T>*>(slope),
                                       reinterpret_cast<const Quad<float>*>(missing_bias), rows * (stride / 4),
                                       stride / 4};
  const unsigned grid = cuda::blocks_for(arguments.size, kThreads);
  STAMPEDE_LAUNCH_FOR(activation_, is_head(layer), activate_rows, grid, stream, arguments);
}

const float* CudaMlp::forward(const Context& context, const float* parameters, const float* input, Index stride,
                              Index rows) {
  const cudaStream_t stream = context.backend->stream();
  const bool bf16 = in_bf16(context), silu = activation_ == Activation::kSilu;
  Plan& plan = plan_for(rows, stride, bf16);
  const void* x = input;
  if (bf16) {
    const Index weights = bf16_.weights.size();
    context.launch({0, weights + rows * bf16_.input_stride},
                   NarrowOperands{parameters, bf16_.places.data(), bf16_.weights.data(), weights, input,
                                  bf16_.input.data(), layers_.front().inputs, stride, bf16_.input_stride});
    x = bf16_.input.data();
  }
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const bool narrow = bf16 && !is_head(i);
    const void* weights = parameters + layer.weight;
    if (bf16) weights = bf16_.weights.data() + layer.bf16_weight;
    void* y = activations_[i].data();
    if (narrow) y = bf16_.activations[i].data();
    const float* bias = parameters + layer.bias;
    Product& dense = product(plan, i, kForward);
    dense.run(backend_.blas(), stream, weights, x, bias, y);
    const float* missing_bias = dense.fused() ? nullptr : bias;
    if (narrow) {
      activate(stream, i, rows, missing_bias, bf16_.activations[i].data(), silu ? bf16_.slopes[i].data() : nullptr);
    } else if (missing_bias != nullptr || !(is_head(i) || activation_ == Activation::kRelu)) {
      activate(stream, i, rows, missing_bias, activations_[i].data(), silu ? slopes_[i].data() : nullptr);
    }
    x = y;
  }
  return activations_.back().data();
}

template <class From, class To>
void CudaMlp::apply_slope(cudaStream_t stream, std::size_t index, const Stretches& over, const From* from, To* delta,
                          const To* known) {
  const Layer& layer = layers_[index];
  SlopeArguments<From, To> slope{};
  slope.from = from;
  slope.delta = delta;
  slope.known = known;
  slope.partial = bias_partials_.data() + layer.partial;
  slope.rows = over.rows;
  slope.columns = layer.outputs;
  slope.from_stride = std::is_same_v<From, float> ? layer.stride : layer.bf16_stride;
  slope.stride = std::is_same_v<To, float> ? layer.stride : layer.bf16_stride;
  slope.stretch = over.stretch;
  slope.partial_stride = bias_columns_;
  slope.width = 1;
  while (slope.width < layer.outputs && slope.width < 32) slope.width *= 2;
  const dim3 grid(cuda::blocks_for(layer.outputs, slope.width), static_cast<unsigned>(over.count));
  STAMPEDE_LAUNCH_FOR(activation_, is_head(index), apply_slopes, grid, stream, slope);
}

void CudaMlp::apply_slope_of(cudaStream_t stream, std::size_t layer, const Stretches& over, void* delta, bool bf16) {
  const bool silu = activation_ == Activation::kSilu;
  if (!bf16) {
    const float* known = silu ? slopes_[layer].data() : activations_[layer].data();
    auto* place = static_cast<float*>(delta);
    apply_slope<float, float>(stream, layer, over, place, place, known);
  } else if (is_head(layer)) {
    apply_slope<float, Bf16>(stream, layer, over, deltas_[0].data(), static_cast<Bf16*>(delta), nullptr);
  } else {
    const Bf16* known = silu ? bf16_.slopes[layer].data() : bf16_.activations[layer].data();
    auto* place = static_cast<Bf16*>(delta);
    apply_slope<Bf16, Bf16>(stream, layer, over, place, place, known);
  }
}

void CudaMlp::backward(const Context& context, const float* parameters, const float* input, Index stride, Index rows,
                       float* gradient, float* input_gradient) {
  const cudaStream_t stream = context.backend->stream();
  const bool bf16 = in_bf16(context);
  Plan& plan = plan_for(rows, stride, bf16);
  const Index wanted = std::clamp<Index>((rows + kStretchRows - 1) / kStretchRows, 1, kBiasStretches);
  const Index stretch = (rows + wanted - 1) / wanted, stretches = (rows + stretch - 1) / stretch;
  void* delta = deltas_[0].data();
  void* below = deltas_[1].data();
  if (bf16) {
    delta = bf16_.deltas[0].data();
    below = bf16_.deltas[1].data();
  }
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = layers_[i];
    apply_slope_of(stream, i, {rows, stretch, stretches}, delta, bf16);
    const void* x = i > 0 ? activations_[i - 1].data() : input;
    const void* weights = parameters + layer.weight;
    if (bf16) {
      x = i > 0 ? bf16_.activations[i - 1].data() : bf16_.input.data();
      weights = bf16_.weights.data() + layer.bf16_weight;
    }
    product(plan, i, kWeights).run(backend_.blas(), stream, delta, x, nullptr, gradient + layer.weight);
    void* to = i > 0 ? below : input_gradient;
    if (to != nullptr) product(plan, i, kInputs).run(backend_.blas(), stream, weights, delta, nullptr, to);
    std::swap(delta, below);
  }
  const BiasArguments arguments{bias_partials_.data(), bias_places_.data(), gradient, bias_columns_,
                                static_cast<int>(stretches)};
  add_bias_partials<<<cuda::blocks_for(bias_columns_, 32), kThreads, 0, stream>>>(arguments);
  cuda::check_launch(stream, "add_bias_partials");
}

void CudaMlp::learn_at_once(const Context& context, const CudaMlp& actor, const CudaMlp* critic,
                            cuda::FusedMinibatch minibatch) {
  minibatch.network[0] = actor.fused_;
  if (critic != nullptr) minibatch.network[1] = critic->fused_;
  cuda::learn(context.backend->stream(), minibatch);
}

}  // namespace stampede
