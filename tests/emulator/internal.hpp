#pragma once
/// \file What the emulator's parts share.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "cuda_emulator.h"
#include "cuda_runtime.h"

namespace cuda_emulator {

/// Bytes of shared memory that a block may ask for where the kernel allows more than 48 KiB.
inline constexpr std::size_t kMostShared = 227 * 1024;

// -------------------------------------------------------------------------------------------- settings (settings.cpp)

enum class Order { kForward, kReverse, kRandom };
enum class When { kLazy, kEager, kRandom };

/// From the environment: README.md lists the variables.
struct Settings {
  Order order = Order::kForward;  ///< of blocks, of warps, and of lanes between two exchanges
  When when = When::kLazy;        ///< when a stream's work is done
  std::uint64_t seed = 1;
  bool epilogues = true;                       ///< whether cuBLASLt has algorithms that add a bias
  std::size_t memory = std::size_t{80} << 30;  ///< bytes that the device has
  int capability = 90;
  int nccl = 22800;       ///< NCCL's version, as ncclGetVersion tells it
  std::string driver;     ///< none, old, broken: what is wrong with it
  std::string fail_call;  ///< a call, `kernel:NAME` (its launch) or `run:NAME` (while it runs) that fails,
  long fail_at = 1;       ///< the how-manieth of them,
  std::string fail_with;  ///< and the error's name
};
const Settings& settings();
std::uint64_t next_random();

// --------------------------------------------------------------------------------------------- telling (settings.cpp)

/// Says on stderr why a call is refused.
void say(const char* format, ...) __attribute__((format(printf, 1, 2)));
/// Likewise something that is allowed but noteworthy, once for each text.
void note(const char* format, ...) __attribute__((format(printf, 1, 2)));
/// Whether this is the call that CUDA_EMULATOR_FAIL names.
bool fails_now(const std::string& what);
/// Guarded by mutex().
Counts& counters();

// ------------------------------------------------------------------------------------------ devices (runtime.cpp)

/// The device that this thread of the host uses: its number among all that there are, which CUDA_VISIBLE_DEVICES does
/// not change.
int current_device();

// ------------------------------------------------------------------------------------------------ memory (memory.cpp)

/// Lets the host touch the device's memory while kernels and copies run.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;

 private:
  std::uint32_t before_ = 0;
};
/// Null where there is not enough.
void* allocate_device(std::size_t bytes);
/// False where it is no allocation.
bool free_device(void* data);
void* allocate_pinned(std::size_t bytes);
bool free_pinned(void* data);
std::size_t device_bytes_in_use();
/// Whether all of the bytes are of one living allocation on the device.
bool on_device(const void* data, std::size_t bytes);
/// Whether the address lies in the device's address space, allocated or not.
bool in_device_space(const void* data);
bool pinned(const void* data, std::size_t bytes);
/// What an address belongs to, for people.
std::string describe(const void* address);

// ----------------------------------------------------------------------------------------------- kernels (device.cpp)

void run_kernel(const KernelName& name, const Configuration& configuration, const Call& call);
/// What runs now, for messages; empty outside kernels.
std::string what_runs();
bool in_kernel();

// ---------------------------------------------------------------------------------------------- streams (streams.cpp)

struct Operation {
  std::string name;
  std::function<void()> run;  ///< called with access to the device's memory
  /// Of work that waits for other processes, in the place of `run`: goes as far as it can, and returns whether it is
  /// done. Called again and again until it is, and takes the access that it needs: mostly there is nothing to do.
  std::function<bool()> advance = nullptr;
};
/// Puts work into the stream, or into the graph that is recorded from it. Sets the last error where that cannot be.
cudaError_t enqueue(cudaStream_t stream, Operation operation);
/// Guards everything that is not a kernel's own.
std::recursive_mutex& mutex();

}  // namespace cuda_emulator
