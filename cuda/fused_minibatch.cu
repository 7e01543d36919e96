/// \file A minibatch of an actor and a critic in two launches.
#include "cuda/fused_minibatch.cuh"

#include <type_traits>

#include "cuda/launch.cuh"
#include "cuda/sum.cuh"

namespace stampede::cuda {

namespace {

constexpr int kThreads = FusedNetwork::kThreads, kWarp = 32, kWarps = kThreads / kWarp;
constexpr int kRows = FusedNetwork::kRows, kRowStride = FusedNetwork::kRowStride;
constexpr unsigned kAllLanes = 0xffffffffu;
constexpr Index kScaleFloats = 4;
static_assert(sizeof(AdvantageScale) <= kScaleFloats * sizeof(float));
using Layer = FusedNetwork::Layer;

/// A column of weights (or of their gradient) in the row of an input: turned within groups of 32, by 8 from row to
/// row, where there are such groups. So the same columns of four adjacent rows lie in different banks, and no row is
/// padded.
__device__ __forceinline__ int turned(int column, int row, int mask) { return column ^ (8 * (row % 4) & mask); }

/// A warp's lanes as a rectangle: `across` 8 and `down` 4. Each two lanes that differ in the lowest bit share a place
/// across, each two that differ in the second a place down: then a load of 16 bytes a lane, of which those lanes
/// share the address, passes through shared memory in two steps and not in four.
struct LaneOf {
  int across, down;
  __device__ __forceinline__ LaneOf()
      : across(static_cast<int>(threadIdx.x) / 2 % 8),
        down(static_cast<int>(threadIdx.x) % 2 + static_cast<int>(threadIdx.x) % kWarp / 16 * 2) {}
};

__device__ __forceinline__ float4 quad_at(const float* from) { return *reinterpret_cast<const float4*>(from); }
__device__ __forceinline__ float& part_of(float4& quad, int i) { return reinterpret_cast<float*>(&quad)[i]; }

/// Floats that are adjacent and read at once.
template <int kCount>
struct alignas(kCount * sizeof(float)) Samples {
  float v[kCount];
};

// ---------------------------------------------------------------------------------------------- in and out

/// Copies weights and biases to shared memory, and sets the gradient and the sums of columns to 0.
__device__ void take_weights(const FusedNetwork& network, const float* parameters, float* shared) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int l = 0; l < network.layers; ++l) {
    const Layer& layer = network.layer[l];
    const int weights = layer.rows * layer.columns;
    for (int at = thread; at < weights + layer.columns; at += kThreads) {
      const bool is_bias = at >= weights;
      const int row = is_bias ? 0 : at / layer.columns, column = is_bias ? at - weights : at - row * layer.columns;
      float value = 0.0f;
      if (column < layer.outputs && row < layer.inputs) {
        value = parameters[is_bias ? layer.bias + column : layer.weight + row * layer.by_input + column];
      }
      const int to = is_bias ? weights + column : row * layer.columns + turned(column, row, layer.turn);
      shared[layer.shared + to] = value;
      shared[layer.shared + network.gradient + to] = 0.0f;
    }
  }
  for (int at = thread; at < network.columns; at += kThreads) shared[network.total + at] = 0.0f;
}

/// Stores the gradient, laid out as the parameters from the network's first one on, and behind it the sums of
/// columns.
__device__ void give_gradient(const FusedNetwork& network, const float* shared, float* part) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int l = 0; l < network.layers; ++l) {
    const Layer& layer = network.layer[l];
    const float* gradient = shared + layer.shared + network.gradient;
    const int weights = layer.inputs * layer.columns;
    for (int at = thread; at < weights; at += kThreads) {
      const int row = at / layer.columns, column = at - row * layer.columns;
      if (column >= layer.outputs) continue;
      part[layer.weight - network.begin + row * layer.by_input + column] =
          gradient[row * layer.columns + turned(column, row, layer.turn)];
    }
    for (int at = thread; at < layer.outputs; at += kThreads) {
      part[layer.bias - network.begin + at] = gradient[layer.rows * layer.columns + at];
    }
  }
  for (int at = thread; at < network.columns; at += kThreads) part[network.size + at] = shared[network.total + at];
}

