#pragma once
/// \file Threads that share out the tasks of parallel sections; they wait spinning for a moment, then sleep.
///
/// Waking a sleeping thread takes far longer than a spinning one needs to notice, and a training iteration hands out
/// work hundreds of times: hence the spinning. On a busy machine spinning takes processor time that the thread with the
/// last task may be waiting for: hence the sleep, and hardly any spinning where there are more threads than processors.
///
/// A section ends when its *tasks* have ended. Tasks go to any thread that is free, the caller included, so a thread
/// that gets no processor delays the others only when it is in the middle of a task; and a thread that wakes after the
/// last task is taken finds nothing to do.
///
/// Why that is safe. `ticket_` holds the section's number and how many of its tasks are unclaimed in one word. A thread
/// reads the word, then the section's body, and then claims a task by replacing the word as it was. Success proves that
/// there was a task that nobody had claimed, so that the section had not ended, so that the body had not been replaced:
/// the claim comes before the section's end (`left_`), and that before all writes of the next section. Failure proves
/// nothing, and what was read is thrown away. The body is atomic only because it may be read too late. (A thread that
/// sleeps through exactly 2^32 sections between reading and claiming would be wrong; at a section a microsecond that is
/// more than an hour.)
///
/// Sleeping is by futex. std::atomic's wait() first yields the processor a few times, and recent kernels charge a
/// thread that yields for the whole time slice that it gives away.

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "host/base/processors.hpp"
#include "kernels/vocabulary.hpp"

