#pragma once
/// \file A minibatch of an actor and a critic that are small multilayer perceptrons in two launches: gather and
/// normalise, forward pass, loss (kernels/ppo.hpp), backward pass; then the sum of what the blocks have left, its norm,
/// and what the optimiser's step begins with.
///
/// A block learns for one of the two networks, from tiles of 64 samples, one after the other. Its shared memory holds
///
///     weights, biases      [input][output]
///     their gradient       laid out alike, added up over the block's tiles
///     a tile's numbers     [number][sample]: inputs and each layer's outputs; the way back overwrites the outputs of a
///                          layer by d loss / d its sums, once the gradient of the next weights has used them
///     the loss's columns   [LossColumn, then an action each][sample], and their sums over the tiles
///
/// All products add up single-precision numbers in registers, a few samples times a few numbers a thread. At last each
/// block stores its gradient and sums of columns as one row of `parts`; a second kernel adds the rows in their order,
/// and the squares of what they add up to. Which tiles a block takes follows from the sizes alone: the same input gives
/// the same bits.

#include <vector>

#include "cuda/check.cuh"
#include "host/engine/layer_layout.hpp"
#include "kernels/activation.hpp"
#include "kernels/adam.hpp"
#include "kernels/ppo.hpp"

namespace stampede::cuda {

/// One of the two networks, and where it lies in shared memory.
struct FusedNetwork {
  static constexpr int kThreads = 256, kRows = 64;
  /// From a number of all samples to the next [floats]: more than kRows, so that eight adjacent numbers of the same
  /// four samples lie in different banks.
  static constexpr int kRowStride = 68;
  static constexpr int kMostLayers = 6;
  /// Blocks of a minibatch, one on each multiprocessor of an H100.
  static constexpr Index kMostBlocks = 132;

  struct Layer {
    Index weight, bias;  ///< where they begin in the parameters: weights as [input][by_input]
    int by_input;
    int inputs, outputs;
    int rows, columns;  ///< inputs and outputs padded to multiples of 4; the padding's weights are 0
    int shared;         ///< where the weights, [rows][columns], and behind them the bias begin [floats]
    int from, to;       ///< where its inputs and its outputs begin [floats]
    int turn;           ///< mask of `turned`
  };
  Layer layer[kMostLayers];
  int layers = 0;  ///< 0: the network does not fit
  Activation activation = Activation::kElu;
  Index begin = 0, size = 0;  ///< its place in the parameters
  int columns = 0;            ///< of the loss that there is room for
  int gradient = 0;           ///< from a weight to its gradient [floats]
  int column = 0, total = 0;  ///< where the loss's columns begin, and their sums [floats]
  int scale = 0;              ///< where the advantages' scale lies [floats]
  int floats = 0;             ///< of shared memory

  Index bytes() const { return static_cast<Index>(floats) * static_cast<Index>(sizeof(float)); }
  /// From one block's row of `parts` to the next.
  STAMPEDE_FN Index part_stride() const { return size + padded(columns); }
  /// The blocks that learn from so many samples, where there is room for `most`: as few as take no longer.
  static unsigned blocks(Index samples, Index most) {
    const Index tiles = (samples + kRows - 1) / kRows;
    if (tiles == 0) return 1;
    const Index each = (tiles + most - 1) / most;
    return static_cast<unsigned>((tiles + each - 1) / each);
  }

  /// The network whose layers lie so in the parameters, all of them in `place`. It has no layers where it does not fit:
  /// more layers than kMostLayers, more shared memory than `most_bytes`, or SiLU, whose slope does not follow from its
  /// output. The choice depends on nothing else.
  static FusedNetwork of(const std::vector<LayerLayout>& layouts, Activation activation, Range place, Index most_bytes);
};

/// Bytes of shared memory that a block may have on this GPU.
Index most_shared_bytes();

/// A minibatch, and where what is learned from it goes.
struct FusedMinibatch {
  FusedNetwork network[2];  ///< the actor and, unless it has no layers, the critic
  NormaliseRows input[2];   ///< what they see; `index` names the minibatch's rows
  PpoLoss loss;             ///< with all but the networks' outputs and the columns' place
  ScaleAdvantages scale;    ///< what computes the loss's `advantage_scale`, unless that is null
  float entropy_coefficient;
  Index samples;
  const float* parameters;
  float* parts;     ///< [part_floats()]: rows of the actor's blocks, then, from critic_parts() on, of the critic's
  float* gradient;  ///< laid out as the parameters
  float* sums;      ///< [kLossColumns + actions]: of the loss's columns
  /// Of the step that the gradient is for: prepared once the gradient is there, unless its `squared_norm` is null.
  StepPreparation preparation;
  float* squares;     ///< [add_blocks()]: sums of the gradient's squares
  unsigned* arrived;  ///< 0: cuda::comes_last

  bool has_critic() const { return network[1].layers > 0; }
  /// Where the critic's rows begin, however many blocks there are: numbers that pad a row are never written and stay 0.
  STAMPEDE_FN Index critic_parts() const { return most_blocks(true) * network[0].part_stride(); }
  /// The most blocks that learn for each network.
  STAMPEDE_FN static constexpr Index most_blocks(bool has_critic) {
    return FusedNetwork::kMostBlocks / (has_critic ? 2 : 1);
  }
  /// The blocks of the second kernel, a thread a number of a row of each network.
  static unsigned add_blocks(const FusedNetwork& actor, const FusedNetwork* critic) {
    const Index numbers = actor.part_stride() + (critic != nullptr ? critic->part_stride() : 0);
    return static_cast<unsigned>((numbers + FusedNetwork::kThreads - 1) / FusedNetwork::kThreads);
  }
  /// Size of `parts` [floats] for any number of samples.
  static Index part_floats(const FusedNetwork& actor, const FusedNetwork* critic) {
    return most_blocks(critic != nullptr) * (actor.part_stride() + (critic != nullptr ? critic->part_stride() : 0));
  }
};

/// Enqueues the two kernels.
void learn(cudaStream_t stream, const FusedMinibatch& minibatch);

}  // namespace stampede::cuda
