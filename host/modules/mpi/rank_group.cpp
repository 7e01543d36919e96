/// \file The MPI module: the ranks' group by MPI. The program loads it only where several processes were started
/// together, so that it needs no MPI otherwise.
#include "host/engine/rank_group.hpp"

#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstring>
#include <memory>
#include <thread>

#include "host/base/clock.hpp"
#include "host/engine/interface.hpp"
#include "host/modules/mpi/lines.hpp"

namespace stampede {
namespace {

constexpr double kSecondsToMeet = 20;                   ///< for all ranks to call rank 0
constexpr double kSecondsToAnswer = 10;                 ///< of rank 0, when another one has failed
constexpr std::int64_t kPiece = std::int64_t{1} << 30;  ///< MPI counts bytes with an int

void check_mpi(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw Error(std::string("MPI: ") + text + ", in " + call, Status::kFailed);
}
#define STAMPEDE_MPI(call) check_mpi((call), #call)

/// What a rank tells of its process, for messages.
struct Process {
  char host[64];
  std::int64_t id;
};

class MpiGroup final : public RankGroup {
 public:
  explicit MpiGroup(const LaunchedRank& launched) {
    int provided = 0;
    STAMPEDE_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
    STAMPEDE_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    STAMPEDE_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &rank_.index));
    STAMPEDE_MPI(MPI_Comm_size(MPI_COMM_WORLD, &rank_.world_size));
    if (rank_.world_size != launched.rank.world_size) {
      MPI_Finalize();
      throw Error(launched.variable + " says that " + std::to_string(launched.rank.world_size) +
                  " processes were started together, but MPI connects " + std::to_string(rank_.world_size) +
                  "; start them by the mpirun (or srun --mpi=pmix) of the MPI that stampede was built with, or unset " +
                  launched.variable + " to train in one process");
    }
    share_processors();
    introduce();
    meet();
  }

  ~MpiGroup() override {
    // To say goodbye needs all ranks; where one has failed or is gone, the process just ends.
    if (parted_) MPI_Finalize();
  }

  Rank rank() const override { return rank_; }
  int local_index() const override { return local_index_; }
  int threads() const override { return threads_; }

  void exchange_parts(const void* values, const std::vector<std::int64_t>& begin, void* received) override {
    const auto own = static_cast<std::size_t>(rank_.index);
    const std::int64_t size = begin[own + 1] - begin[own];
    for (std::size_t r = 0; r < counts_.size(); ++r) {
      counts_[r] = bytes_of(begin[r + 1] - begin[r]);
      places_[r] = bytes_of(begin[r]);
      own_counts_[r] = bytes_of(size);
      own_places_[r] = bytes_of(static_cast<std::int64_t>(r) * size);
    }
    MPI_Request request;
    STAMPEDE_MPI(MPI_Ialltoallv(values, counts_.data(), places_.data(), MPI_BYTE, received, own_counts_.data(),
                                own_places_.data(), MPI_BYTE, MPI_COMM_WORLD, &request));
    wait(request);
  }

