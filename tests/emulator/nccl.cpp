/// \file libnccl.so.2 for ranks that are processes of one machine: their messages go through memory that they share.
///
/// As on GPUs, calls only put work into a stream, or into the graph that is recorded from it; a message has passed when
/// both sides have come to it, and until then neither's stream goes on. Nobody notices that a rank is gone: what waits
/// for it waits until its communicator is aborted. NCCL does not say what happens where two sides do not agree about a
/// message ("hangs, crashes, or data corruption"); here it ends the process with a line.
#include <fcntl.h>
#include <nccl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <new>
#include <set>
#include <vector>

#include "streams.hpp"

namespace cuda_emulator {
namespace {

constexpr int kMostRanks = 16;
constexpr std::size_t kChunk = 64 * 1024;
constexpr std::uint32_t kMagic = 0x6e63636c;

/// What both sides must say of a message.
struct Message {
  int broadcast;  ///< 1 + its root; 0: of a send and a receive
  ncclDataType_t type;
  std::uint64_t count;

  bool operator==(const Message&) const = default;
};

/// Chunks of messages on their way from one rank to another.
struct Box {
  std::atomic<std::uint32_t> full;
  Message message;
  std::uint64_t bytes;
  unsigned char data[kChunk];
};

/// Zeros at first.
struct Shared {
  std::atomic<std::uint32_t> magic;
  std::atomic<int> ranks, joined;
  std::atomic<int> device[kMostRanks];  ///< 1 + its number; 0: the rank is not there yet
  Box boxes[kMostRanks][kMostRanks];    ///< [from][to]
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

/// Lives as long as work that needs it, in queues and in graphs, also when the handle is gone.
struct Communicator {
  Shared* shared = nullptr;
  int ranks = 0, rank = 0, device = 0;
  bool aborted = false;

  ~Communicator() { munmap(shared, sizeof(Shared)); }
};

std::size_t size_of(ncclDataType_t type) {
  constexpr std::size_t kSizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8};
  return static_cast<unsigned>(type) < std::size(kSizes) ? kSizes[type] : 0;
}

/// One side of a message.
struct Transfer {
  Message message;
  bool sends;
  int peer;
  char* data;  ///< of a send only read
  std::uint64_t bytes;

  std::uint64_t passed = 0;
  bool begun = false, done = false;

  Box& box_of(const Communicator& comm) const {
    return sends ? comm.shared->boxes[comm.rank][peer] : comm.shared->boxes[peer][comm.rank];
  }
  /// Whether the other side has come so far that this one can go on.
  bool can_go_on(const Box& box) const { return !done && (box.full.load(std::memory_order_acquire) != 0) != sends; }

  void advance(const Communicator& comm) {
    Box& box = box_of(comm);
    if (!can_go_on(box)) return;
    const DeviceAccess access;
    while (can_go_on(box)) {
      if (sends) {
        if (begun && passed == bytes) {  // the other side has it all
          done = true;
          return;
        }
        box.message = message;
        box.bytes = std::min<std::uint64_t>(kChunk, bytes - passed);
        std::memcpy(box.data, data + passed, box.bytes);
      } else {
        if (!begun && box.message != message) disagree(comm, box.message);
        std::memcpy(data + passed, box.data, box.bytes);
      }
      begun = true;
      passed += box.bytes;
      if (!sends) done = passed == bytes;
      box.full.store(sends ? 1 : 0, std::memory_order_release);
    }
  }

  [[noreturn]] void disagree(const Communicator& comm, const Message& other) const {
    const auto text = [](const Message& m) {
      const std::string kind =
          m.broadcast > 0 ? "a broadcast from rank " + std::to_string(m.broadcast - 1) : "a message";
      return kind + " of " + std::to_string(m.count) + " elements of type " + std::to_string(m.type);
    };
    fail("NCCL: rank %d waits for %s, and rank %d sends %s", comm.rank, text(message).c_str(), peer,
         text(other).c_str());
  }
};

/// Transfers that pass side by side; those between the same two ranks, in the same direction, one after the other.
struct Group {
  std::shared_ptr<Communicator> comm;
  std::vector<Transfer> transfers;

