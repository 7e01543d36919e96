#pragma once
/// \file A small multilayer perceptron in one launch: rows of observations are normalised, taken through all layers,
/// and handed to a kernel that reads the outputs, such as the one that draws actions.
///
/// A block has all weights in shared memory and takes tiles of 32 rows, one after the other. Between layers a tile's
/// numbers stay in shared memory, as [number][row]; a thread computes four outputs of a few rows. Sums are in single
/// precision, in the order of the inputs, the bias last: a row's numbers depend on nothing but the row.

#include <algorithm>
#include <vector>

#include "cuda/launch.cuh"
#include "host/engine/layer_layout.hpp"
#include "kernels/activation.hpp"
#include "kernels/normalise.hpp"

namespace stampede::cuda {

struct SmallNetwork {
  static constexpr int kThreads = 256, kRows = 32;
  /// From a number of all rows to the next [floats]: more than kRows, so that the inputs, which are written number by
  /// number, do not all go to the same bank.
  static constexpr int kRowStride = 36;
  static constexpr int kMostLayers = 6;
  /// What a block may have on every GPU since sm_80.
  static constexpr Index kMostBytes = 99 * 1024;
  /// Two blocks on each multiprocessor of an H100; what more there is to do they take after that.
  static constexpr unsigned kMostBlocks = 264;

  struct Layer {
    Index weight, bias;  ///< where they begin in the parameters: weights as [input][by_input]
    int inputs, by_input;
    int quads;   ///< of outputs, each of four, the last one padded
    int shared;  ///< where its weights, [input][quads][4], and behind them its bias begin in shared memory [floats]
  };
  Layer layer[kMostLayers];
  int layers = 0;  ///< 0: the network is too large for this
  Activation activation = Activation::kElu;
  /// Where two buffers begin in shared memory, and it ends [floats]. A layer reads its inputs from one of them and
  /// leaves its outputs in the other.
  int buffer[3] = {};

  std::size_t bytes() const { return static_cast<std::size_t>(buffer[2]) * sizeof(float); }