/// A tile's observations, normalised, as [feature][sample]; samples behind the last and padding features are 0. A
/// warp has eight samples and a lane a feature: their loads are under way together.
__device__ void take_observations(const NormaliseRows& input, Index begin, int count, int rows, float* to) {
  constexpr int kOwn = kRows / kWarps;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, sample = static_cast<int>(threadIdx.x) / kWarp * kOwn;
  Index source[kOwn];
#pragma unroll
  for (int s = 0; s < kOwn; ++s)
    source[s] = sample + s < count ? static_cast<Index>(input.index[begin + sample + s]) : 0;
  for (int feature = lane; feature < rows; feature += kWarp) {
    float4 values[kOwn / 4];
#pragma unroll
    for (int s = 0; s < kOwn; ++s) {
      const bool there = sample + s < count && feature < input.features;
      part_of(values[s / 4], s % 4) = there ? input.normalised<float>(source[s], feature) : 0.0f;
    }
#pragma unroll
    for (int q = 0; q < kOwn / 4; ++q) {
      *reinterpret_cast<float4*>(to + feature * kRowStride + sample + 4 * q) = values[q];
    }
  }
}

// ---------------------------------------------------------------------------------------------- products

/// Outputs of a layer, activated unless it is the last. A thread has kQuads times four outputs of kOwn samples; a
/// warp's lanes have 8 times kOwn samples and four such groups of outputs.
template <int kQuads, int kOwn>
__device__ __forceinline__ void forward_layer(const Layer& layer, Activation activation, bool last, float* shared) {
  constexpr int kAcross = kRows / (8 * kOwn);
  const int quads = layer.columns / 4;
  const LaneOf lane;
  const int items = kAcross * ((quads + 4 * kQuads - 1) / (4 * kQuads));
  for (int item = static_cast<int>(threadIdx.x) / kWarp; item < items; item += kWarps) {
    const int sample = (item % kAcross * 8 + lane.across) * kOwn, first = item / kAcross * 4 * kQuads + lane.down;
    const float* weight[kQuads][4];  // of the inputs whose number is 0, 1, 2, 3 and a multiple of four
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      const int quad = first + 4 * q < quads ? first + 4 * q : 0;  // one that is not there computes what is not stored
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        weight[q][r] = shared + layer.shared + r * layer.columns + turned(4 * quad, r, layer.turn);
      }
    }
    const float* x = shared + layer.from + sample;
    float sum[kQuads][4][kOwn] = {};
#pragma unroll 2
    for (int i = 0; i < layer.rows; i += 4) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const auto own = *reinterpret_cast<const Samples<kOwn>*>(x + r * kRowStride);
#pragma unroll
        for (int q = 0; q < kQuads; ++q) {
          const float4 w = quad_at(weight[q][r]);
          weight[q][r] += 4 * layer.columns;
#pragma unroll
          for (int s = 0; s < kOwn; ++s) {
            sum[q][0][s] += w.x * own.v[s];
            sum[q][1][s] += w.y * own.v[s];
            sum[q][2][s] += w.z * own.v[s];
            sum[q][3][s] += w.w * own.v[s];
          }
        }
      }
      x += 4 * kRowStride;
    }
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      if (first + 4 * q >= quads) continue;
      const int output = 4 * (first + 4 * q);
      float4 bias = quad_at(shared + layer.shared + layer.rows * layer.columns + output);
      const auto store_all = [&](const auto& activated) {
#pragma unroll
        for (int o = 0; o < 4; ++o) {
          Samples<kOwn> y;
#pragma unroll
          for (int s = 0; s < kOwn; ++s) y.v[s] = activated(sum[q][o][s] + part_of(bias, o));
          *reinterpret_cast<Samples<kOwn>*>(shared + layer.to + (output + o) * kRowStride + sample) = y;
        }
      };
      if (last) {
        store_all([](float z) { return z; });
      } else {
        with_activation(activation,
                        [&](auto tag) { store_all([](float z) { return activate<decltype(tag)::value>(z); }); });
      }
    }
  }
}

