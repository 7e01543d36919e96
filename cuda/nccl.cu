/// \file What GPUs of several ranks exchange numbers by.
#include "cuda/nccl.cuh"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <string>

namespace stampede {
namespace {

// As nccl.h of NCCL 2 declares them, whose interface has not changed since 2.9, the first whose work a CUDA graph may
// hold:
// https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/api.html
struct UniqueId {
  char internal[128];
};
using Comm = void*;
constexpr int kSuccess = 0, kInProgress = 7;  // ncclResult_t
constexpr int kBytes = 0;                     // ncclDataType_t: ncclInt8

struct Functions {
  int (*get_version)(int*);
  int (*get_unique_id)(UniqueId*);
  int (*comm_init_rank)(Comm*, int, UniqueId, int);
  int (*comm_abort)(Comm);
  int (*comm_get_async_error)(Comm, int*);
  const char* (*get_error_string)(int);
  int (*group_start)();
  int (*group_end)();
  int (*send)(const void*, std::size_t, int, int, Comm, cudaStream_t);
  int (*receive)(void*, std::size_t, int, int, Comm, cudaStream_t);
  int (*broadcast)(const void*, void*, std::size_t, int, int, Comm, cudaStream_t);

  void check(int status, const char* call) const {
    if (status == kSuccess || status == kInProgress) return;
    throw Error(std::string("NCCL: ") + get_error_string(status) + ", in " + call, Status::kFailed);
  }
};

template <class Function>
void find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  if (function == nullptr) throw Error(std::string("libnccl.so.2 has no ") + name + "; NCCL 2.9 or newer is needed");
}

/// Throws Error where NCCL is older than 2.9.
void check_version(const Functions& all) {
  constexpr int kOldest = 20900;
  int version = 0;
  all.check(all.get_version(&version), "get_version");
  if (version >= kOldest) return;
  // Up to 2.8 a version X.Y.Z is told as XYZZ, from then on as XYYZZ.
  throw Error("libnccl.so.2 is NCCL " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 100) +
              "; 2.9 or newer is needed, whose work CUDA graphs may hold");
}

/// Throws Error where NCCL is not there.
const Functions& nccl() {
  static const Functions functions = [] {
    void* library = ::dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      throw Error(
          "GPUs that train together exchange numbers by NCCL, and libnccl.so.2 cannot be loaded; install it (NVIDIA's "
          "package libnccl2, or pip's nvidia-nccl-cu13 with its folder in LD_LIBRARY_PATH), or start one process");
    }
    Functions all{};
    find(library, "ncclGetVersion", all.get_version);
    find(library, "ncclGetUniqueId", all.get_unique_id);
    find(library, "ncclCommInitRank", all.comm_init_rank);
    find(library, "ncclCommAbort", all.comm_abort);
    find(library, "ncclCommGetAsyncError", all.comm_get_async_error);
    find(library, "ncclGetErrorString", all.get_error_string);
    find(library, "ncclGroupStart", all.group_start);
    find(library, "ncclGroupEnd", all.group_end);
    find(library, "ncclSend", all.send);
    find(library, "ncclRecv", all.receive);
    find(library, "ncclBroadcast", all.broadcast);
    check_version(all);
    return all;
  }();
  return functions;
}

/// The calling thread's GPU: its place in the machine and the machine's name; on a second line what tells the machine
/// from others of that name.
std::string place_of_gpu() {
  char host[256] = "", bus[32] = "";
  int device = 0;
  ::gethostname(host, sizeof host - 1);
  STAMPEDE_CUDA(cudaGetDevice(&device));
  STAMPEDE_CUDA(cudaDeviceGetPCIBusId(bus, sizeof bus, device));
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return std::string(bus) + " of " + host + "\n" + boot;
}

/// Throws Error where two ranks have the same GPU, which NCCL would refuse as an "invalid usage".
void check_places(const std::vector<std::string>& places) {
  for (std::size_t one = 0; one < places.size(); ++one) {
    const auto other = static_cast<std::size_t>(std::find(places.begin(), places.end(), places[one]) - places.begin());
    if (other == one) continue;
    throw Error("ranks " + std::to_string(other) + " and " + std::to_string(one) + " both have the GPU " +
                places[one].substr(0, places[one].find('\n')) + "; start at most one process for each GPU");
  }
}

}  // namespace

