#pragma once
/// \file Clocks: the time since the process was started, and one for measuring durations.

namespace stampede {

/// Seconds [s] since the process was started, its loading included. The kernel notes the start in hundredths of a
/// second, rounded down, so that the result is too large by up to 0.01 s and never too small.
double seconds_since_start();

/// Seconds [s] of a clock that never goes back. It starts anywhere: only differences of two readings mean something.
double seconds_now();

}  // namespace stampede
