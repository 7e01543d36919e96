#include "host/base/interrupt.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace stampede {
namespace {

/// How a process ends that does this: its exit status, or 128 and the signal that killed it.
int end_of(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(Interrupts, TheFirstAsksForAnOrderlyEnd) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EQ(end_of([signal] {
                const std::atomic<bool>& stop = catch_interrupts();
                if (stop) return 2;
                ::raise(signal);
                return stop ? 0 : 1;
              }),
              0)
        << signal;
  }
}

TEST(Interrupts, TheSecondKills) {
  for (const int first : {SIGINT, SIGTERM, SIGHUP}) {
    for (const int second : {SIGINT, SIGTERM}) {
      EXPECT_EQ(end_of([first, second] {
                  catch_interrupts();
                  ::raise(first);
                  ::raise(second);
                  return 0;
                }),
                128 + second)
          << first;
    }
  }
}

TEST(Interrupts, ATerminalThatGoesMaySaySoTwice) {
  EXPECT_EQ(end_of([] {
              const std::atomic<bool>& stop = catch_interrupts();
              ::raise(SIGHUP);
              ::raise(SIGHUP);
              return stop ? 0 : 1;
            }),
            0);
}

TEST(Interrupts, NohupIsObeyed) {
  EXPECT_EQ(end_of([] {
              ::signal(SIGHUP, SIG_IGN);
              const std::atomic<bool>& stop = catch_interrupts();
              ::raise(SIGHUP);
              return stop ? 1 : 0;
            }),
            0);
}

TEST(Interrupts, APipeThatNobodyReadsDoesNotKill) {
  EXPECT_EQ(end_of([] {
              catch_interrupts();
              int ends[2];
              if (::pipe(ends) != 0) return 2;
              ::close(ends[0]);
              return ::write(ends[1], "x", 1) == -1 ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace stampede
