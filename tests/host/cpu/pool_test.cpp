/// \file The thread pool: every task once, whatever the number of threads, awake or asleep.

#include "host/cpu/pool.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace stampede {
namespace {

TEST(ThreadPool, EveryTaskExactlyOnce) {
  for (int threads = 1; threads <= 4; ++threads) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    int missed = 0, strangers = 0;
    for (int round = 0; round < 300; ++round) {
      const int tasks = round % 37;
      // Plain ints: what a task writes must be visible when run() returns, and ThreadSanitizer must agree.
      std::vector<int> done(static_cast<std::size_t>(tasks), 0), by(static_cast<std::size_t>(tasks), -1);
      pool.run(tasks, [&](int thread, int task) {
        done[static_cast<std::size_t>(task)] += 1;
        by[static_cast<std::size_t>(task)] = thread;
      });
      for (int task = 0; task < tasks; ++task) {
        missed += done[static_cast<std::size_t>(task)] != 1;
        const int thread = by[static_cast<std::size_t>(task)];
        strangers += thread < 0 || thread >= threads;
      }
    }
    EXPECT_EQ(missed, 0);
    EXPECT_EQ(strangers, 0);
  }
}

TEST(ThreadPool, AThreadIsNeverInTwoTasksAtOnce) {
  ThreadPool pool(4);
  std::vector<int> inside(4, 0);  // each used by one thread only
  std::atomic<int> twice{0};
  for (int round = 0; round < 50; ++round) {
    pool.run(64, [&](int thread, int) {
      int& mine = inside[static_cast<std::size_t>(thread)];
      if (mine++ != 0) ++twice;
      --mine;
    });
  }
  EXPECT_EQ(twice.load(), 0);
}

TEST(ThreadPool, WakesSleepers) {
  ThreadPool pool(3);
  for (int round = 0; round < 4; ++round) {
    // Long enough for the threads to give up spinning.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> arrived{0};
    std::atomic<bool> all{false};
    pool.run(3, [&](int, int) {
      // Each waits for the others: only three threads at work get through.
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
      arrived.fetch_add(1);
      while (arrived.load() < 3 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
      if (arrived.load() == 3) all = true;
    });
    ASSERT_TRUE(all.load());
  }
}

TEST(ThreadPool, AllCoresByDefault) { EXPECT_GE(ThreadPool(0).threads(), 1); }

TEST(ThreadPool, EndsWithoutEverHavingWorked) {
  for (int i = 0; i < 20; ++i) ThreadPool pool(3);
}

}  // namespace
}  // namespace stampede
