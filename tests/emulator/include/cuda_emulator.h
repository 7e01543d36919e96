#pragma once
/// \file What tests may ask the emulated device that a real one would not tell.

#include <cstdint>

namespace cuda_emulator {

/// How often things have happened in this process so far.
struct Counts {
  std::int64_t launches = 0;        ///< kernels and products that the host put into a stream or a capture
  std::int64_t graph_launches = 0;  ///< recorded graphs that it launched
  std::int64_t kernels = 0;         ///< kernels that ran, those of graphs among them
  std::int64_t products = 0;        ///< products of cuBLASLt that ran
  std::int64_t fills = 0;           ///< cudaMemset and cudaMemsetAsync
  std::int64_t copies_to_device = 0, copies_to_host = 0;  ///< that ran
  std::int64_t bytes_to_host = 0;
  std::int64_t waits =
      0;  ///< calls that wait for a stream, an event or the device, whether anything was left to do or not
  std::int64_t allocations = 0, frees = 0;  ///< of device memory and of pinned memory
  std::int64_t exchanges = 0;               ///< shuffles and votes of warps
};
Counts counts();

/// From now on all devices are of another compute capability, as CUDA_EMULATOR_CAPABILITY has it. Nothing may be under
/// way. Returns what it was.
int set_capability(int capability);

}  // namespace cuda_emulator
