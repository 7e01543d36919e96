#pragma once
/// \file Threads that wait spinning while there is work and sleep when there is none.
///
/// Waking a sleeping thread takes far longer than a spinning one needs to notice, and a training iteration hands out work
/// hundreds of times. Tasks go to whoever is free, so that a thread that is held up does not hold up the others.

#include <sched.h>

#include <atomic>
#include <thread>
#include <vector>

#include "kernels/vocabulary.hpp"

namespace stampede {

class ThreadPool {
 public:
  /// `threads` in all, the calling one included. 0: as many as the process may use.
  explicit ThreadPool(int threads) : threads_(threads > 0 ? threads : available()) {
    for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i] { work(i); });
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() {
    stop_.store(true, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  int threads() const { return threads_; }

  /// Calls body(thread, task) for every task in [0, tasks), each exactly once, and returns when all are done. Which
  /// thread takes which task is left to chance, so a task's result must not depend on it.
  template <class Body>
  void run(int tasks, const Body& body) {
    if (tasks <= 1 || threads_ == 1) {
      for (int task = 0; task < tasks; ++task) body(0, task);
      return;
    }
    invoke_ = [](const void* erased, int thread, int task) { (*static_cast<const Body*>(erased))(thread, task); };
    body_ = &body;
    tasks_ = tasks;
    next_.store(0, std::memory_order_relaxed);
    busy_.store(threads_ - 1, std::memory_order_relaxed);
    // One order of all: either the sleeper's last look sees the new generation, or it is seen here to be going to sleep.
    generation_.fetch_add(1, std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_seq_cst) > 0) generation_.notify_all();
    take_tasks(0);
    for (int spins = 0; busy_.load(std::memory_order_acquire) != 0; ++spins) pause(spins);
  }

 private:
  static int available() {
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  }

  static void pause(int spins) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    // More threads than processors: whoever waits must let the others work.
    if (spins % 1024 == 1023) sched_yield();
  }

  void take_tasks(int thread) {
    for (int task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) invoke_(body_, thread, task);
  }

  void work(int thread) {
    std::uint32_t seen = 0;
    while (true) {
      constexpr int kSpins = 4000;  // some 100 to 300 us
      int spins = 0;
      while (generation_.load(std::memory_order_acquire) == seen) {
        if (++spins < kSpins) {
          pause(spins);
        } else {
          sleeping_.fetch_add(1, std::memory_order_seq_cst);
          generation_.wait(seen, std::memory_order_seq_cst);
          sleeping_.fetch_sub(1, std::memory_order_seq_cst);
        }
      }
      ++seen;
      if (stop_.load(std::memory_order_relaxed)) return;
      take_tasks(thread);
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  int threads_;
  std::vector<std::thread> workers_;
  void (*invoke_)(const void*, int, int) = nullptr;
  const void* body_ = nullptr;
  int tasks_ = 0;
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<int> next_{0};
  alignas(64) std::atomic<int> busy_{0};
};

}  // namespace stampede