/// d loss / d sums of the layer below, in place of its outputs, from those of this layer. A thread has kIn inputs of
/// four samples.
template <int kIn>
__device__ __forceinline__ void backward_layer(const Layer& layer, Activation activation, float* shared) {
  constexpr int kAcross = kRows / 32;
  const LaneOf lane;
  const int items = kAcross * ((layer.rows + 4 * kIn - 1) / (4 * kIn));
  for (int item = static_cast<int>(threadIdx.x) / kWarp; item < items; item += kWarps) {
    const int sample = (item % kAcross * 8 + lane.across) * 4, first = item / kAcross * 4 * kIn + lane.down;
    const float* weight[kIn];
#pragma unroll
    for (int i = 0; i < kIn; ++i) {
      const int row = first + 4 * i < layer.rows ? first + 4 * i : 0;
      weight[i] = shared + layer.shared + row * layer.columns;
    }
    const float* delta = shared + layer.to + sample;
    float4 sum[kIn] = {};
#pragma unroll 4
    for (int column = 0; column < layer.columns; column += 4) {
      const int at = turned(column, first, layer.turn);
      float4 d[4];
#pragma unroll
      for (int o = 0; o < 4; ++o) d[o] = quad_at(delta + (column + o) * kRowStride);
#pragma unroll
      for (int i = 0; i < kIn; ++i) {
        float4 w = quad_at(weight[i] + at);
#pragma unroll
        for (int o = 0; o < 4; ++o) {
          sum[i].x += part_of(w, o) * d[o].x;
          sum[i].y += part_of(w, o) * d[o].y;
          sum[i].z += part_of(w, o) * d[o].z;
          sum[i].w += part_of(w, o) * d[o].w;
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kIn; ++i) {
      if (first + 4 * i >= layer.rows) continue;
      float4* to = reinterpret_cast<float4*>(shared + layer.from + (first + 4 * i) * kRowStride + sample);
      float4 y = *to;
      with_activation(activation, [&](auto tag) {
        if constexpr (decltype(tag)::value != Activation::kSilu) {  // which FusedNetwork::of refuses
#pragma unroll
          for (int s = 0; s < 4; ++s) {
            part_of(y, s) = part_of(sum[i], s) * activation_slope<decltype(tag)::value>(part_of(y, s));
          }
        }
      });
      *to = y;
    }
  }
}

/// Adds a tile's gradient of the layer's weights. A thread has kIn inputs times kOut outputs.
template <int kIn, int kOut>
__device__ __forceinline__ void add_weights_gradient(const Layer& layer, int gradient, float* shared) {
  const LaneOf lane;
  const int across = (layer.columns + 8 * kOut - 1) / (8 * kOut);
  const int items = across * ((layer.rows + 4 * kIn - 1) / (4 * kIn));
  for (int item = static_cast<int>(threadIdx.x) / kWarp; item < items; item += kWarps) {
    const int row = item / across * 4 * kIn + lane.down, column = item % across * 8 * kOut + lane.across;
    const float *x[kIn], *delta[kOut];
#pragma unroll
    for (int i = 0; i < kIn; ++i) {
      x[i] = shared + layer.from + (row + 4 * i < layer.rows ? row + 4 * i : 0) * kRowStride;
    }
#pragma unroll
    for (int o = 0; o < kOut; ++o) {
      delta[o] = shared + layer.to + (column + 8 * o < layer.columns ? column + 8 * o : 0) * kRowStride;
    }
    float sum[kIn][kOut] = {};
#pragma unroll 4
    for (int sample = 0; sample < kRows; sample += 4) {
      float4 d[kOut];
#pragma unroll
      for (int o = 0; o < kOut; ++o) d[o] = quad_at(delta[o] + sample);
#pragma unroll
      for (int i = 0; i < kIn; ++i) {
        const float4 v = quad_at(x[i] + sample);
#pragma unroll
        for (int o = 0; o < kOut; ++o) {
          sum[i][o] += v.x * d[o].x;
          sum[i][o] += v.y * d[o].y;
          sum[i][o] += v.z * d[o].z;
          sum[i][o] += v.w * d[o].w;
        }
      }
    }
    const int stride = layer.columns;
    float* const to = shared + layer.shared + gradient + row * stride;
    const auto add = [&](auto is_whole) {
#pragma unroll
      for (int o = 0; o < kOut; ++o) {
        const int at = turned(column + 8 * o, row, layer.turn);
#pragma unroll
        for (int i = 0; i < kIn; ++i) {
          if constexpr (!decltype(is_whole)::value) {
            if (row + 4 * i >= layer.rows || column + 8 * o >= stride) continue;
          }
          to[4 * i * stride + at] += sum[i][o];
        }
      }
    };
    if (row / 4 + kIn <= layer.rows / 4 && column / 8 + kOut <= stride / 8) {  // for the whole warp alike
      add(std::true_type{});
    } else {
      add(std::false_type{});
    }
  }
}

/// The same for the bias: four lanes an output.
__device__ __forceinline__ void add_bias_gradient(const Layer& layer, int gradient, float* shared) {
  constexpr int kLanes = 4;
  const int items = (layer.columns * kLanes + kWarp - 1) / kWarp * kWarp;  // whole warps, as lanes exchange sums
  for (int item = static_cast<int>(threadIdx.x); item < items; item += kThreads) {
    const int output = item / kLanes, lane = item % kLanes;
    float sum = 0.0f;
    if (output < layer.columns) {
      const float* delta = shared + layer.to + output * kRowStride;
#pragma unroll
      for (int sample = 4 * lane; sample < kRows; sample += 4 * kLanes) {
        const float4 d = quad_at(delta + sample);
        sum += (d.x + d.y) + (d.z + d.w);
      }
    }
    sum += __shfl_xor_sync(kAllLanes, sum, 1);
    sum += __shfl_xor_sync(kAllLanes, sum, 2);
    if (lane == 0 && output < layer.columns) {
      shared[layer.shared + gradient + layer.rows * layer.columns + output] += sum;
    }
  }
}

// ---------------------------------------------------------------------------------------------- passes

/// In each pass of a layer threads have as many numbers as leave work for all eight warps.
__device__ void forward(const FusedNetwork& network, float* shared) {
  for (int l = 0; l < network.layers; ++l) {
    const Layer& layer = network.layer[l];
    const bool last = l + 1 == network.layers;
    if (layer.columns >= 128) {
      forward_layer<2, 4>(layer, network.activation, last, shared);
    } else if (layer.columns >= 64) {
      forward_layer<1, 4>(layer, network.activation, last, shared);
    } else if (layer.columns >= 32) {
      forward_layer<1, 2>(layer, network.activation, last, shared);
    } else {
      forward_layer<1, 1>(layer, network.activation, last, shared);
    }
    __syncthreads();
  }
}

__device__ void add_gradient(const Layer& layer, int gradient, float* shared) {
  if (layer.rows * layer.columns >= 64 * 64) {
    // Rows in groups of 24 where these are as few as groups of 32: of 45 inputs less is computed for nothing.
    if ((layer.rows + 23) / 24 <= (layer.rows + 31) / 32) {
      add_weights_gradient<6, 4>(layer, gradient, shared);
    } else {
      add_weights_gradient<8, 4>(layer, gradient, shared);
    }
  } else if (layer.rows * layer.columns >= 32 * 32) {
    add_weights_gradient<4, 2>(layer, gradient, shared);
  } else {
    add_weights_gradient<2, 1>(layer, gradient, shared);
  }
  add_bias_gradient(layer, gradient, shared);
}

__device__ void backward(const FusedNetwork& network, float* shared) {
  for (int l = network.layers; l-- > 0;) {
    const Layer& layer = network.layer[l];
    add_gradient(layer, network.gradient, shared);
    __syncthreads();  // the outputs below have been read
    if (l == 0) break;
    if (layer.rows >= 128) {
      backward_layer<8>(layer, network.activation, shared);
    } else if (layer.rows >= 64) {
      backward_layer<4>(layer, network.activation, shared);
    } else if (layer.rows >= 32) {
      backward_layer<2>(layer, network.activation, shared);
    } else {
      backward_layer<1>(layer, network.activation, shared);
    }
    __syncthreads();
  }
}

/// The loss of a tile of `count` samples: d loss / d outputs in place of the outputs, 0 behind the last sample, and
/// the loss's columns. For the actor a thread an action, then a thread a sample, then a thread an action.
__device__ void take_loss(const FusedNetwork& network, const PpoLoss& loss, bool is_critic, int count, float* shared) {
  const int thread = static_cast<int>(threadIdx.x);
  const Layer& head = network.layer[network.layers - 1];
  float* const column = shared + network.column;
  float* const slope = column + kValueLoss * kRows;  // of each sample: a column that the actor does not have
  const auto for_actions = [&](const auto& body) {
    for (int item = thread; item < count * loss.actions; item += kThreads) {
      const int sample = item / loss.actions, a = item - sample * loss.actions;
      // Until learn_action writes its own number there, the action's column keeps how far the old mean lies.
      body(loss.sample_at<float>(sample), a, column + (kLossColumns + a) * kRows + sample);
    }
  };
  if (!is_critic) {
    for_actions([&](const auto& sample, int a, float* kept) { *kept = loss.deviation(sample, a).old_mean; });
    __syncthreads();
  }
  if (thread < count) {
    const auto sample = loss.sample_at<float>(thread);
    if (is_critic) {
      loss.learn_value(sample);
    } else {
      slope[thread] = loss.learn_policy(sample, [&](int a) {
        return PpoLoss::Deviation<float>{loss.mean_gradient[thread + a * loss.mean_step],
                                         column[(kLossColumns + a) * kRows + thread]};
      });
    }
  } else if (thread < kRows) {
    for (int o = 0; o < head.columns; ++o) shared[head.to + o * kRowStride + thread] = 0.0f;
  }
  __syncthreads();
  if (is_critic) return;
  for_actions([&](const auto& sample, int a, float*) { loss.learn_action(sample, a, slope[sample.first]); });
  __syncthreads();
}

/// Adds a tile's numbers in the loss's columns up: a warp a column.
__device__ void add_columns(const FusedNetwork& network, bool is_critic, bool has_critic, int count, float* shared) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int i = static_cast<int>(threadIdx.x) / kWarp; i < network.columns; i += kWarps) {
    if (has_critic && is_critic != (i == kValueLoss)) continue;  // nobody wrote it
    if (!has_critic && i == kValueLoss) continue;
    const float* column = shared + network.column + i * kRows;
    float sum = 0.0f;
    for (int sample = lane; sample < count; sample += kWarp) sum += column[sample];
#pragma unroll
    for (int half = kWarp / 2; half > 0; half /= 2) sum += __shfl_xor_sync(kAllLanes, sum, half);
    if (lane == 0) shared[network.total + i] += sum;
  }
}