#define STAMPEDE_NCCL(name, ...) nccl().check(nccl().name(__VA_ARGS__), #name)

struct NcclLink::Connection {
  RankGroup* group;
  Rank rank;
  Comm comm = nullptr;

  void abort() noexcept {
    if (comm != nullptr) nccl().comm_abort(comm);
    comm = nullptr;
  }
  // Not ncclCommDestroy, which waits for ranks that may be gone; there is nothing under way that anybody still needs.
  ~Connection() { abort(); }
};

NcclLink::NcclLink(RankGroup& group) : connection_(std::make_shared<Connection>()) {
  connection_->group = &group;
  connection_->rank = group.rank();
  UniqueId id{};
  if (connection_->rank.index == 0) STAMPEDE_NCCL(get_unique_id, &id);
  nccl();
  // Nobody begins to connect before everybody could load NCCL: it would wait for those who could not.
  check_places(group.collect(place_of_gpu()));
  group.broadcast(&id, sizeof id);
  STAMPEDE_NCCL(comm_init_rank, &connection_->comm, connection_->rank.world_size, id, connection_->rank.index);
}

Rank NcclLink::rank() const { return connection_->rank; }

void NcclLink::exchange_parts(CudaBackend& backend, const void* values, const std::vector<std::int64_t>& begin,
                              void* received) {
  const Connection& all = *connection_;
  const auto* from = static_cast<const char*>(values);
  auto* to = static_cast<char*>(received);
  const auto own = static_cast<std::size_t>(all.rank.index);
  const auto size_of = [&](std::size_t r) { return static_cast<std::size_t>(begin[r + 1] - begin[r]); };
  const std::size_t size = size_of(own);
  STAMPEDE_NCCL(group_start);
  for (std::size_t r = 0; r + 1 < begin.size(); ++r) {
    if (r == own) continue;
    const int peer = static_cast<int>(r);
    if (size_of(r) > 0) STAMPEDE_NCCL(send, from + begin[r], size_of(r), kBytes, peer, all.comm, backend.stream());
    if (size > 0) STAMPEDE_NCCL(receive, to + r * size, size, kBytes, peer, all.comm, backend.stream());
  }
  STAMPEDE_NCCL(group_end);
  if (size == 0) return;
  STAMPEDE_CUDA(cudaMemcpyAsync(to + own * size, from + begin[own], size, cudaMemcpyDeviceToDevice, backend.stream()));
}

void NcclLink::gather_parts(CudaBackend& backend, void* values, const std::vector<std::int64_t>& begin) {
  const Connection& all = *connection_;
  auto* at = static_cast<char*>(values);
  const auto own = static_cast<std::size_t>(all.rank.index);
  const auto size_of = [&](std::size_t r) { return static_cast<std::size_t>(begin[r + 1] - begin[r]); };
  STAMPEDE_NCCL(group_start);
  for (std::size_t r = 0; r + 1 < begin.size(); ++r) {
    if (r == own) continue;
    const int peer = static_cast<int>(r);
    if (size_of(own) > 0) STAMPEDE_NCCL(send, at + begin[own], size_of(own), kBytes, peer, all.comm, backend.stream());
    if (size_of(r) > 0) STAMPEDE_NCCL(receive, at + begin[r], size_of(r), kBytes, peer, all.comm, backend.stream());
  }
  STAMPEDE_NCCL(group_end);
}

void NcclLink::broadcast(CudaBackend& backend, void* values, std::int64_t bytes) {
  STAMPEDE_NCCL(broadcast, values, values, static_cast<std::size_t>(bytes), kBytes, 0, connection_->comm,
                backend.stream());
}

void NcclLink::check() {
  try {
    connection_->group->check();
    if (connection_->comm == nullptr) return;
    int status = kSuccess;
    STAMPEDE_NCCL(comm_get_async_error, connection_->comm, &status);
    nccl().check(status, "what was enqueued");
  } catch (...) {
    connection_->abort();
    throw;
  }
}

}  // namespace stampede
