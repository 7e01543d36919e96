#pragma once
/// \file The language: qualifiers, vector types, built-in variables, intrinsics, launches as translate.py writes them.

#include <cmath>
#include <cstring>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda_runtime_api.h"

#define __host__
#define __device__
#define __global__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))

#define CUDA_EMULATOR_INLINE inline __attribute__((always_inline))

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(16) float4 {
  float x, y, z, w;
};

namespace cuda_emulator {

/// What a running thread can see of itself.
struct Coordinates {
  uint3 thread;
  uint3 block;
  dim3 block_size, grid_size;
};
/// Of the thread that runs on this thread of the host; null outside kernels.
extern __attribute__((tls_model("initial-exec"))) thread_local const Coordinates* current;

enum class Collective : int { kShuffleXor, kShuffleDown, kShuffle, kAny, kAll, kBallot, kSync };

/// Times that the block's threads have waited for each other.
unsigned barriers_passed();
/// The block's own memory for a variable; `key` tells variables apart. 0xff at first.
void* shared_place(const void* key, std::size_t bytes, std::size_t alignment, const char* name);
/// The memory that the launch asked for beside the kernel's variables, the block's own. 0xff at first.
void* dynamic_shared_memory();
/// Reports a mistake in a kernel and ends the process.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));
/// Ends the process where a kernel that was compiled for blocks of up to `most` threads runs in a larger one.
void check_launch_bounds(unsigned most);
/// The blocks that are to fit a multiprocessor bind the compiler only.
inline void check_launch_bounds(unsigned most, unsigned) { check_launch_bounds(most); }

/// What the lanes of a warp exchange. On the host, outside kernels, votes and waits are of one lane, and there is nobody
/// to exchange numbers with.
std::uint32_t exchange_here(Collective kind, std::uint32_t mask, std::uint32_t value, int operand);
/// Waits for the block's other threads.
void wait_for_block_here();

template <class T, class Key>
T& shared_variable(const char* name) {
  static const char key = 0;
  return *static_cast<T*>(shared_place(&key, sizeof(T), alignof(T), name));
}

struct Configuration {
  dim3 grid, block;
  std::size_t shared;
  cudaStream_t stream;
  Configuration(dim3 grid_, dim3 block_, std::size_t shared_ = 0, cudaStream_t stream_ = nullptr)
      : grid(grid_), block(block_), shared(shared_), stream(stream_) {}
};
struct KernelName {
  const char* name;
  const char* file;
  int line;
};

/// A kernel with its arguments, copied when it was launched.
class Call {
 public:
  virtual ~Call() = default;
  virtual void run() const = 0;
};
void enqueue_kernel(const KernelName& name, const Configuration& configuration, std::unique_ptr<Call> call);

/// The kernel's parameters, of which nvcc allows 32764 bytes.
template <class... A>
inline constexpr std::size_t kParameterBytes = (std::size_t{0} + ... + ((sizeof(A) + 7) / 8 * 8));

template <class Function>
struct Launcher {
  KernelName name;
  Configuration configuration;
  Function function;

  template <class... A>
  void operator()(const A&... arguments) const {
    static_assert(kParameterBytes<A...> <= 32764, "a kernel's parameters are too large");
    struct Bound final : Call {
      Bound(const Function& f, const A&... a) : function(f), values(a...) {}
      void run() const override { std::apply(function, values); }
      Function function;
      std::tuple<std::decay_t<A>...> values;
    };
    enqueue_kernel(name, configuration, std::make_unique<Bound>(function, arguments...));
  }
};
template <class Function>
Launcher<Function> launch(KernelName name, Configuration configuration, Function function) {
  return {name, configuration, function};
}

}  // namespace cuda_emulator

#define threadIdx (::cuda_emulator::current->thread)
#define blockIdx (::cuda_emulator::current->block)
#define blockDim (::cuda_emulator::current->block_size)
#define gridDim (::cuda_emulator::current->grid_size)

// ---------------------------------------------------------------------------------------------- intrinsics

CUDA_EMULATOR_INLINE int __any_sync(unsigned mask, int predicate) {
  return static_cast<int>(cuda_emulator::exchange_here(cuda_emulator::Collective::kAny, mask,
                                                       static_cast<std::uint32_t>(predicate != 0), 0));
}
CUDA_EMULATOR_INLINE int __all_sync(unsigned mask, int predicate) {
  return static_cast<int>(cuda_emulator::exchange_here(cuda_emulator::Collective::kAll, mask,
                                                       static_cast<std::uint32_t>(predicate != 0), 0));
}
CUDA_EMULATOR_INLINE unsigned __ballot_sync(unsigned mask, int predicate) {
  return cuda_emulator::exchange_here(cuda_emulator::Collective::kBallot, mask,
                                      static_cast<std::uint32_t>(predicate != 0), 0);
}
CUDA_EMULATOR_INLINE void __syncwarp(unsigned mask = 0xffffffffu) {
  cuda_emulator::exchange_here(cuda_emulator::Collective::kSync, mask, 0, 0);
}
CUDA_EMULATOR_INLINE void __syncthreads() { cuda_emulator::wait_for_block_here(); }

/// Blocks run one after the other, and no thread is interrupted.
CUDA_EMULATOR_INLINE unsigned atomicInc(unsigned* at, unsigned most) {
  const unsigned old = *at;
  *at = old >= most ? 0 : old + 1;
  return old;
}
CUDA_EMULATOR_INLINE void __threadfence() {}

namespace cuda_emulator {
template <class T>
CUDA_EMULATOR_INLINE T exchange_value(Collective kind, unsigned mask, T x, int operand) {
  static_assert(sizeof(T) == 4, "exchanges of other than four bytes are not emulated");
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = exchange_here(kind, mask, bits, operand);
  std::memcpy(&x, &bits, sizeof bits);
  return x;
}
}  // namespace cuda_emulator

template <class T>
CUDA_EMULATOR_INLINE T __shfl_xor_sync(unsigned mask, T x, int lanes) {
  return cuda_emulator::exchange_value(cuda_emulator::Collective::kShuffleXor, mask, x, lanes);
}
template <class T>
CUDA_EMULATOR_INLINE T __shfl_down_sync(unsigned mask, T x, unsigned lanes) {
  return cuda_emulator::exchange_value(cuda_emulator::Collective::kShuffleDown, mask, x, static_cast<int>(lanes));
}
template <class T>
CUDA_EMULATOR_INLINE T __shfl_sync(unsigned mask, T x, int lane) {
  return cuda_emulator::exchange_value(cuda_emulator::Collective::kShuffle, mask, x, lane);
}

/// As the CPU's kernels compute it; a GPU's may differ by two units in the last place.
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