/// Blocks below `actor_blocks` learn for the actor, the others for the critic.
__global__ void __launch_bounds__(kThreads, 1)
    learn_minibatch(const __grid_constant__ FusedMinibatch m, int actor_blocks) {
  extern __shared__ float4 quads[];
  float* const shared = reinterpret_cast<float*>(quads);
  const bool is_critic = static_cast<int>(blockIdx.x) >= actor_blocks, has_critic = m.network[1].layers > 0;
  const int block = static_cast<int>(blockIdx.x) - (is_critic ? actor_blocks : 0);
  const int blocks = is_critic ? static_cast<int>(gridDim.x) - actor_blocks : actor_blocks;
  const FusedNetwork& network = m.network[is_critic ? 1 : 0];
  const Layer& head = network.layer[network.layers - 1];
  PpoLoss loss = m.loss;
  loss.mean = loss.mean_gradient = shared + head.to;
  loss.critic = loss.critic_gradient = shared + head.to;
  loss.mean_stride = loss.critic_stride = 1;
  loss.mean_step = kRowStride;
  loss.columns = shared + network.column;
  loss.column_stride = kRows;
  if (loss.advantage_scale != nullptr) {
    AdvantageScale* const scale = reinterpret_cast<AdvantageScale*>(shared + network.scale);
    loss.advantage_scale = scale;
    if (threadIdx.x == 0) ScaleAdvantages{m.scale.sums, m.scale.centre, m.scale.count, scale}();
  }
  take_weights(network, m.parameters, shared);
  __syncthreads();  // also where there is no sample
  for (Index begin = static_cast<Index>(block) * kRows; begin < m.samples;
       begin += static_cast<Index>(blocks) * kRows) {
    const int count = static_cast<int>(m.samples - begin < kRows ? m.samples - begin : kRows);
    take_observations(m.input[is_critic ? 1 : 0], begin, count, network.layer[0].rows, shared + network.layer[0].from);
    __syncthreads();
    forward(network, shared);
    loss.order = m.loss.order + begin;
    loss.rows = count;
    take_loss(network, loss, is_critic, count, shared);
    add_columns(network, is_critic, has_critic, count, shared);
    backward(network, shared);
  }
  Index row = static_cast<Index>(block) * network.part_stride();
  if (is_critic) row += m.critic_parts();
  give_gradient(network, shared, m.parts + row);
}

