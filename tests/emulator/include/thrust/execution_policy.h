#pragma once
#include "cuda_runtime.h"
namespace thrust {
struct DevicePolicy {};
inline constexpr DevicePolicy device;
}  // namespace thrust
namespace cuda_emulator {
/// Runs work in the default stream and waits for it, as Thrust does.
void run_in_default_stream(const char* what, void (*work)(void*), void* data);
template <class Work>
void run_in_default_stream(const char* what, Work work) {
  run_in_default_stream(
      what, [](void* data) { (*static_cast<Work*>(data))(); }, &work);
}
}  // namespace cuda_emulator
