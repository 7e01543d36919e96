#pragma once
/// \file How many iterations of a training may be under way, on both sides of the modules' border.

namespace stampede {

/// Iterations that may be started before the first of their reports is fetched: enough that a device never waits for the host.
inline constexpr int kIterationsInFlight = 2;

}  // namespace stampede