/// Adds what the blocks left of one number, in the order of the blocks, and stores it. Returns the number of the
/// gradient that it is, or belongs to; 0 where it is none.
__device__ float add_number(const FusedMinibatch& m, Index at, int blocks) {
  const Index of_actor = m.network[0].part_stride();
  const bool is_critic = at >= of_actor, has_critic = m.network[1].layers > 0;
  const float* part = m.parts;
  if (is_critic) {
    if (!has_critic) return 0.0f;
    at -= of_actor;
    part += m.critic_parts();
  }
  const FusedNetwork& network = m.network[is_critic ? 1 : 0];
  const Index column = at - network.size, stride = network.part_stride();
  if (column >= network.columns) return 0.0f;
  if (column >= 0 && has_critic && is_critic != (column == kValueLoss)) return 0.0f;  // the other network's
  float sum = 0.0f;
#pragma unroll 16
  for (int block = 0; block < blocks; ++block) sum += part[block * stride + at];
  if (column < 0) return m.gradient[network.begin + at] = sum;
  m.sums[column] = sum;
  if (column < kLossColumns) return 0.0f;
  return m.gradient[column - kLossColumns] = LogStdGradient::of(sum, m.entropy_coefficient);
}

/// A number of the parts a thread. The last block to come adds the squares of the gradient's numbers, as the blocks
/// left them and in a fixed order, and prepares the step.
__global__ void __launch_bounds__(kThreads) add_parts(const __grid_constant__ FusedMinibatch m, int blocks) {
  using Reduce = cub::BlockReduce<float, kThreads>;
  using Finish = cub::BlockReduce<double, kThreads>;
  __shared__ typename Reduce::TempStorage storage;
  __shared__ typename Finish::TempStorage finish;
  const float own = add_number(m, static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x, blocks);
  if (m.preparation.squared_norm == nullptr) return;
  const float squares = Reduce(storage).Sum(own * own);
  if (threadIdx.x == 0) m.squares[blockIdx.x] = squares;
  if (!comes_last(m.arrived, gridDim.x)) return;
  double mine = 0.0;
  for (unsigned block = threadIdx.x; block < gridDim.x; block += kThreads)
    mine += static_cast<double>(m.squares[block]);
  const double total = Finish(finish).Sum(mine);
  if (threadIdx.x > 0) return;
  *m.preparation.squared_norm = static_cast<float>(total);
  m.preparation.prepare();
}

}  // namespace

