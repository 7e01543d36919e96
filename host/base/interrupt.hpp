#pragma once
/// \file Ctrl-C: the first asks for an orderly end, the second ends at once.

#include <atomic>

namespace stampede {

/// From now on the first SIGINT or SIGTERM sets the flag that is returned; the next one kills the process.
const std::atomic<bool>& catch_interrupts();

}  // namespace stampede
