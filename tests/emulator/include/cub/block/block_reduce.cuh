#pragma once
/// \file cub::BlockReduce: sums in the order of CUB's default algorithm (warps by shuffles down, then the warps'
/// results one after the other by the first thread). Only that thread has the result; the others get 0xff. Finds
/// storage that is used again before the block's threads have waited for each other.

#include "cuda_runtime.h"

namespace cub {

template <class T, int kThreads>
class BlockReduce {
 public:
  struct TempStorage {
    T values[kThreads];
    unsigned used_at;  ///< barriers passed when it was last used
  };

  explicit BlockReduce(TempStorage& storage) : storage_(storage) {}

  T Sum(T x) {
    return Reduce(x, [](T a, T b) { return a + b; });
  }
  template <class Operation>
  T Reduce(T x, Operation operation) {
    const unsigned thread = threadIdx.x;
    if (blockDim.x * blockDim.y * blockDim.z != kThreads) {
      cuda_emulator::fail("cub::BlockReduce for %d threads in a block of another size", kThreads);
    }
    const unsigned barriers = cuda_emulator::barriers_passed();
    if (storage_.used_at == barriers) {
      cuda_emulator::fail("cub::BlockReduce: storage is used again without __syncthreads() in between");
    }
    storage_.values[thread] = x;
    __syncthreads();
    storage_.used_at = barriers + 1;
    if (thread != 0) {
      T nothing;
      std::memset(&nothing, 0xff, sizeof nothing);
      return nothing;
    }
    T total{};
    for (int warp = 0; warp < kThreads; warp += 32) {
      constexpr int kWarp = kThreads < 32 ? kThreads : 32;
      T lanes[kWarp];
      for (int i = 0; i < kWarp; ++i) lanes[i] = storage_.values[warp + i];
      for (int step = 1; step < kWarp; step *= 2) {
        for (int i = 0; i + step < kWarp; ++i) lanes[i] = operation(lanes[i], lanes[i + step]);
      }
      total = warp == 0 ? lanes[0] : operation(total, lanes[0]);
    }
    return total;
  }

 private:
  TempStorage& storage_;
};

}  // namespace cub