  /// The network whose layers lie so in the parameters. It has no layers where that does not fit: more layers than
  /// kMostLayers, or weights and a tile's numbers of more than kMostBytes. The choice depends on nothing else.
  static SmallNetwork of(const std::vector<LayerLayout>& layouts, Activation activation) {
    SmallNetwork network;
    if (layouts.size() > kMostLayers) return network;
    Index floats = 0, width[2] = {layouts.front().inputs, 0};  // numbers of a row that the buffers have room for
    for (std::size_t i = 0; i < layouts.size(); ++i) {
      const LayerLayout& from = layouts[i];
      const Index quads = (from.outputs + 3) / 4;
      network.layer[i] = {from.weight,
                          from.bias,
                          static_cast<int>(from.inputs),
                          static_cast<int>(from.by_input),
                          static_cast<int>(quads),
                          static_cast<int>(floats)};
      floats += 4 * quads * (from.inputs + 1);
      Index& to = width[(i + 1) % 2];
      to = std::max(to, 4 * quads);
      if (i + 1 == layouts.size()) width[i % 2] = std::max(width[i % 2], 4 * quads);  // for what parts leave to join()
    }
    const Index ends = floats + width[0] * kRowStride, bytes = (ends + width[1] * kRowStride) * Index{sizeof(float)};
    if (bytes > kMostBytes) return network;
    network.buffer[0] = static_cast<int>(floats);
    network.buffer[1] = static_cast<int>(ends);
    network.buffer[2] = static_cast<int>(bytes / Index{sizeof(float)});
    network.activation = activation;
    network.layers = static_cast<int>(layouts.size());
    return network;
  }
};

/// Adjacent floats that are read at once.
template <int kCount>
struct alignas(kCount * sizeof(float)) Adjacent {
  float v[kCount];
};

/// Copies the weights and biases to shared memory. Columns that only pad a quad become 0.
__device__ inline void take_weights(const SmallNetwork& network, const float* parameters, float* shared) {
  for (int i = 0; i < network.layers; ++i) {
    const SmallNetwork::Layer& layer = network.layer[i];
    float4* to = reinterpret_cast<float4*>(shared + layer.shared);
    const float4* bias = reinterpret_cast<const float4*>(parameters + layer.bias);
    const int weights = layer.inputs * layer.quads;
    for (int at = static_cast<int>(threadIdx.x); at < weights; at += SmallNetwork::kThreads) {
      if (layer.by_input == 1) {  // one output: its weights are adjacent
        to[at] = {parameters[layer.weight + at], 0.0f, 0.0f, 0.0f};
      } else {
        to[at] = reinterpret_cast<const float4*>(parameters + layer.weight)[at];
      }
    }
    for (int at = static_cast<int>(threadIdx.x); at < layer.quads; at += SmallNetwork::kThreads) {
      to[weights + at] = bias[at];
    }
  }
}

/// One layer of a tile. A thread computes a quad of outputs for kOwn adjacent rows. The last layer's outputs go to
/// [row][output], the others', activated, to [output][row].
template <int kOwn>
__device__ __forceinline__ void pass_layer(const SmallNetwork::Layer& layer, Activation activation, bool last,
                                           const float* shared, const float* from, float* to) {
  constexpr int kGroups = SmallNetwork::kRows / kOwn;
  for (int item = static_cast<int>(threadIdx.x); item < layer.quads * kGroups; item += SmallNetwork::kThreads) {
    const int row = item % kGroups * kOwn, quad = item / kGroups;
    const float4* weight = reinterpret_cast<const float4*>(shared + layer.shared) + quad;
    const float* x = from + row;
    float sum[4][kOwn] = {};
#pragma unroll 4
    for (int i = 0; i < layer.inputs; ++i) {
      const float4 w = *weight;
      const auto of_rows = *reinterpret_cast<const Adjacent<kOwn>*>(x);
#pragma unroll
      for (int r = 0; r < kOwn; ++r) {
        sum[0][r] += w.x * of_rows.v[r];
        sum[1][r] += w.y * of_rows.v[r];
        sum[2][r] += w.z * of_rows.v[r];
        sum[3][r] += w.w * of_rows.v[r];
      }
      weight += layer.quads;
      x += SmallNetwork::kRowStride;
    }
    const float4 b = *weight;  // the bias lies behind the last input's weights
    const float bias[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
    for (int o = 0; o < 4; ++o) {
#pragma unroll
      for (int r = 0; r < kOwn; ++r) sum[o][r] += bias[o];
    }
    if (last) {
#pragma unroll
      for (int r = 0; r < kOwn; ++r) {
        reinterpret_cast<float4*>(to)[(row + r) * layer.quads + quad] = {sum[0][r], sum[1][r], sum[2][r], sum[3][r]};
      }
      continue;
    }
    with_activation(activation, [&](auto tag) {
#pragma unroll
      for (int o = 0; o < 4; ++o) {
        Adjacent<kOwn> y;
#pragma unroll
        for (int r = 0; r < kOwn; ++r) y.v[r] = activate<decltype(tag)::value>(sum[o][r]);
        *reinterpret_cast<Adjacent<kOwn>*>(to + (4 * quad + o) * SmallNetwork::kRowStride + row) = y;
      }
    });
  }
}

/// Kernels that several threads may share an element of: `parts()` of them call part(), then one calls join().
template <class Tail>
concept InParts = requires(const Tail& tail) {
  tail.parts();
};

/// Takes `rows` rows, those that `input` normalises, through the network. `tail` works on elements from `first` on, and
/// reads the outputs of row r for element first + r.
template <class Tail>
__global__ void __launch_bounds__(SmallNetwork::kThreads, 2)
    run_small_network(const __grid_constant__ SmallNetwork network, const float* parameters,
                      const __grid_constant__ NormaliseRows input, const __grid_constant__ Tail tail, Index first,
                      Index rows) {
  extern __shared__ float4 quads[];
  constexpr int kThreads = SmallNetwork::kThreads, kRows = SmallNetwork::kRows, kRowStride = SmallNetwork::kRowStride;
  float* const shared = reinterpret_cast<float*>(quads);
  const int thread = static_cast<int>(threadIdx.x), features = static_cast<int>(input.features);
  const int outputs = 4 * network.layer[network.layers - 1].quads;
  take_weights(network, parameters, shared);
  for (Index begin = static_cast<Index>(blockIdx.x) * kRows; begin < rows;
       begin += static_cast<Index>(gridDim.x) * kRows) {
    const int count = static_cast<int>(rows - begin < kRows ? rows - begin : kRows);
    float *from = shared + network.buffer[0], *to = shared + network.buffer[1];
    __syncthreads();  // the tile before has been read
    for (int at = thread; at < count * features; at += kThreads) {
      const int row = at / features, feature = at - row * features;
      from[feature * kRowStride + row] = input.normalised<float>(begin + row, feature);
    }
    __syncthreads();
    for (int i = 0; i < network.layers; ++i) {
      const SmallNetwork::Layer& layer = network.layer[i];
      const bool last = i + 1 == network.layers;
      // As many rows a thread as leave work for all threads.
      if (layer.quads * (kRows / 4) >= kThreads) {
        pass_layer<4>(layer, network.activation, last, shared, from, to);
      } else if (layer.quads * (kRows / 2) >= kThreads) {
        pass_layer<2>(layer, network.activation, last, shared, from, to);
      } else {
        pass_layer<1>(layer, network.activation, last, shared, from, to);
      }
      __syncthreads();
      float* const swapped = from;
      from = to;
      to = swapped;
    }
    Tail own = tail;
    own.reads(from, outputs, first + begin);
    if constexpr (InParts<Tail>) {
      const int parts = own.parts();
      for (int at = thread; at < count * parts; at += kThreads) {
        const int row = at / parts;
        own.part(first + begin + row, at - row * parts, to + row * outputs);
      }
      __syncthreads();
      if (thread < count) own.join(first + begin + thread, to + thread * outputs);
    } else {
      if (thread < count) own.template operator()<float>(first + begin + thread);
    }
  }
}

template <class Tail>
void launch_small_network(cudaStream_t stream, const SmallNetwork& network, const float* parameters,
                          const NormaliseRows& input, Index first, Index rows, const Tail& tail) {
  allow_shared_memory(run_small_network<Tail>, static_cast<std::size_t>(network.bytes()));
  if (rows <= 0) return;
  const unsigned tiles = static_cast<unsigned>((rows + SmallNetwork::kRows - 1) / SmallNetwork::kRows);
  run_small_network<Tail>
      <<<std::min(tiles, SmallNetwork::kMostBlocks), SmallNetwork::kThreads, network.bytes(), stream>>>(
          network, parameters, input, tail, first, rows);
  check_launch(stream, "run_small_network");
}

}  // namespace stampede::cuda