namespace stampede {

/// Where a test may make a thread of the pool wait.
enum class PoolPlace {
  kBeforeTasks,  ///< a worker has noticed a section and has not yet looked for tasks
  kBeforeClaim   ///< a worker has read what to do and has not yet claimed the task
};

struct NoHold {
  static void at(PoolPlace, int) {}
};

template <class Hold>
class BasicThreadPool {
 public:
  /// `threads` in all, the calling one included. 0: as many as the process may use.
  explicit BasicThreadPool(int threads)
      : threads_(threads > 0 ? threads : usable_processors()),
        spins_(threads_ <= usable_processors() ? kSpins : kSpinsWhenCrowded) {
    for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i] { work(i); });
  }
  BasicThreadPool(const BasicThreadPool&) = delete;
  BasicThreadPool& operator=(const BasicThreadPool&) = delete;
  ~BasicThreadPool() {
    stop_.store(true, std::memory_order_relaxed);
    section_.fetch_add(1, std::memory_order_release);
    wake_sleepers(section_, INT_MAX);
    for (std::thread& worker : workers_) worker.join();
  }

  int threads() const { return threads_; }

  /// Calls body(thread, task) for every task in [0, tasks), each exactly once, and returns when all are done. Which
  /// thread takes which task is left to chance, so a task's result must not depend on it.
  ///
  /// Where a body throws, tasks that nobody has begun are left out, and the first exception comes out of here once
  /// those under way have ended. One thread at a time may call; a body that calls does the inner tasks by itself.
  template <class Body>
  void run(int tasks, const Body& body) {
    const int own = inside_.pool == this ? inside_.thread : 0;
    if (tasks <= 1 || threads_ == 1 || inside_.pool == this) {
      const Inside outside = std::exchange(inside_, Inside{this, own});
      const struct Back {
        Inside outside;
        ~Back() { inside_ = outside; }
      } back{outside};
      for (int task = 0; task < tasks; ++task) body(own, task);
      return;
    }
    invoke_.store([](const void* erased, int thread, int task) { (*static_cast<const Body*>(erased))(thread, task); },
                  std::memory_order_relaxed);
    body_.store(&body, std::memory_order_relaxed);
    tasks_.store(tasks, std::memory_order_relaxed);
    failed_.store(false, std::memory_order_relaxed);
    left_.store(static_cast<std::uint32_t>(tasks), std::memory_order_relaxed);
    const std::uint32_t number = section_.load(std::memory_order_relaxed) + 1;
    ticket_.store(std::uint64_t{number} << 32 | static_cast<std::uint32_t>(tasks), std::memory_order_release);
    // All threads see these accesses in one order: either a worker's last look before its sleep sees the new section,
    // or this thread sees it in `sleeping_`.
    section_.store(number, std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_seq_cst) > 0) wake_sleepers(section_, tasks - 1);
    take_tasks(0);
    wait_until_done();
    if (failed_.load(std::memory_order_relaxed)) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  /// Some 50 to 150 us: what waking a sleeping thread costs.
  static constexpr int kSpins = 2000;
  static constexpr int kSpinsWhenCrowded = 16;

  /// Which pool's section this thread is in, and as which of its threads.
  struct Inside {
    const void* pool = nullptr;
    int thread = 0;
  };

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  /// Sleeps while the word is `value`; may also return while it still is.
  static void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) {
    static_assert(sizeof word == sizeof(std::uint32_t) && std::atomic<std::uint32_t>::is_always_lock_free);
    ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
  }
  static void wake_sleepers(std::atomic<std::uint32_t>& word, int most) {
    ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, most, nullptr, nullptr, 0);
  }

  void take_tasks(int thread) {
    const Inside outside = std::exchange(inside_, Inside{this, thread});
    int done = 0;
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while (unclaimed(ticket) > 0) {
      const auto invoke = invoke_.load(std::memory_order_relaxed);
      const void* body = body_.load(std::memory_order_relaxed);
      const int task = tasks_.load(std::memory_order_relaxed) - static_cast<int>(unclaimed(ticket));
      if (thread != 0) Hold::at(PoolPlace::kBeforeClaim, thread);
      if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
        continue;
      }
      ++done;
      try {
        invoke(body, thread, task);
      } catch (...) {
        if (!failed_.exchange(true, std::memory_order_relaxed)) error_ = std::current_exception();
        done += claim_rest();
      }
      ticket = ticket_.load(std::memory_order_acquire);
    }
    inside_ = outside;
    if (done == 0) return;  // the section may be over
    // The thread that ends the last task wakes the caller; what tasks wrote, and the exception, are visible to it then.
    // All threads see these accesses in one order, as above.
    const auto ended = static_cast<std::uint32_t>(done);
    if (left_.fetch_sub(ended, std::memory_order_seq_cst) == ended && caller_sleeps_.load(std::memory_order_seq_cst)) {
      wake_sleepers(left_, 1);
    }
  }

  /// Claims all tasks that are left and returns their number. Called within a task, so that the section cannot have
  /// ended.
  int claim_rest() {
    std::uint64_t ticket = ticket_.load(std::memory_order_relaxed);
    while (!ticket_.compare_exchange_weak(ticket, ticket - unclaimed(ticket), std::memory_order_relaxed)) {
    }
    return static_cast<int>(unclaimed(ticket));
  }

  static std::uint32_t unclaimed(std::uint64_t ticket) { return static_cast<std::uint32_t>(ticket); }

  void wait_until_done() {
    for (int spins = 0; spins < spins_; ++spins) {
      if (left_.load(std::memory_order_acquire) == 0) return;
      pause();
    }
    caller_sleeps_.store(true, std::memory_order_seq_cst);
    while (const std::uint32_t left = left_.load(std::memory_order_seq_cst)) sleep_while(left_, left);
    caller_sleeps_.store(false, std::memory_order_relaxed);
  }

  void work(int thread) {
    std::uint32_t seen = 0;
    while (true) {
      for (int spins = 0; section_.load(std::memory_order_acquire) == seen && spins < spins_; ++spins) pause();
      if (section_.load(std::memory_order_acquire) == seen) {
        sleeping_.fetch_add(1, std::memory_order_seq_cst);
        if (section_.load(std::memory_order_seq_cst) == seen) sleep_while(section_, seen);
        sleeping_.fetch_sub(1, std::memory_order_seq_cst);
      }
      // Read before looking for tasks: a section that begins later has another number, and is noticed in the next turn.
      seen = section_.load(std::memory_order_acquire);
      if (stop_.load(std::memory_order_relaxed)) return;
      Hold::at(PoolPlace::kBeforeTasks, thread);
      take_tasks(thread);
    }
  }

  // In memory that each thread has from its start: a module's thread-local variables would otherwise be allocated when
  // a thread first looks at them, which for a worker that sleeps through the first sections is in the middle of a
  // training. That memory is small: a large thread-local variable in a module would keep it from being loaded.
  [[gnu::tls_model("initial-exec")]] static inline constinit thread_local Inside inside_{};

  int threads_, spins_;
  std::vector<std::thread> workers_;
  // The section: written before its ticket is.
  std::atomic<void (*)(const void*, int, int)> invoke_{nullptr};
  std::atomic<const void*> body_{nullptr};
  std::atomic<int> tasks_{0};
  std::exception_ptr error_;  ///< of the first task that threw
  std::atomic<bool> failed_{false};
  alignas(64) std::atomic<std::uint32_t> section_{0};  ///< the newest section's number; workers sleep on it
  std::atomic<int> sleeping_{0};                       ///< workers that sleep, or are about to
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<std::uint64_t> ticket_{0};  ///< section's number << 32 | unclaimed tasks
  alignas(64) std::atomic<std::uint32_t> left_{0};    ///< tasks that have not ended; the caller sleeps on it
  std::atomic<bool> caller_sleeps_{false};
};

using ThreadPool = BasicThreadPool<NoHold>;

}  // namespace stampede
