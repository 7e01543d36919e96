#pragma once
/// \file How an update goes through what it learns from: pass after pass, in shuffled minibatches of about the same
/// size. A *window* is what is never taken apart: a single sample, or a few consecutive steps of an environment where
/// the networks have a state (host/nets/recurrence.hpp).

#include <algorithm>
#include <cstdint>

#include "host/learn/options.hpp"
#include "host/learn/rollout.hpp"
#include "kernels/ppo.hpp"

namespace stampede {

/// One minibatch: the rows of the rollout that `order` [count] names, on the device, and its number in the pass.
struct Minibatch {
  const std::uint32_t* order;
  Index count, index;
};

template <class Backend>
class Minibatches {
 public:
  /// Of rollouts of that shape; `window`: steps of a window. `kept`: of how many rollouts, side by side in memory, a
  /// pass takes its windows; it always takes as many as one rollout has.
  Minibatches(Backend& backend, const RolloutShape& shape, Index window, const AlgorithmSettings& settings,
              std::uint64_t seed, std::uint32_t rank, int kept = 1)
      : backend_(backend),
        shape_(shape),
        split_{shape.samples() / window,
               std::min<Index>(shape.samples() / window, settings.minibatches_of(shape.samples())), window},
        seed_(seed),
        rank_(rank),
        kept_(kept),
        order_(backend.template make_buffer<std::uint32_t>(padded(shape.samples()))) {
    if (window > 1) first_row_ = backend.template make_buffer<std::uint32_t>(padded(split_.windows));
  }

  /// An upper bound of the samples in a minibatch, before it is known whether the networks have a state: if so, a
  /// minibatch consists of complete windows, none of which is longer than the horizon.
  static Index most_samples(const RolloutShape& shape, const AlgorithmSettings& settings) {
    const Index minibatches = settings.minibatches_of(shape.samples());
    return (shape.samples() + minibatches - 1) / minibatches + shape.horizon;
  }

  /// The samples and the minibatches of a pass.
  Index samples() const { return shape_.samples(); }
  Index count() const { return split_.minibatches; }
  const Split& split() const { return split_; }

  /// The largest number of samples in a minibatch.
  Index most() const { return split_.most(); }

  /// [samples()]: the rows in the order in which the pass visits them, on the device; that of the last shuffle.
  const std::uint32_t* order() const { return order_.data(); }
  /// Computes the order of a pass.
  void shuffle(const Pass& pass) {
    std::uint32_t* to = split_.window > 1 ? first_row_.data() : order_.data();
    backend_.launch(padded(split_.windows),
                    Shuffle{to, static_cast<std::uint32_t>(split_.windows), static_cast<std::uint32_t>(shape_.envs),
                            static_cast<std::uint32_t>(shape_.stride * split_.window), seed_, pass, rank_,
                            static_cast<std::uint32_t>(kept_)});
    if (split_.window == 1) return;
    backend_.launch(padded(shape_.samples()),
                    ExpandWindows{to, order_.data(), shape_.samples(), static_cast<std::uint32_t>(split_.window),
                                  static_cast<std::uint32_t>(shape_.stride)});
  }
  /// Calls body(minibatch) for each minibatch of the pass.
  template <class Body>
  void for_each(const Body& body) const {
    for (Index i = 0; i < count(); ++i) body(Minibatch{order() + split_.begin(i), split_.size(i), i});
  }

 private:
  Backend& backend_;
  RolloutShape shape_;
  Split split_;
  std::uint64_t seed_;
  std::uint32_t rank_;
  int kept_;
  typename Backend::template Buffer<std::uint32_t> order_, first_row_;
};

}  // namespace stampede
