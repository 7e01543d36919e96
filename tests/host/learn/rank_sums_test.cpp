/// \file Sums over ranks: what they are, that all ranks get the same bits, and that the order is the ranks'.
#include "host/learn/rank_sums.hpp"

#include <gtest/gtest.h>

#include <mutex>

#include "tests/host/learn/thread_ranks.hpp"

namespace stampede::testing {
namespace {

/// A backend of plain loops.
struct PlainBackend {
  template <class T>
  struct Buffer {
    std::vector<T> values;
    T* data() { return values.data(); }
    Index size() const { return static_cast<Index>(values.size()); }
  };
  template <class T>
  Buffer<T> make_buffer(Index size) {
    ++buffers;
    return {std::vector<T>(static_cast<std::size_t>(size))};
  }
  template <class Kernel>
  void launch(Index n, const Kernel& kernel) {
    for (Index i = 0; i < n; ++i) kernel.template operator()<float>(i);
  }
  int buffers = 0;
};

/// A rank's numbers: of very different sizes, so that another order rounds differently.
template <class T>
std::vector<T> numbers(int rank, Index count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto mixed = static_cast<std::uint32_t>((i + 1) * 2654435761u + static_cast<std::uint32_t>(rank) * 40503u);
    values[i] = static_cast<T>(mixed % 1000) * static_cast<T>(rank % 3 == 1 ? 100000 : 1) / static_cast<T>(7);
  }
  return values;
}

/// What the ranks' numbers add up to, in their order.
template <class T>
std::vector<T> sums(int ranks, Index count) {
  std::vector<T> all = numbers<T>(0, count);
  for (int rank = 1; rank < ranks; ++rank) {
    const std::vector<T> more = numbers<T>(rank, count);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] += more[i];
  }
  return all;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

class RankSumsOf : public ::testing::TestWithParam<int> {};

// Few numbers and many, of which the last rank's part is shorter, or there is none for it.
constexpr Index kCounts[] = {1, 5, 1024, 1025, 1200, 34567};

TEST_P(RankSumsOf, AddsInTheOrderOfTheRanks) {
  const int ranks = GetParam();
  std::mutex mutex;
  as_ranks(ranks, [&](RankGroup& group) {
    PlainBackend backend;
    RankSums<PlainBackend, HostLink> all{HostLink(group)};
    for (const Index count : kCounts) {
      auto floats = numbers<float>(group.rank().index, count);
      auto integers = numbers<std::uint64_t>(group.rank().index, count);
      all.sum(backend, floats.data(), count, Exchange::kGradient);
      all.sum(backend, integers.data(), count, Exchange::kStatistics);
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(same_bits(floats, sums<float>(ranks, count))) << count << " floats";
      EXPECT_TRUE(same_bits(integers, sums<std::uint64_t>(ranks, count))) << count << " integers";
    }
  });
}

TEST_P(RankSumsOf, TakesTheLargestAndTheFirst) {
  const int ranks = GetParam();
  std::mutex mutex;
  as_ranks(ranks, [&](RankGroup& group) {
    PlainBackend backend;
    RankSums<PlainBackend, HostLink> all{HostLink(group)};
    for (const Index count : kCounts) {
      auto largest = numbers<float>(group.rank().index, count), first = largest;
      all.maximum(backend, largest.data(), count, Exchange::kStatistics);
      all.broadcast(backend, first.data(), count, Exchange::kMoments);
      std::vector<float> wanted = numbers<float>(0, count);
      for (int rank = 1; rank < ranks; ++rank) {
        const auto other = numbers<float>(rank, count);
        for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] = std::max(wanted[i], other[i]);
      }
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(same_bits(largest, wanted)) << count;
      EXPECT_TRUE(same_bits(first, numbers<float>(0, count))) << count;
    }
  });
}

TEST(RankSums, AllocatesInTheFirstRoundOnly) {
  as_ranks(2, [&](RankGroup& group) {
    PlainBackend backend;
    RankSums<PlainBackend, HostLink> all{HostLink(group)};
    int after_first = 0;
    for (int round = 0; round < 3; ++round) {
      for (const Index count : kCounts) {
        auto values = numbers<float>(group.rank().index, count);
        all.sum(backend, values.data(), count, Exchange::kGradient);
      }
      if (round == 0) after_first = backend.buffers;
    }
    EXPECT_EQ(backend.buffers, after_first);
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, RankSumsOf, ::testing::Values(1, 2, 3, 4, 7));

}  // namespace
}  // namespace stampede::testing
