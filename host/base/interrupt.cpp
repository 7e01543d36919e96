/// \file Ctrl-C: the first asks for an orderly end, the second ends at once.
#include "host/base/interrupt.hpp"

#include <signal.h>

namespace stampede {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch what takes no lock");

void handle(int) {
  interrupted.store(true, std::memory_order_relaxed);
  // A second Ctrl-C or SIGTERM finds the default action and ends the process. A second SIGHUP does not: where a
  // terminal closes, both the shell and the system send one.
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
  // A process that was started by nohup has SIGHUP ignored, and is to go on.
  struct sigaction before {};
  if (::sigaction(SIGHUP, nullptr, &before) != 0 || before.sa_handler != SIG_IGN) {
    ::sigaction(SIGHUP, &action, nullptr);
  }
  // The program that read our output through a pipe may have ended with the terminal: write() fails then, but the
  // process goes on and saves its work.
  ::signal(SIGPIPE, SIG_IGN);
  return interrupted;
}

}  // namespace stampede