FusedNetwork FusedNetwork::of(const std::vector<LayerLayout>& layouts, Activation activation, Range place,
                              Index most_bytes) {
  FusedNetwork network;
  if (layouts.size() > kMostLayers || activation == Activation::kSilu) return network;
  const auto quads = [](Index n) { return (n + 3) / 4 * 4; };
  Index weights = 0, numbers = quads(layouts.front().inputs);
  for (const LayerLayout& layout : layouts) {
    weights += quads(layout.outputs) * (quads(layout.inputs) + 1);
    numbers += quads(layout.outputs);
  }
  const Index columns = kLossColumns + layouts.back().outputs;
  const Index floats = 2 * weights + numbers * kRowStride + columns * kRows + quads(columns) + kScaleFloats;
  if (floats * static_cast<Index>(sizeof(float)) > most_bytes) return network;

  int shared = 0, tile = static_cast<int>(2 * weights);
  for (std::size_t l = 0; l < layouts.size(); ++l) {
    const LayerLayout& from = layouts[l];
    Layer& layer = network.layer[l];
    layer.weight = from.weight;
    layer.bias = from.bias;
    layer.by_input = static_cast<int>(from.by_input);
    layer.inputs = static_cast<int>(from.inputs);
    layer.outputs = static_cast<int>(from.outputs);
    layer.rows = static_cast<int>(quads(from.inputs));
    layer.columns = static_cast<int>(quads(from.outputs));
    layer.shared = shared;
    layer.from = tile;
    layer.turn = layer.columns % 32 == 0 ? 24 : 0;
    shared += layer.columns * (layer.rows + 1);
    tile += layer.rows * kRowStride;
    layer.to = tile;
  }
  network.layers = static_cast<int>(layouts.size());
  network.activation = activation;
  network.begin = place.begin;
  network.size = place.size();
  network.columns = static_cast<int>(columns);
  network.gradient = static_cast<int>(weights);
  network.column = tile + network.layer[network.layers - 1].columns * kRowStride;
  network.total = network.column + network.columns * kRows;
  network.scale = network.total + static_cast<int>(quads(columns));
  network.floats = static_cast<int>(floats);
  return network;
}

Index most_shared_bytes() {
  int device = 0, bytes = 0;
  STAMPEDE_CUDA(cudaGetDevice(&device));
  STAMPEDE_CUDA(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  return bytes;
}

void learn(cudaStream_t stream, const FusedMinibatch& minibatch) {
  const bool has_critic = minibatch.has_critic();
  const unsigned blocks = FusedNetwork::blocks(minibatch.samples, FusedMinibatch::most_blocks(has_critic));
  const auto bytes = static_cast<std::size_t>(std::max(minibatch.network[0].bytes(), minibatch.network[1].bytes()));
  allow_shared_memory(learn_minibatch, bytes);
  learn_minibatch<<<has_critic ? 2 * blocks : blocks, kThreads, bytes, stream>>>(minibatch, static_cast<int>(blocks));
  check_launch(stream, "learn_minibatch");
  const unsigned adding =
      FusedMinibatch::add_blocks(minibatch.network[0], has_critic ? &minibatch.network[1] : nullptr);
  add_parts<<<adding, kThreads, 0, stream>>>(minibatch, static_cast<int>(blocks));
  check_launch(stream, "add_parts");
}

}  // namespace stampede::cuda
