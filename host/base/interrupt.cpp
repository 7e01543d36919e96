/// \file Ctrl-C: the first asks for an orderly end, the second ends at once.
#include "host/base/interrupt.hpp"

#include <signal.h>

namespace stampede {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch what takes no lock");

void handle(int) {
  interrupted.store(true, std::memory_order_relaxed);
  // A second Ctrl-C or SIGTERM finds the default action and ends the process. Not so a second SIGHUP: where a terminal
  // goes, both the shell and the system send one.
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
  // What was started by nohup is to go on.
  struct sigaction before {};
  if (::sigaction(SIGHUP, nullptr, &before) != 0 || before.sa_handler != SIG_IGN) {
    ::sigaction(SIGHUP, &action, nullptr);
  }
  // Who read the progress through a pipe may have gone with the terminal: no reason to end before all is saved.
  ::signal(SIGPIPE, SIG_IGN);
  return interrupted;
}

}  // namespace stampede
