#pragma once
/// \file Lines between rank 0 and each other rank, over TCP, on which they tell why they end, and on which a rank that
/// is gone is noticed: the system closes the lines of a process that was killed, and where a machine is gone, it is
/// found out by asking (TCP's keep-alive). MPI itself tells nobody.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/base/error.hpp"
#include "host/engine/rank.hpp"

namespace stampede {

/// Where rank 0 waits for the others.
struct Meeting {
  static constexpr int kMostAddresses = 16;
  std::uint64_t token = 0;                     ///< which those who belong here know
  std::uint32_t address[kMostAddresses] = {};  ///< IPv4, as in_addr; 0: none
  std::uint16_t port = 0;
};

/// Tells that a rank ends.
struct Ending {
  int rank = 0;
  bool gone = false;  ///< without a word
  Status status = Status::kDone;
  std::string message;
};

class Lines {
 public:
  Lines() = default;
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  ~Lines();

  /// Rank 0: opens a port, on this machine alone where all ranks are on it. A port of 0: it cannot.
  Meeting open(bool one_machine);
  /// The others: connects to rank 0. Returns whether that went well.
  bool connect(const Rank& rank, const Meeting& meeting);
  /// Rank 0: takes the others' calls. Returns how many have called within `seconds`.
  int accept(const Rank& rank, const Meeting& meeting, double seconds);

  /// What was told first and has not been returned yet; waits for up to `milliseconds` (-1: for as long as it takes).
  std::optional<Ending> listen(int milliseconds);
  /// To everybody on a line.
  void tell(Status status, const std::string& message);
  /// Whether there is anybody to listen to.
  bool any() const { return !lines_.empty(); }

 private:
  struct Line {
    int rank, descriptor;
  };
  void close_all();

  int port_ = -1;
  std::vector<Line> lines_;
};

}  // namespace stampede
