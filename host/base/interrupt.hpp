#pragma once
/// \file Ctrl-C: the first asks for an orderly end, the second ends at once.

#include <atomic>

namespace stampede {

/// From now on the first SIGINT, SIGTERM or SIGHUP sets the flag that is returned; the next SIGINT or SIGTERM kills the
/// process. A SIGHUP that was ignored before (nohup) stays so. SIGPIPE is ignored: write() to a pipe that nobody reads
/// any more fails.
const std::atomic<bool>& catch_interrupts();

}  // namespace stampede
