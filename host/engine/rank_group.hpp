#pragma once
/// \file The ranks (rank.hpp) of a training, and how they talk to each other from the host's memory.
///
/// There is one implementation, by MPI, a module of its own (host/modules/mpi), which is loaded only where a launcher
/// says that several processes were started together: join_ranks() in loader.hpp. All ranks make the same calls in the
/// same order; a call returns when the rank has what it asked for. One thread makes them.
///
/// Where another rank is gone, or ends because of an error, every call throws Error and so does check(): nobody waits
/// for somebody who will never come. Errors are told by rank 0 alone: a rank that ends because of one hands it to
/// fail(), which passes it on.

#include <cstdint>
#include <string>
#include <vector>

#include "host/base/error.hpp"
#include "host/engine/rank.hpp"

namespace stampede {

class RankGroup {
 public:
  virtual ~RankGroup() = default;

  /// This process. Ranks are counted machine by machine, as the launcher counts them.
  virtual Rank rank() const = 0;
  /// Which of the ranks on its machine it is, from 0 on: the number of its GPU.
  virtual int local_index() const = 0;
  /// Host threads for each rank where nobody says how many: the processors that it may use, shared out to those ranks
  /// that may use the same ones.
  virtual int threads() const = 0;

  /// Part r of `values` is the bytes from begin[r] to begin[r + 1], the same on all ranks. Sends part r to rank r, for
  /// every r, and stores what the others sent here one behind the other, rank by rank.
  virtual void exchange_parts(const void* values, const std::vector<std::int64_t>& begin, void* received) = 0;
  /// Each rank has its own part of `values`; afterwards all have all.
  virtual void gather_parts(void* values, const std::vector<std::int64_t>& begin) = 0;
  /// Replaces the bytes by those of rank 0.
  virtual void broadcast(void* values, std::int64_t bytes) = 0;
  /// Rank 0 gets everybody's bytes, in the ranks' order; the others nothing.
  virtual std::vector<std::string> collect(const std::string& own) = 0;

  /// Throws Error where another rank is gone or has failed; for whoever waits for a device that waits for that rank.
  virtual void check() = 0;

  /// Waits, without using the processor, until rank 0 calls it as well: the ranks part after that.
  virtual void part() = 0;

  /// Ends the group because of an error on this rank, and returns the error that the process ends with: that of rank 0
  /// where it has one. `told` is whether another process tells it to the user. No other call may follow.
  virtual Error fail(const Error& error, bool& told) = 0;
};

/// What a launcher said to this process in its environment.
struct LaunchedRank {
  Rank rank;
  std::string variable;  ///< which told the number of processes, as in "OMPI_COMM_WORLD_SIZE"; empty: nobody said any
};

/// Signature of the MPI module's function, `stampede_rank_group`. Throws Error where MPI does not connect as many
/// processes as the launcher started.
using MakeRankGroup = RankGroup*(const LaunchedRank& launched);

}  // namespace stampede
