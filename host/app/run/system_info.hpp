#pragma once
/// \file What a run was made on: the machine, the build, the command.

#include <cstdint>
#include <string>
#include <vector>

namespace stampede {

struct Machine {
  std::string cpu;           ///< the processor's name
  int cores = 0;             ///< that this process may use
  std::int64_t memory = 0;   ///< [bytes]
  std::string kernel;        ///< "Linux 6.1.0"
  std::string distribution;  ///< "Debian GNU/Linux 12 (bookworm)"
  std::string host;
};

/// This machine.
Machine machine();

/// A library and its version.
struct Library {
  std::string name, version;
};

/// The libraries that the program is built from.
std::vector<Library> libraries();

/// The text of `system.json`. The arguments are what the engine says of itself (host/engine/engine.hpp).
std::string system_json(const std::string& device, const std::string& instruction_set, const std::string& description,
                        int threads);

/// The process's command line, words with blanks in quotes.
std::string command_line();

}  // namespace stampede
