#pragma once
/// \file How an update goes through what it learns from: pass after pass, in shuffled minibatches of about the same
/// size. A *window* is what is never taken apart: a single sample, or a few consecutive steps of an environment where
/// the networks have a state (host/nets/recurrence.hpp).

#include <algorithm>
#include <cstdint>

#include "host/learn/options.hpp"
#include "host/learn/rollout.hpp"

namespace stampede {

template <class Backend>
class Minibatches {
 public:
  /// Of rollouts of that shape; `window`: steps of a window. `kept`: of how many rollouts, side by side in memory, a
  /// pass takes its windows; it always takes as many as one rollout has.
  Minibatches(Backend& backend, const RolloutShape& shape, Index window, const AlgorithmSettings& settings,
              std::uint64_t seed, std::uint32_t rank, int kept = 1)
      : backend_(backend),
        shape_(shape),
        window_(window),
        windows_(shape.samples() / window),
        count_(std::min<Index>(windows_, settings.minibatches_of(shape.samples()))),
        seed_(seed),
        rank_(rank),
        kept_(kept),
        order_(backend.template make_buffer<std::uint32_t>(padded(shape.samples()))) {
    if (window_ > 1) first_row_ = backend.template make_buffer<std::uint32_t>(padded(windows_));
  }

  /// An upper bound of the samples in a minibatch, before it is known whether the networks have a state: if so, a
  /// minibatch consists of complete windows, none of which is longer than the horizon.
  static Index most_samples(const RolloutShape& shape, const AlgorithmSettings& settings) {
    const Index minibatches = settings.minibatches_of(shape.samples());
    return (shape.samples() + minibatches - 1) / minibatches + shape.horizon;
  }

  /// The samples and the minibatches of a pass.
  Index samples() const { return shape_.samples(); }
  Index count() const { return count_; }

  /// The largest number of samples in a minibatch.
  Index most() const { return (windows_ + count_ - 1) / count_ * window_; }

  /// A pass: computes the order in which it visits the windows, and calls body(order, count) for each minibatch;
  /// `order` [count] names rows, on the device.
  template <class Body>
  void pass(const Pass& pass, const Body& body) {
    shuffle(pass);
    for (Index i = 0; i < count_; ++i) {
      const Index begin = i * windows_ / count_ * window_, end = (i + 1) * windows_ / count_ * window_;
      body(order_.data() + begin, end - begin);
    }
  }

 private:
  void shuffle(const Pass& pass) {
    std::uint32_t* to = window_ > 1 ? first_row_.data() : order_.data();
    backend_.launch(padded(windows_),
                    Shuffle{to, static_cast<std::uint32_t>(windows_), static_cast<std::uint32_t>(shape_.envs),
                            static_cast<std::uint32_t>(shape_.stride * window_), seed_, pass, rank_,
                            static_cast<std::uint32_t>(kept_)});
    if (window_ == 1) return;
    backend_.launch(padded(shape_.samples()),
                    ExpandWindows{to, order_.data(), shape_.samples(), static_cast<std::uint32_t>(window_),
                                  static_cast<std::uint32_t>(shape_.stride)});
  }

  Backend& backend_;
  RolloutShape shape_;
  Index window_, windows_, count_;
  std::uint64_t seed_;
  std::uint32_t rank_;
  int kept_;
  typename Backend::template Buffer<std::uint32_t> order_, first_row_;
};

}  // namespace stampede
