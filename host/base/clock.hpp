#pragma once
/// \file Seconds, counted from when the process started.

namespace stampede {

/// Seconds [s] since the process was started, its loading included. The kernel notes the start in hundredths of a
/// second, rounded down, so that the figure is too large by up to 0.01 s and never too small.
double seconds_since_start();

/// Seconds [s] of a clock that only goes forward; differences mean something.
double seconds_now();

}  // namespace stampede