  void gather_parts(void* values, const std::vector<std::int64_t>& begin) override {
    for (std::size_t r = 0; r < counts_.size(); ++r) {
      counts_[r] = bytes_of(begin[r + 1] - begin[r]);
      places_[r] = bytes_of(begin[r]);
    }
    MPI_Request request;
    STAMPEDE_MPI(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_BYTE, values, counts_.data(), places_.data(), MPI_BYTE,
                                 MPI_COMM_WORLD, &request));
    wait(request);
  }

  void broadcast(void* values, std::int64_t bytes) override {
    auto* at = static_cast<char*>(values);
    for (; bytes > 0; bytes -= kPiece, at += kPiece) {
      MPI_Request request;
      STAMPEDE_MPI(MPI_Ibcast(at, static_cast<int>(std::min(bytes, kPiece)), MPI_BYTE, 0, MPI_COMM_WORLD, &request));
      wait(request);
    }
  }

  std::vector<std::string> collect(const std::string& own) override {
    std::vector<std::int64_t> sizes(counts_.size()), begin(counts_.size() + 1);
    sizes[static_cast<std::size_t>(rank_.index)] = static_cast<std::int64_t>(own.size());
    for (std::size_t r = 0; r < begin.size(); ++r) begin[r] = static_cast<std::int64_t>(r * sizeof(std::int64_t));
    gather_parts(sizes.data(), begin);
    std::vector<std::string> all;
    if (rank_.index > 0) {
      auto* const data = const_cast<char*>(own.data());  // that MPI only reads
      in_pieces(data, sizes[static_cast<std::size_t>(rank_.index)], [](char* piece, int bytes, MPI_Request* request) {
        return MPI_Isend(piece, bytes, MPI_BYTE, 0, 0, MPI_COMM_WORLD, request);
      });
      return all;
    }
    all.push_back(own);
    for (int r = 1; r < rank_.world_size; ++r) {
      all.emplace_back(static_cast<std::size_t>(sizes[static_cast<std::size_t>(r)]), '\0');
      in_pieces(all.back().data(), sizes[static_cast<std::size_t>(r)],
                [r](char* piece, int bytes, MPI_Request* request) {
                  return MPI_Irecv(piece, bytes, MPI_BYTE, r, 0, MPI_COMM_WORLD, request);
                });
    }
    return all;
  }

  void check() override {
    if (ending_) throw error_of(*ending_);
    ending_ = lines_.listen(0);
    if (ending_) throw error_of(*ending_);
  }

  void part() override {
    if (rank_.index == 0) {
      lines_.tell(Status::kDone, "");
      parted_ = !lines_.listen(0);
      return;
    }
    if (lines_.any()) ending_ = lines_.listen(-1);
    parted_ = !ending_ || (!ending_->gone && ending_->status == Status::kDone);
    if (!parted_) throw error_of(*ending_);
  }

  Error fail(const Error& error, bool& told) override {
    told = false;
    if (rank_.index == 0) {
      lines_.tell(error.status(), "");
      return error;
    }
    lines_.tell(error.status(), error.what());
    const double end = seconds_now() + kSecondsToAnswer;
    while (!ending_ && lines_.any() && seconds_now() < end) ending_ = lines_.listen(100);
    if (!ending_) return error;  // nobody answers
    if (ending_->gone) {
      told = rank_.index > 1;
      return error_of(*ending_);
    }
    told = true;
    return Error(error.what(), ending_->status);
  }

 private:
  static int bytes_of(std::int64_t bytes) {
    if (bytes <= INT_MAX) return static_cast<int>(bytes);
    throw Error("MPI: " + std::to_string(bytes) +
                " bytes are more than 2^31 for one exchange; choose a smaller network");
  }

  /// Waits for a call; looks now and then whether all ranks are still there.
  void wait(MPI_Request& request) {
    using namespace std::chrono_literals;
    const double begin = seconds_now();
    double looked = begin;
    for (;;) {
      int done = 0;
      STAMPEDE_MPI(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
      if (done != 0) return;
      const double now = seconds_now();
      if (now - looked > 0.02) {
        looked = now;
        check();
      }
      // Ranks compute for about as long as each other. Who waits for longer waits for rank 0's files or validation.
      if (now - begin > 0.2) {
        std::this_thread::sleep_for(1ms);
      } else if (now - begin > 50e-6) {
        std::this_thread::yield();
      }
    }
  }

  template <class Start>
  void in_pieces(char* data, std::int64_t bytes, const Start& start) {
    for (; bytes > 0; bytes -= kPiece, data += kPiece) {
      MPI_Request request;
      STAMPEDE_MPI(start(data, static_cast<int>(std::min(bytes, kPiece)), &request));
      wait(request);
    }
  }

  /// Finds the ranks of this machine, and how many of them may use the same processors.
  void share_processors() {
    MPI_Comm machine;
    STAMPEDE_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine));
    STAMPEDE_MPI(MPI_Comm_rank(machine, &local_index_));
    STAMPEDE_MPI(MPI_Comm_size(machine, &local_size_));
    cpu_set_t own;
    CPU_ZERO(&own);
    ::sched_getaffinity(0, sizeof own, &own);
    std::vector<cpu_set_t> all(static_cast<std::size_t>(local_size_));
    STAMPEDE_MPI(MPI_Allgather(&own, sizeof own, MPI_BYTE, all.data(), sizeof own, MPI_BYTE, machine));
    STAMPEDE_MPI(MPI_Comm_free(&machine));
    const auto alike =
        std::count_if(all.begin(), all.end(), [&](const cpu_set_t& other) { return CPU_EQUAL(&other, &own) != 0; });
    threads_ = std::max(1, CPU_COUNT(&own) / static_cast<int>(alike));
  }

  /// Everybody gets to know everybody's process.
  void introduce() {
    const auto ranks = static_cast<std::size_t>(rank_.world_size);
    for (auto* list : {&counts_, &places_, &own_counts_, &own_places_}) list->resize(ranks);
    processes_.resize(ranks);
    Process own{};
    ::gethostname(own.host, sizeof own.host - 1);
    own.id = ::getpid();
    STAMPEDE_MPI(MPI_Allgather(&own, sizeof own, MPI_BYTE, processes_.data(), sizeof own, MPI_BYTE, MPI_COMM_WORLD));
  }

  /// Opens the lines. All or none: a rank without one could not be told anything.
  void meet() {
    int largest = local_size_;
    STAMPEDE_MPI(MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD));
    Meeting meeting;
    if (rank_.index == 0) meeting = lines_.open(largest == rank_.world_size);
    STAMPEDE_MPI(MPI_Bcast(&meeting, sizeof meeting, MPI_BYTE, 0, MPI_COMM_WORLD));
    int met =
        rank_.index == 0
            ? (lines_.accept(rank_, meeting, meeting.port == 0 ? 0 : kSecondsToMeet) == rank_.world_size - 1 ? 1 : 0)
            : (lines_.connect(rank_, meeting) ? 1 : 0);
    STAMPEDE_MPI(MPI_Allreduce(MPI_IN_PLACE, &met, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD));
    if (met != 0) return;
    MPI_Finalize();
    throw Error("the ranks cannot reach rank 0 on " + std::string(processes_[0].host) +
                " by TCP, over which they tell each other when one ends; allow connections between their machines");
  }

  std::string name_of(int rank) const {
    const Process& process = processes_[static_cast<std::size_t>(rank)];
    return "rank " + std::to_string(rank) + " of " + std::to_string(rank_.world_size) + " (process " +
           std::to_string(process.id) + " on " + process.host + ")";
  }

  Error error_of(const Ending& ending) const {
    if (ending.gone) {
      return Error(name_of(ending.rank) + " is gone: it was killed, or its machine is down", Status::kFailed);
    }
    if (ending.message.empty()) return Error(name_of(ending.rank) + " has ended", ending.status);
    return Error("rank " + std::to_string(ending.rank) + ": " + ending.message, ending.status);
  }

  Rank rank_;
  int local_index_ = 0, local_size_ = 1, threads_ = 1;
  std::vector<Process> processes_;
  Lines lines_;
  std::optional<Ending> ending_;  ///< the first that was told
  bool parted_ = false;
  std::vector<int> counts_, places_, own_counts_, own_places_;
};

}  // namespace
}  // namespace stampede

extern "C" __attribute__((visibility("default"))) const char stampede_interface[] = STAMPEDE_ENGINE_INTERFACE;

extern "C" __attribute__((visibility("default"))) stampede::RankGroup* stampede_rank_group(
    const stampede::LaunchedRank& launched) {
  return new stampede::MpiGroup(launched);
}
