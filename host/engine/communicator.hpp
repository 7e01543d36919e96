#pragma once
/// \file How ranks that train together (host/engine/rank.hpp) exchange numbers: all that one rank gets from another
/// goes through its backend's Communicator.
///
/// A rank steps its environments and computes its part of each gradient by itself. Three kinds of sums leave it
/// (`Exchange`); each is made on the device, replaced there by the sum over all ranks, and used as that. To make a mean
/// of it, it is divided by the count over all ranks: a rank's count times `ranks()`, as the ranks are equally large.
/// From then on every rank does the same with the same numbers, so that networks, optimisers, normalisers, learning
/// rates and running maxima stay alike without being compared.
///
/// SingleProcess changes nothing; RankSums (host/learn/rank_sums.hpp) exchanges by MPI, or on a GPU by NCCL. For all:
///
///  - The calls of an iteration, their order and their sizes follow from the settings alone, never from data, and so
///    are the same on every rank: nothing needs to say which call belongs to which.
///  - A call only enqueues. With NCCL all parts of it go to CudaBackend::stream(),
///    behind the kernel that made the sum and before those that use it. The host neither waits nor looks at the values,
///    so that the calls are recorded with the rest of `replay` in a CUDA graph, which NCCL allows. What NCCL has to
///    allocate or connect it must have done before, as the second run of a sequence is the one recorded.
///  - On the CPU backend the work is done when a launch returns; there a call exchanges at once. The thread
///    that drives the backend makes it.
///  - Every rank must get the same bits, and the same in every run: RankSums adds in the order of the ranks,
///    whatever carries the numbers.

#include <cstdint>

#include "kernels/lanes.hpp"

namespace stampede {

/// Kinds of sums that leave a rank, for implementations that treat large and small ones differently.
enum class Exchange {
  kStatistics,  ///< once an iteration: the constraints' largest violations and totals; what is reported of episodes
  kMoments,     ///< for means and variances: of returns and observations once an iteration, of a minibatch's advantages
  kGradient,    ///< each minibatch: the parameters' gradient, then the sums of the loss's columns
};

template <class Backend>
class Communicator {
 public:
  virtual ~Communicator() = default;

  /// How many ranks exchange sums through it.
  virtual int ranks() const = 0;
  /// Replaces `count` numbers on the device by their sums over the ranks.
  virtual void sum(Backend& backend, float* values, Index count, Exchange what) = 0;
  virtual void sum(Backend& backend, std::uint64_t* values, Index count, Exchange what) = 0;
  /// Replaces them by the largest over the ranks.
  virtual void maximum(Backend& backend, float* values, Index count, Exchange what) = 0;
  /// Replaces them by those of rank 0.
  virtual void broadcast(Backend& backend, float* values, Index count, Exchange what) = 0;
};

/// One process: its sums are already those over all.
template <class Backend>
class SingleProcess final : public Communicator<Backend> {
 public:
  int ranks() const override { return 1; }
  void sum(Backend&, float*, Index, Exchange) override {}
  void sum(Backend&, std::uint64_t*, Index, Exchange) override {}
  void maximum(Backend&, float*, Index, Exchange) override {}
  void broadcast(Backend&, float*, Index, Exchange) override {}
};

}  // namespace stampede