  /// Goes on; returns whether all are done, or given up. Then it may begin anew: a graph is launched again and again.
  bool advance() {
    bool all = true;
    std::uint32_t busy[2] = {0, 0};  // the peers of transfers that are not done
    for (Transfer& transfer : transfers) {
      if (comm->aborted) break;
      const std::uint32_t peer = 1u << transfer.peer;
      if ((busy[transfer.sends] & peer) == 0) transfer.advance(*comm);
      if (!transfer.done) busy[transfer.sends] |= peer, all = false;
    }
    if (!all && !comm->aborted) return false;
    for (Transfer& transfer : transfers) transfer.passed = 0, transfer.begun = transfer.done = false;
    return true;
  }
};

}  // namespace
}  // namespace cuda_emulator

using namespace cuda_emulator;

struct ncclComm {
  std::shared_ptr<Communicator> state;
};

namespace {

std::set<ncclComm_t>& comms() {
  static auto* all = new std::set<ncclComm_t>;
  return *all;
}

/// What this thread has collected since ncclGroupStart.
thread_local int depth = 0;
thread_local Group group;
thread_local cudaStream_t group_stream = nullptr;

/// The error that CUDA_EMULATOR_FAIL gives as a number, as ncclRemoteError is 6.
ncclResult_t planted() {
  const std::string& number = settings().fail_with;
  return number.empty() ? ncclInternalError : static_cast<ncclResult_t>(std::atoi(number.c_str()));
}

ncclResult_t refuse(ncclResult_t error, const char* call, const char* why) {
  say("%s: %s", call, why);
  return error;
}

/// Puts the group's transfers into the stream, as one piece of work.
ncclResult_t enqueue_group() {
  const auto work = std::make_shared<Group>(std::exchange(group, {}));
  if (work->transfers.empty()) return ncclSuccess;
  Operation operation{"nccl", nullptr, [work] { return work->advance(); }};
  return enqueue(group_stream, std::move(operation)) == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}

/// Checks a transfer as ncclSend and its like are asked for, and adds it to the group, or enqueues it.
ncclResult_t add(const char* call, ncclComm_t handle, cudaStream_t stream, std::vector<Transfer> transfers,
                 std::size_t count, ncclDataType_t type) {
  const std::scoped_lock lock(mutex());
  if (sticky_error() != cudaSuccess) return ncclUnhandledCudaError;
  if (fails_now(call)) return planted();
  if (comms().count(handle) == 0) return refuse(ncclInvalidArgument, call, "no communicator");
  const std::shared_ptr<Communicator>& comm = handle->state;
  if (size_of(type) == 0) return refuse(ncclInvalidArgument, call, "no type");
  const CUstream_st* in = stream_of(stream);
  if (in == nullptr) return refuse(ncclInvalidArgument, call, "no stream");
  if (stream != nullptr && in->device != comm->device)
    fail("%s in a stream of another device than its communicator's", call);
  for (Transfer& transfer : transfers) {
    if (transfer.peer < 0 || transfer.peer >= comm->ranks) return refuse(ncclInvalidArgument, call, "no such rank");
    if (transfer.peer == comm->rank) fail("%s to itself is not emulated", call);
    transfer.message.type = type;
    transfer.message.count = count;
    transfer.bytes = count * size_of(type);
    // As NCCL finds with NCCL_CHECK_POINTERS=1.
    if (transfer.bytes > 0 && !on_device(transfer.data, transfer.bytes) && !pinned(transfer.data, transfer.bytes)) {
      return refuse(ncclInvalidArgument, call, ("not in device memory: " + describe(transfer.data)).c_str());
    }
  }
  if (!group.transfers.empty() && (group.comm != comm || group_stream != stream)) {
    fail("%s: groups of several communicators or streams are not emulated", call);
  }
  group.comm = comm;
  group_stream = stream;
  group.transfers.insert(group.transfers.end(), transfers.begin(), transfers.end());
  return depth > 0 ? ncclSuccess : enqueue_group();
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = settings().nccl;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclSystemError:
      return "unhandled system error";
    case ncclInternalError:
      return "internal error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
  }
  return "unknown result code";
}

/// The path of the memory that the ranks share; it is there as long as this process.
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const std::scoped_lock lock(mutex());
  if (fails_now("ncclGetUniqueId")) return planted();
  const int file = memfd_create("cuda_emulator_nccl", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) return ncclSystemError;
  const std::uint32_t magic = kMagic;
  if (pwrite(file, &magic, sizeof magic, offsetof(Shared, magic)) != sizeof magic) return ncclSystemError;
  std::snprintf(id->internal, sizeof id->internal, "/proc/%d/fd/%d", static_cast<int>(getpid()), file);
  return ncclSuccess;
}

