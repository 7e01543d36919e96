#pragma once
/// \file The communicator of several ranks: every number is added up in the order of the ranks, whatever carries it.
///
/// A few numbers: each rank gets those of all others and adds them up. Many: each rank gets everybody's share of a part
/// of the numbers, adds up that part, and passes it on, so that a rank sends and receives about twice what it has,
/// however many ranks there are. Both give the same bits on every rank and in every run. (An all-reduce may add in
/// another order on other machines, and round otherwise.)
///
/// What carries the numbers is a Link; for the CPU backend HostLink, over the ranks' group; for CUDA's one over NCCL
/// (cuda/nccl.cuh). A link has
///
/// - `rank()`: this one;
/// - `exchange_parts(backend, values, begin, received)`, `gather_parts(backend, values, begin)` and
///   `broadcast(backend, values, bytes)`: as RankGroup's, for memory on the device. They only enqueue.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "host/engine/communicator.hpp"
#include "host/engine/rank_group.hpp"

namespace stampede {

/// The ranks' group as a link: the device's memory is the host's.
class HostLink {
 public:
  explicit HostLink(RankGroup& group) : group_(&group) {}
  Rank rank() const { return group_->rank(); }
  template <class Backend>
  void exchange_parts(Backend&, const void* values, const std::vector<std::int64_t>& begin, void* received) {
    group_->exchange_parts(values, begin, received);
  }
  template <class Backend>
  void gather_parts(Backend&, void* values, const std::vector<std::int64_t>& begin) {
    group_->gather_parts(values, begin);
  }
  template <class Backend>
  void broadcast(Backend&, void* values, std::int64_t bytes) {
    group_->broadcast(values, bytes);
  }

 private:
  RankGroup* group_;
};

/// to[i] = from[i]. One lane: the last pack would read and write behind the end.
template <class T>
struct CopyNumbers {
  using Real = float;
  const T* from;
  T* to;
  template <class>
  STAMPEDE_FN void operator()(Index i) const {
    to[i] = from[i];
  }
};

/// to[i] = from[i] + from[stride + i] + ..., in this order; with kLargest the largest of them.
template <class T, bool kLargest = false>
struct CombineRanks {
  using Real = float;
  const T* from;
  Index stride;
  int ranks;
  T* to;
  template <class>
  STAMPEDE_FN void operator()(Index i) const {
    T result = from[i];
    for (int rank = 1; rank < ranks; ++rank) {
      const T other = from[rank * stride + i];
      if constexpr (kLargest) {
        result = result < other ? other : result;
      } else {
        result = result + other;
      }
    }
    to[i] = result;
  }
};

template <class Backend, class Link>
class RankSums final : public Communicator<Backend> {
 public:
  explicit RankSums(Link link) : link_(std::move(link)) {}

  int ranks() const override { return link_.rank().world_size; }
  void sum(Backend& backend, float* values, Index count, Exchange) override { combine<false>(backend, values, count); }
  void sum(Backend& backend, std::uint64_t* values, Index count, Exchange) override {
    combine<false>(backend, values, count);
  }
  void maximum(Backend& backend, float* values, Index count, Exchange) override {
    combine<true>(backend, values, count);
  }
  void broadcast(Backend& backend, float* values, Index count, Exchange) override {
    link_.broadcast(backend, values, count * static_cast<std::int64_t>(sizeof(float)));
  }

 private:
  /// Up to so many numbers every rank gets all of; a message this small costs no more than a shorter one.
  static constexpr Index kFew = 1024;
  /// Numbers of 8 bytes: everything that is exchanged fits.
  using Room = typename Backend::template Buffer<std::uint64_t>;

  template <bool kLargest, class T>
  void combine(Backend& backend, T* values, Index count) {
    const Index ranks = this->ranks(), own = link_.rank().index;
    if (count <= kFew) {
      T* received = room<T>(backend, ranks * count);
      backend.launch(count, CopyNumbers<T>{values, received + own * count});
      link_.gather_parts(backend, received, parts<T>(ranks * count, count));
      backend.launch(count, CombineRanks<T, kLargest>{received, count, static_cast<int>(ranks), values});
      return;
    }
    const Index part = padded((count + ranks - 1) / ranks);
    const std::vector<std::int64_t>& begin = parts<T>(count, part);
    const Index first = std::min(own * part, count), size = std::min(part, count - first);
    T* received = room<T>(backend, ranks * part);
    link_.exchange_parts(backend, values, begin, received);
    if (size > 0) {
      backend.launch(size, CombineRanks<T, kLargest>{received, size, static_cast<int>(ranks), values + first});
    }
    link_.gather_parts(backend, values, begin);
  }

  /// Where the parts of `count` numbers begin, in bytes, and where the last one ends.
  template <class T>
  const std::vector<std::int64_t>& parts(Index count, Index part) {
    begin_.resize(static_cast<std::size_t>(ranks()) + 1);
    for (std::size_t r = 0; r < begin_.size(); ++r) {
      begin_[r] = std::min(static_cast<Index>(r) * part, count) * static_cast<std::int64_t>(sizeof(T));
    }
    return begin_;
  }

  /// Memory on the device for what the others send. It only grows, in the first iteration: recorded work keeps its
  /// address, so each size has its own.
  template <class T>
  T* room(Backend& backend, Index count) {
    const Index wanted = (count * static_cast<Index>(sizeof(T)) + 7) / 8;
    for (Room& one : rooms_) {
      if (one.size() >= wanted) return reinterpret_cast<T*>(one.data());
    }
    rooms_.push_back(backend.template make_buffer<std::uint64_t>(wanted));
    return reinterpret_cast<T*>(rooms_.back().data());
  }

  Link link_;
  std::vector<std::int64_t> begin_;
  std::vector<Room> rooms_;
};

}  // namespace stampede
