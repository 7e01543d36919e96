/// \file The thread pool: every task once, whatever the number of threads,
/// awake, asleep or held off the processor; exceptions.

#include "host/cpu/pool.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

namespace stampede {
namespace {

/// Something that has happened or has not. Waiting ends after 30 s in any case,
/// so that a fault is a failure and not a hang.
class Event {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    happened_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [this] { return happened_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool happened_ = false;
};

/// Holds worker 1 up once at the place where `armed` says so: as a machine does
/// that gives the processor to somebody else.
struct HoldUp {
  static inline std::atomic<int> armed{-1};
  static inline std::unique_ptr<Event> there, go;

  static void arm(PoolPlace place) {
    there = std::make_unique<Event>();
    go = std::make_unique<Event>();
    armed = static_cast<int>(place);
  }
  static void at(PoolPlace place, int thread) {
    int expected = static_cast<int>(place);
    if (thread != 1 || !armed.compare_exchange_strong(expected, -1)) return;
    there->set();
    go->wait();
  }
};
using HeldPool = BasicThreadPool<HoldUp>;

TEST(ThreadPool, EveryTaskExactlyOnce) {
  for (int threads = 1; threads <= 4; ++threads) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    int missed = 0, strangers = 0;
    for (int round = 0; round < 300; ++round) {
      const int tasks = round % 37;
      // Plain ints: what a task writes must be visible when run() returns, and
      // ThreadSanitizer must agree.
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

TEST(ThreadPool, ASectionEndsWhileAWorkerIsHeldOff) {
  for (const PoolPlace place : {PoolPlace::kBeforeTasks, PoolPlace::kBeforeClaim}) {
    HeldPool pool(2);
    HoldUp::arm(place);
    Event over;
    bool over_first = false;
    std::thread watch([&] {
      over_first = over.wait();
      HoldUp::go->set();
    });
    std::vector<int> done(50, 0);
    pool.run(50, [&](int thread, int task) {
      // The caller goes on only once the worker is held: it is in the section,
      // and does not come to its tasks.
      if (thread == 0 && task == 0) {
        EXPECT_TRUE(HoldUp::there->wait());
      }
      done[static_cast<std::size_t>(task)] += 1;
    });
    over.set();
    watch.join();
    EXPECT_TRUE(over_first) << "the section waited for the worker";
    EXPECT_EQ(done, std::vector<int>(50, 1));
  }
}

TEST(ThreadPool, WhoIsLateDoesNotRunASectionThatIsOver) {
  // The worker has read the first section's body and wakes up in the middle of
  // another that has another body: it must throw away what it read. With as
  // many tasks in both, only the section's number tells them apart.
  for (const PoolPlace place : {PoolPlace::kBeforeTasks, PoolPlace::kBeforeClaim}) {
    HeldPool pool(2);
    HoldUp::arm(place);
    std::atomic<bool> first_over{false};
    std::atomic<int> too_late{0};
    pool.run(3, [&](int, int) {
      if (first_over.load()) too_late.fetch_add(1);
      EXPECT_TRUE(HoldUp::there->wait());
    });
    first_over = true;
    std::vector<int> done(3, 0);
    Event worker_has_one;
    pool.run(3, [&](int thread, int task) {
      done[static_cast<std::size_t>(task)] += 1;
      if (thread == 1) return worker_has_one.set();
      HoldUp::go->set();
      EXPECT_TRUE(worker_has_one.wait());  // it takes part in this one
    });
    EXPECT_EQ(too_late.load(), 0);
    EXPECT_EQ(done, std::vector<int>(3, 1));
  }
}

TEST(ThreadPool, WhoWakesAfterTheLastSectionFindsNothing) {
  for (const PoolPlace place : {PoolPlace::kBeforeTasks, PoolPlace::kBeforeClaim}) {
    int calls = 0;
    {
      HeldPool pool(2);
      HoldUp::arm(place);
      pool.run(2, [&](int thread, int) {
        EXPECT_EQ(thread, 0);
        EXPECT_TRUE(HoldUp::there->wait());
        calls += 1;
      });
      HoldUp::go->set();
    }
    EXPECT_EQ(calls, 2);
  }
}

TEST(ThreadPool, ThousandsOfTinySectionsWithMoreThreadsThanProcessors) {
  for (const int threads : {2, 3, 4 * usable_processors()}) {
    ThreadPool pool(threads);
    std::int64_t sum = 0, want = 0;
    std::vector<int> part(8);
    for (int section = 0; section < 5000; ++section) {
      const int tasks = 2 + section % 7;
      pool.run(tasks, [&](int, int task) { part[static_cast<std::size_t>(task)] = section + task; });
      for (int task = 0; task < tasks; ++task) {
        sum += part[static_cast<std::size_t>(task)];
        want += section + task;
      }
    }
    EXPECT_EQ(sum, want);
  }
}

/// Runs a section of which thread `thrower` throws in its first task; says what
/// came out.
std::string thrown_by(ThreadPool& pool, int thrower) {
  Event thrown;
  try {
    pool.run(1000, [&](int thread, int) {
      if (thread == thrower) {
        thrown.set();
        throw std::runtime_error("thread " + std::to_string(thread));
      }
      EXPECT_TRUE(thrown.wait());  // so that the thrower gets a task
    });
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "nothing";
}

TEST(ThreadPool, AnExceptionReachesTheCallerFromWhicheverThread) {
  for (int threads = 1; threads <= 3; ++threads) {
    ThreadPool pool(threads);
    for (int round = 0; round < 20; ++round) {
      for (int thrower = 0; thrower < threads; ++thrower) {
        EXPECT_EQ(thrown_by(pool, thrower), "thread " + std::to_string(thrower));
        // The next section is whole, and nothing of the old error is left.
        std::vector<int> done(40, 0);
        pool.run(40, [&](int, int task) { done[static_cast<std::size_t>(task)] += 1; });
        EXPECT_EQ(done, std::vector<int>(40, 1));
      }
    }
  }
}

TEST(ThreadPool, TasksThatNobodyHasBegunAreLeftOut) {
  ThreadPool pool(1);
  int calls = 0;
  const auto body = [&](int, int task) {
    ++calls;
    if (task == 3) throw std::runtime_error("third");
  };
  EXPECT_THROW(pool.run(1000, body), std::runtime_error);
  EXPECT_EQ(calls, 4);
  // With a worker held off, the caller's throw ends the section: no task after
  // it.
  HeldPool held(2);
  HoldUp::arm(PoolPlace::kBeforeClaim);
  calls = 0;
  EXPECT_THROW(held.run(1000,
                        [&](int thread, int task) {
                          EXPECT_TRUE(HoldUp::there->wait());
                          body(thread, task);
                        }),
               std::runtime_error);
  HoldUp::go->set();
  EXPECT_EQ(calls, 4);
}

TEST(ThreadPool, AllThrowAtOnce) {
  ThreadPool pool(4);
  for (int round = 0; round < 200; ++round) {
    EXPECT_THROW(pool.run(64, [](int, int task) { throw task; }), int);
  }
}

TEST(ThreadPool, ASectionWithinATaskIsDoneByTheTasksThread) {
  ThreadPool pool(3);
  std::vector<int> done(20 * 5, 0);
  std::atomic<int> strangers{0};
  pool.run(20, [&](int outer_thread, int outer) {
    pool.run(5, [&](int thread, int inner) {
      strangers.fetch_add(thread != outer_thread);
      done[static_cast<std::size_t>(outer * 5 + inner)] += 1;
    });
  });
  EXPECT_EQ(strangers.load(), 0);
  EXPECT_EQ(done, std::vector<int>(100, 1));
  EXPECT_THROW(pool.run(20, [&](int, int) { pool.run(5, [](int, int) { throw std::runtime_error("inner"); }); }),
               std::runtime_error);
}

TEST(ThreadPool, AllCoresByDefault) { EXPECT_GE(ThreadPool(0).threads(), 1); }

TEST(ThreadPool, EndsWithoutEverHavingWorked) {
  for (int i = 0; i < 20; ++i) ThreadPool pool(3);
}

}  // namespace
}  // namespace stampede
