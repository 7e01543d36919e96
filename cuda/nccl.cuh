#pragma once
/// \file What GPUs of several ranks exchange numbers by: NCCL, as a link of RankSums (host/learn/rank_sums.hpp).
///
/// NCCL is no part of CUDA's toolkit, so nothing is compiled or linked with it: libnccl.so.2 is loaded when a GPU joins
/// other ranks. Only copies are left to it (send, receive, broadcast), never sums, so that neither the algorithm that it
/// chooses nor the machine changes a bit.

#include <cstdint>
#include <memory>
#include <vector>

#include "cuda/backend.cuh"
#include "host/engine/rank_group.hpp"

namespace stampede {

class NcclLink {
 public:
  /// Loads NCCL and connects this rank's current GPU with those of the group's others. Throws Error where NCCL is
  /// missing or fails. The group must outlive it.
  explicit NcclLink(RankGroup& group);

  Rank rank() const;
  void exchange_parts(CudaBackend& backend, const void* values, const std::vector<std::int64_t>& begin, void* received);
  void gather_parts(CudaBackend& backend, void* values, const std::vector<std::int64_t>& begin);
  void broadcast(CudaBackend& backend, void* values, std::int64_t bytes);
  /// Throws Error where NCCL has failed or another rank is gone, after it has ended what waits for that on the GPU.
  void check();

 private:
  struct Connection;
  std::shared_ptr<Connection> connection_;  ///< of all trainers of an engine
};

}  // namespace stampede
