/// \file Clocks: the time since the process was started, and one for measuring durations.
#include "host/base/clock.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "host/base/error.hpp"
#include "host/base/files.hpp"

namespace stampede {
namespace {

double read_clock(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// When the process was started, in seconds since the machine started: field 22 of /proc/self/stat, in clock ticks.
/// Field 2, the command's name, is in brackets and may hold anything: fields are counted from the last ')' on.
double process_start() {
  const double now = read_clock(CLOCK_BOOTTIME);
  try {
    const std::string text = read_file("/proc/self/stat");
    std::size_t at = text.rfind(')');
    if (at == std::string::npos) return now;
    for (int field = 2; field < 22; ++field) {
      at = text.find(' ', at + 1);
      if (at == std::string::npos) return now;
    }
    const double ticks = std::strtod(text.c_str() + at, nullptr);
    return std::min(now, ticks / static_cast<double>(::sysconf(_SC_CLK_TCK)));
  } catch (const Error&) {
    return now;  // no /proc: count from the first call
  }
}

}  // namespace

double seconds_since_start() {
  static const double start = process_start();
  return read_clock(CLOCK_BOOTTIME) - start;
}

double seconds_now() { return read_clock(CLOCK_MONOTONIC); }

}  // namespace stampede
