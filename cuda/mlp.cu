/// \file A multilayer perceptron on the GPU.
#include "cuda/mlp.cuh"

#include <algorithm>

namespace stampede {
namespace {

constexpr int kThreads = 256;
/// Most stretches of rows that partial sums of bias gradients are made of, and the fewest rows of one.
constexpr Index kBiasStretches = 128, kStretchRows = 32;
constexpr std::uint32_t kNowhere = 0xffffffffu;

/// Outputs rounded up so that rows begin on a float4.
Index whole_quads(Index n) { return (n + 3) / 4 * 4; }

// ---------------------------------------------------------------------------------------------- activations

/// Turns a layer's sums into its outputs, in place, four elements a thread.
struct ActivateArguments {
  float4* y;           ///< [row][quads]
  float4* slope;       ///< of SiLU
  const float4* bias;  ///< [quads], where the product could not add it; null where it did
  Index size, quads;   ///< in float4
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
template <Activation kind, bool kIdentity>
__global__ void __launch_bounds__(kThreads) activate_rows(const ActivateArguments a) {
  const Index at = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  if (at >= a.size) return;
  float4 v = a.y[at];
  if (a.bias != nullptr) {
    const float4 b = a.bias[at % a.quads];
    v.x += b.x;
    v.y += b.y;
    v.z += b.z;
    v.w += b.w;
  }
  if constexpr (!kIdentity) {
    float4 slope{};
    v.x = activate_one<kind>(v.x, slope.x);
    v.y = activate_one<kind>(v.y, slope.y);
    v.z = activate_one<kind>(v.z, slope.z);
    v.w = activate_one<kind>(v.w, slope.w);
    if constexpr (kind == Activation::kSilu) a.slope[at] = slope;
  }
  a.y[at] = v;
}

// ---------------------------------------------------------------------------------------------- slopes and biases

/// d loss / d outputs becomes d loss / d sums, in place, and its columns are added up, stretch by stretch of rows.
struct SlopeArguments {
  float* delta;        ///< [row][stride]
  const float* known;  ///< [row][stride]: the outputs, for SiLU the slopes; unused for a head
  float* partial;      ///< [stretch][partial_stride], from this layer's first column on
  Index rows, columns, stride, stretch, partial_stride;
  int width;  ///< columns a block has, a power of two up to 32
};

/// Blocks of (columns, stretches). Thread t takes column t % width and every (kThreads / width)th row of the stretch.
template <Activation kind, bool kIdentity>
__global__ void __launch_bounds__(kThreads) apply_slopes(const SlopeArguments a) {
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
        const Index r = row + j * lanes, at = r * a.stride + column;
        d[j] = r < end ? a.delta[at] : 0.0f;
        if constexpr (!kIdentity) known[j] = r < end ? a.known[at] : 0.0f;
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
          if (r < end) a.delta[r * a.stride + column] = d[j];
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
  for (DeviceBuffer<float>& delta : deltas_) delta = DeviceBuffer<float>(most_rows * widest);
  bias_partials_ = DeviceBuffer<float>(kBiasStretches * bias_columns_);
  bias_places_ = DeviceBuffer<std::uint32_t>(bias_columns_);
  backend.upload(bias_places_, places.data(), bias_columns_);
}

// ---------------------------------------------------------------------------------------------- products

CudaMlp::Plan& CudaMlp::plan_for(Index rows, Index input_stride) {
  if (rows > most_rows_)
    throw Error("cuda: a network made for fewer rows than " + std::to_string(rows), Status::kFailed);
  for (const auto& plan : plans_) {
    if (plan->rows == rows && plan->input_stride == input_stride) return *plan;
  }
  plans_.push_back(std::make_unique<Plan>());
  Plan& plan = *plans_.back();
  plan.rows = rows;
  plan.input_stride = input_stride;
  plan.products.resize(layers_.size());
  return plan;
}

Product& CudaMlp::product(Plan& plan, std::size_t layer, Direction direction) {
  std::unique_ptr<Product>& made = plan.products[layer][direction];
  if (!made) made = std::make_unique<Product>(backend_.blas(), shape_of(plan, layer, direction));
  return *made;
}

Epilogue CudaMlp::epilogue_of(std::size_t layer) const {
  return !is_head(layer) && activation_ == Activation::kRelu ? Epilogue::kBiasRelu : Epilogue::kBias;
}

ProductShape CudaMlp::shape_of(const Plan& plan, std::size_t index, Direction direction) const {
  const Layer& layer = layers_[index];
  const Index rows = plan.rows, input_stride = index > 0 ? layers_[index - 1].stride : plan.input_stride;
  ProductShape shape{};
  switch (direction) {
    case kForward:  // Z (outputs x rows) = W (outputs x inputs) X (inputs x rows)
      shape = {layer.outputs, rows,         layer.inputs,      false, false, layer.by_input,
               input_stride,  layer.stride, epilogue_of(index)};
      break;
    case kWeights:  // dW (outputs x inputs) = dZ (outputs x rows) X' (rows x inputs)
      shape = {layer.outputs, layer.inputs, rows,           false,          true,
               layer.stride,  input_stride, layer.by_input, Epilogue::kNone};
      break;
    case kInputs:  // dX (inputs x rows) = W' (inputs x outputs) dZ (outputs x rows)
      shape = {layer.inputs,   rows,         layer.outputs, true,           false,
               layer.by_input, layer.stride, input_stride,  Epilogue::kNone};
      break;
    case kDirections:
      break;
  }
  return shape;
}

// ---------------------------------------------------------------------------------------------- passes

void CudaMlp::activate(cudaStream_t stream, std::size_t layer, Index rows, const float* missing_bias) {
  ActivateArguments arguments{};
  arguments.y = reinterpret_cast<float4*>(activations_[layer].data());
  if (activation_ == Activation::kSilu) arguments.slope = reinterpret_cast<float4*>(slopes_[layer].data());
  arguments.bias = reinterpret_cast<const float4*>(missing_bias);
  arguments.quads = layers_[layer].stride / 4;
  arguments.size = rows * arguments.quads;
  const unsigned grid = cuda::blocks_for(arguments.size, kThreads);
  STAMPEDE_LAUNCH_FOR(activation_, is_head(layer), activate_rows, grid, stream, arguments);
}

const float* CudaMlp::forward(const Context& context, const float* parameters, const float* input, Index stride,
                              Index rows) {
  const cudaStream_t stream = context.backend->stream();
  Plan& plan = plan_for(rows, stride);
  const float* x = input;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    float* y = activations_[i].data();
    const float* bias = parameters + layer.bias;
    Product& dense = product(plan, i, kForward);
    dense.run(backend_.blas(), stream, parameters + layer.weight, x, bias, y);
    const bool done = dense.fused() && (is_head(i) || activation_ == Activation::kRelu);
    if (!done) activate(stream, i, rows, dense.fused() ? nullptr : bias);
    x = y;
  }
  return x;
}

void CudaMlp::backward(const Context& context, const float* parameters, const float* input, Index stride, Index rows,
                       float* gradient, float* input_gradient) {
  const cudaStream_t stream = context.backend->stream();
  Plan& plan = plan_for(rows, stride);
  const Index wanted = std::clamp<Index>((rows + kStretchRows - 1) / kStretchRows, 1, kBiasStretches);
  const Index stretch = (rows + wanted - 1) / wanted, stretches = (rows + stretch - 1) / stretch;
  float* delta = deltas_[0].data();
  float* below = deltas_[1].data();
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = layers_[i];
    SlopeArguments slope{};
    slope.delta = delta;
    slope.known = activation_ == Activation::kSilu ? slopes_[i].data() : activations_[i].data();
    slope.partial = bias_partials_.data() + layer.partial;
    slope.rows = rows;
    slope.columns = layer.outputs;
    slope.stride = layer.stride;
    slope.stretch = stretch;
    slope.partial_stride = bias_columns_;
    slope.width = 1;
    while (slope.width < layer.outputs && slope.width < 32) slope.width *= 2;
    const dim3 grid(cuda::blocks_for(layer.outputs, slope.width), static_cast<unsigned>(stretches));
    STAMPEDE_LAUNCH_FOR(activation_, is_head(i), apply_slopes, grid, stream, slope);
    const float* x = i > 0 ? activations_[i - 1].data() : input;
    product(plan, i, kWeights).run(backend_.blas(), stream, delta, x, nullptr, gradient + layer.weight);
    float* to = i > 0 ? below : input_gradient;
    if (to != nullptr) {
      product(plan, i, kInputs).run(backend_.blas(), stream, parameters + layer.weight, delta, nullptr, to);
    }
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
