#pragma once
/// \file Child processes of a benchmark: the program that is measured, processes that keep the processors busy beside
/// it, and a control group that limits its processor time.

#include <sys/types.h>

#include <string>
#include <vector>

namespace stampede::cli {

/// Processes that do nothing but spin. They end with the object, at the latest with this process.
class BusyNeighbours {
 public:
  explicit BusyNeighbours(int count);
  BusyNeighbours(const BusyNeighbours&) = delete;
  BusyNeighbours& operator=(const BusyNeighbours&) = delete;
  ~BusyNeighbours();

 private:
  std::vector<pid_t> children_;
};

/// A control group of its own with a quota of processor time, removed with the object. Needs cgroup v2's or v1's
/// controller of processors, and the right to write there.
class ProcessorQuota {
 public:
  /// `processors`: how many processors' worth of time its members get.
  explicit ProcessorQuota(double processors);
  ProcessorQuota(const ProcessorQuota&) = delete;
  ProcessorQuota& operator=(const ProcessorQuota&) = delete;
  ~ProcessorQuota();

  /// The file that a process's number is written to, so that it becomes a member. Empty where no group could be made.
  const std::string& members() const { return members_; }
  /// Why no group could be made.
  const std::string& reason() const { return reason_; }

 private:
  bool make(const std::string& parent, double processors);

  std::string folder_, members_, reason_;
};

/// What a child process took [s]: time by the clock, and processor time, of all its threads together.
struct ChildTimes {
  double seconds = 0, processor_seconds = 0;
};

/// Runs a program to its end, in the control group whose `members` file is given (empty: in this process's). Its output
/// is discarded. Throws Error with the last line that it wrote to stderr where it fails.
ChildTimes run_program(const std::string& program, const std::vector<std::string>& arguments,
                       const std::string& members);

/// The share of a processor that each of `processes` spinning processes gets, measured over `seconds`, in the control
/// group of `members`.
double spinning_share(int processes, double seconds, const std::string& members);

}  // namespace stampede::cli
