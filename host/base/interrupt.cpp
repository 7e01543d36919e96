/// \file Ctrl-C: the first asks for an orderly end, the second ends at once.
#include "host/base/interrupt.hpp"

#include <signal.h>

namespace stampede {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch what takes no lock");

void handle(int) {
  interrupted.store(true, std::memory_order_relaxed);
  // A second signal of either kind finds the default action and ends the process.
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
}

}  // namespace

const std::atomic<bool>& catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  return interrupted;
}

}  // namespace stampede
