#pragma once
/// \file How many iterations of a training may be under way: for the program and for the modules.

namespace stampede {

/// Iterations that may be started before the first of their reports is fetched: enough that a device never waits for
/// the host.
inline constexpr int kIterationsInFlight = 2;

}  // namespace stampede
