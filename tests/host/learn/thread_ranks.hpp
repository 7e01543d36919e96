#pragma once
/// \file Ranks that are threads of one process, for tests of what ranks do together.

#include <barrier>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "host/engine/rank_group.hpp"

namespace stampede::testing {

/// What the ranks share.
struct ThreadWorld {
  explicit ThreadWorld(int ranks) : barrier(ranks), bytes(static_cast<std::size_t>(ranks)), texts(bytes.size()) {}
  std::barrier<> barrier;
  std::vector<char*> bytes;
  std::vector<std::string> texts;
};

class ThreadGroup final : public RankGroup {
 public:
  ThreadGroup(ThreadWorld& world, int index) : world_(world), rank_{index, static_cast<int>(world.bytes.size())} {}

  Rank rank() const override { return rank_; }
  int local_index() const override { return rank_.index; }
  int threads() const override { return 1; }

  void exchange_parts(const void* values, const std::vector<std::int64_t>& begin, void* received) override {
    together(const_cast<void*>(values), [&] {
      const auto own = static_cast<std::size_t>(rank_.index);
      const std::int64_t size = begin[own + 1] - begin[own];
      auto* to = static_cast<char*>(received);
      for (const char* from : world_.bytes) {
        std::memcpy(to, from + begin[own], static_cast<std::size_t>(size));
        to += size;
      }
    });
  }
  void gather_parts(void* values, const std::vector<std::int64_t>& begin) override {
    together(values, [&] {
      for (std::size_t r = 0; r < world_.bytes.size(); ++r) {
        if (static_cast<int>(r) == rank_.index) continue;
        std::memcpy(static_cast<char*>(values) + begin[r], world_.bytes[r] + begin[r],
                    static_cast<std::size_t>(begin[r + 1] - begin[r]));
      }
    });
  }
  void broadcast(void* values, std::int64_t bytes) override {
    together(values, [&] {
      if (rank_.index > 0) std::memcpy(values, world_.bytes[0], static_cast<std::size_t>(bytes));
    });
  }
  std::vector<std::string> collect(const std::string& own) override {
    world_.texts[static_cast<std::size_t>(rank_.index)] = own;
    std::vector<std::string> all;
    together(nullptr, [&] {
      if (rank_.index == 0) all = world_.texts;
    });
    return all;
  }
  void check() override {}
  void part() override {}
  Error fail(const Error& error, bool&) override { return error; }

 private:
  /// Everybody's memory is known to all while `copy` runs.
  void together(void* own, const std::function<void()>& copy) {
    world_.bytes[static_cast<std::size_t>(rank_.index)] = static_cast<char*>(own);
    world_.barrier.arrive_and_wait();
    copy();
    world_.barrier.arrive_and_wait();
  }

  ThreadWorld& world_;
  Rank rank_;
};

/// body(group) as each of so many ranks.
inline void as_ranks(int ranks, const std::function<void(RankGroup&)>& body) {
  ThreadWorld world(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadGroup group(world, rank);
      body(group);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace stampede::testing