/// Waits for all ranks.
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  constexpr const char* kCall = "ncclCommInitRank";
  {
    const std::scoped_lock lock(mutex());
    if (fails_now(kCall)) return planted();
  }
  if (ranks < 1 || ranks > kMostRanks || rank < 0 || rank >= ranks) {
    return refuse(ncclInvalidArgument, kCall, "no such rank (the emulator has at most 16)");
  }
  const int file =
      std::memchr(id.internal, 0, sizeof id.internal) == nullptr ? -1 : open(id.internal, O_RDWR | O_CLOEXEC);
  if (file < 0) return refuse(ncclSystemError, kCall, "the process that made the id is not there");
  void* mapped = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped == MAP_FAILED) return ncclSystemError;
  auto state = std::make_shared<Communicator>();
  state->shared = static_cast<Shared*>(mapped);
  state->ranks = ranks, state->rank = rank, state->device = current_device();
  Shared& shared = *state->shared;
  if (shared.magic.load() != kMagic) return refuse(ncclInvalidArgument, kCall, "no id of ncclGetUniqueId");
  if (int nobody = 0; !shared.ranks.compare_exchange_strong(nobody, ranks) && nobody != ranks) {
    fail("%s: rank %d says that there are %d ranks, and another that there are %d", kCall, rank, ranks, nobody);
  }
  if (int nobody = 0; !shared.device[rank].compare_exchange_strong(nobody, state->device + 1)) {
    fail("%s: two processes are rank %d", kCall, rank);
  }
  ++shared.joined;
  while (shared.joined.load() < ranks) usleep(100);
  for (int one = 0; one < ranks; ++one) {
    for (int other = 0; other < one; ++other) {
      if (shared.device[one].load() != shared.device[other].load()) continue;
      say("Duplicate GPU detected : rank %d and rank %d both on CUDA device %x", one, other,
          shared.device[one].load() << 12);
      return ncclInvalidUsage;
    }
  }
  const std::scoped_lock lock(mutex());
  *comm = new ncclComm{state};
  comms().insert(*comm);
  return ncclSuccess;
}

/// Ends what waits for other ranks.
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  const std::scoped_lock lock(mutex());
  if (comms().erase(comm) == 0) return refuse(ncclInvalidArgument, "ncclCommAbort", "no communicator");
  comm->state->aborted = true;
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  const std::scoped_lock lock(mutex());
  if (comms().count(comm) == 0) return refuse(ncclInvalidArgument, "ncclCommGetAsyncError", "no communicator");
  *error = fails_now("ncclCommGetAsyncError") ? planted() : ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  const std::scoped_lock lock(mutex());
  if (depth == 0) return refuse(ncclInvalidUsage, "ncclGroupEnd", "no group was begun");
  if (--depth > 0) return ncclSuccess;
  if (fails_now("ncclGroupEnd")) return planted();
  return enqueue_group();
}

ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  auto* data = static_cast<char*>(const_cast<void*>(from));
  return add("ncclSend", comm, stream, {{{}, true, peer, data, 0}}, count, type);
}
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return add("ncclRecv", comm, stream, {{{}, false, peer, static_cast<char*>(to), 0}}, count, type);
}
/// In place only.
ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  constexpr const char* kCall = "ncclBroadcast";
  if (from != to) fail("ncclBroadcast to another place is not emulated");
  std::vector<Transfer> transfers;
  {
    const std::scoped_lock lock(mutex());
    if (comms().count(comm) == 0) return refuse(ncclInvalidArgument, kCall, "no communicator");
    const Communicator& state = *comm->state;
    if (root < 0 || root >= state.ranks) return refuse(ncclInvalidArgument, kCall, "no such root");
    const Message message{1 + root, type, count};
    if (state.rank != root) transfers.push_back({message, false, root, static_cast<char*>(to), 0});
    for (int peer = 0; state.rank == root && peer < state.ranks; ++peer) {
      if (peer != root) transfers.push_back({message, true, peer, static_cast<char*>(to), 0});
    }
  }
  return add(kCall, comm, stream, std::move(transfers), count, type);
}

}  // extern "C"
