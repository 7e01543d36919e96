#pragma once
/// \file What a run was made on: the machine, the build, the command.

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

namespace stampede {

class Engine;

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

/// The text of `system.json`, of something that began at `time` and runs on that engine.
std::string system_json(const Engine& engine, std::time_t time);

/// The process's command line, words with blanks in quotes.
std::string command_line();

}  // namespace stampede
