#pragma once
/// \file What a minibatch adds up to: the networks' gradient, and the sums of the columns that the loss writes for each
/// sample (kernels/ppo.hpp, LossColumn), of all tiles and of all ranks.

#include "host/engine/communicator.hpp"
#include "host/nets/actor_critic.hpp"
#include "kernels/ppo.hpp"

namespace stampede {

/// The sums of one minibatch at a time, on the device, in arrays that are made once.
template <class Backend>
class GradientSums {
 public:
  /// For minibatches of up to `most` samples of these networks; `more`: columns of the caller's own, behind the others.
  GradientSums(Backend& backend, ActorCritic<Backend>& networks, Index most, int more = 0)
      : backend_(backend),
        networks_(networks),
        own_(kLossColumns + networks.actions()),
        entries_(own_ + more),
        stride_(padded(most)),
        gradient_(backend, networks.size(), most, networks.window()),
        columns_(backend.template make_buffer<float>(entries_ * stride_)),
        sums_(backend.template make_buffer<float>(padded(entries_))) {
    backend.reserve_sums(entries_);
  }

  /// The tiles' gradients, for Backend::for_samples.
  typename Backend::Gradient& tiles() { return gradient_; }
  /// [kLossColumns + actions][column_stride()]: where the tile whose first sample is `first` writes.
  float* columns(Index first) { return columns_.data() + first; }
  Index column_stride() const { return stride_; }
  /// The same, of the caller's own columns.
  float* own_column(int i, Index first) { return columns(first) + (own_ + i) * stride_; }

  /// To be called when all tiles of a minibatch of `count` samples are done: adds them up, over all ranks too, and
  /// fills in the gradient of the log standard deviations.
  void collect(Index count, float entropy_coefficient) {
    gradient_.collect(backend_, count);
    backend_.template sum<1>(count, entries_, ColumnValues{columns_.data(), stride_}, sums_.data());
    add_ranks();
    backend_.launch_single(LogStdGradient{sums_.data(), gradient_.total(), networks_.actions(), entropy_coefficient});
  }
  /// The same where total() and sums() hold this rank's sums already, as ActorCritic::learn leaves them.
  void add_ranks() {
    Communicator<Backend>& all = backend_.communicator();
    all.sum(backend_, gradient_.total(), networks_.size(), Exchange::kGradient);
    all.sum(backend_, sums_.data(), entries_, Exchange::kGradient);
  }

  /// What collect() left: the gradient, laid out as the parameters, and the columns' sums.
  float* total() { return gradient_.total(); }
  float* sums() { return sums_.data(); }
  const float* own_sums() { return sums_.data() + own_; }

 private:
  Backend& backend_;
  ActorCritic<Backend>& networks_;
  int own_, entries_;  ///< columns before the caller's own; all
  Index stride_;
  typename Backend::Gradient gradient_;
  typename Backend::template Buffer<float> columns_, sums_;
};

}  // namespace stampede
