/// \file Whether the emulated device sees what it is for: right code runs, and each kind of mistake is found.
#include <cuda_emulator.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cub/block/block_reduce.cuh>
#include <vector>

#include "tests/emulator/testing.hpp"

namespace cuda_emulator::testing {
namespace {

__global__ void __launch_bounds__(128) fill(float* x, int n, float value) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) x[i] = value + static_cast<float>(i);
}
__global__ void add_one(float* x) { x[threadIdx.x] += 1.0f; }
__global__ void sum_warp(float* x) {
  float v = x[threadIdx.x];
  for (int step = 1; step < 32; step *= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
  x[threadIdx.x] = v;
}
__global__ void exchange_in_branches(float* x) {
  float v = x[threadIdx.x];
  if (threadIdx.x % 4 == 0) {
    v += __shfl_xor_sync(0xffffffffu, v, 1);
  } else {
    v -= static_cast<float>(__any_sync(0xffffffffu, v > 0.0f));
  }
  x[threadIdx.x] = v;
}
__global__ void exchange_of_half(float* x) {
  if (threadIdx.x < 16) x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 16);
}
__global__ void mask_without_upper_half(float* x) { x[threadIdx.x] = __shfl_xor_sync(0xffffu, x[threadIdx.x], 1); }
__global__ void masks_of_halves(float* x) {
  const unsigned mask = threadIdx.x < 16 ? 0xffffu : 0xffff0000u;
  x[threadIdx.x] = static_cast<float>(__any_sync(mask, threadIdx.x == 3));
}
__global__ void barrier_in_a_branch(float* x) {
  if (threadIdx.x == 5) {
    __syncthreads();
  } else {
    x[threadIdx.x] = static_cast<float>(__any_sync(0xffffffffu, 1));
  }
}
template <bool kBarrier>
__global__ void turn_round(float* x) {
  __shared__ float y[64];
  y[threadIdx.x] = x[threadIdx.x];
  if (kBarrier) __syncthreads();
  x[threadIdx.x] = y[63 - threadIdx.x];
}
__global__ void much_shared_memory(float* x) {
  __shared__ float y[12289];
  y[threadIdx.x] = 0.0f;
  x[threadIdx.x] = y[threadIdx.x];
}
__global__ void turn_round_at_the_end(float* x, int offset) {
  extern __shared__ float y[];
  y[offset + threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = y[offset + 31 - threadIdx.x];
}
__global__ void reduce_twice(float* out, bool wait) {
  using Reduce = cub::BlockReduce<float, 64>;
  __shared__ typename Reduce::TempStorage storage;
  const float sum = Reduce(storage).Sum(static_cast<float>(threadIdx.x));
  if (wait) __syncthreads();
  const float largest =
      Reduce(storage).Reduce(static_cast<float>(threadIdx.x), [](float a, float b) { return a < b ? b : a; });
  if (threadIdx.x == 0) out[0] = sum, out[1] = largest;
}

// ---------------------------------------------------------------------------------------------- memory

TEST_F(Emulator, MemoryBeginsAsNaN) {
  for (const float x : read(device_floats(300), 300)) EXPECT_TRUE(std::isnan(x));
}

TEST_F(EmulatorDeathTest, TheHostCannotTouchDeviceMemory) {
  EXPECT_DEATH(
      {
        const volatile float* x = device_floats(4);
        std::printf("%f\n", static_cast<double>(x[0]));
      },
      "the host's own use of memory.*byte 0 of 16 bytes of device memory");
}

TEST_F(EmulatorDeathTest, KernelsStayWithinTheirMemory) {
  EXPECT_DEATH(
      {
        fill<<<1, 128>>>(device_floats(64), 65, 0.0f);
        cudaDeviceSynchronize();
      },
      "illegal use of memory|use-after-poison");
  // In the last bytes of the allocation's unit.
  EXPECT_DEATH(
      {
        float* x = device_floats(60);
        fill<<<1, 128>>>(x, 61, 0.0f);
        cudaFree(x);
      },
      "written behind the end of 240 bytes of device memory, at byte 240|use-after-poison");
  EXPECT_DEATH(
      {
        float* x = device_floats(64);
        cudaFree(x);
        fill<<<1, 64>>>(x, 64, 0.0f);
        cudaDeviceSynchronize();
      },
      "illegal use of memory.*freed");
}

TEST_F(Emulator, CopiesAreCheckedWhenTheyAreAskedFor) {
  float* x = device_floats(8);
  float host[9] = {};
  EXPECT_EQ(cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host, x, sizeof host, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host, x, 4, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(host, 0, 4), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(host), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(x), cudaSuccess);
  EXPECT_EQ(cudaFree(x), cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST_F(EmulatorDeathTest, ADeviceWithLittleMemory) {
  EXPECT_WELL_WITH("CUDA_EMULATOR_MEMORY", "1", [] {
    void* p = nullptr;
    EXPECT_EQ(cudaMalloc(&p, 1 << 19), cudaSuccess);
    EXPECT_EQ(cudaMalloc(&p, 1 << 20), cudaErrorMemoryAllocation);
    EXPECT_EQ(p, nullptr);
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_EQ(cudaMalloc(&p, 1 << 18), cudaSuccess);
  });
}

// ---------------------------------------------------------------------------------------------- kernels

TEST_F(Emulator, LanesExchangeNumbers) {
  float* x = device_floats(64);
  fill<<<1, 64>>>(x, 64, 0.0f);
  sum_warp<<<1, 64>>>(x);
  const std::vector<float> sums = read(x, 64);
  EXPECT_EQ(sums[0], 496.0f);
  EXPECT_EQ(sums[31], 496.0f);
  EXPECT_EQ(sums[63], 496.0f + 32 * 32);
  masks_of_halves<<<1, 32>>>(x);
  const std::vector<float> votes = read(x, 32);
  EXPECT_EQ(votes[0], 1.0f);
  EXPECT_EQ(votes[15], 1.0f);
  EXPECT_EQ(votes[16], 0.0f);
}

/// On one warp.
template <void (*kernel)(float*)>
void run() {
  float* x = device_floats(32);
  kernel<<<1, 32>>>(x);
  cudaDeviceSynchronize();
}

TEST_F(EmulatorDeathTest, LanesMeet) {
  EXPECT_DEATH(run<exchange_in_branches>(), "lanes . and . do not meet.*__shfl_xor_sync.*__any_sync");
  EXPECT_DEATH(run<exchange_of_half>(), "takes no part in it");
  EXPECT_DEATH(run<mask_without_upper_half>(), "with a mask that does not name it");
  EXPECT_DEATH(run<barrier_in_a_branch>(), "waits at __syncthreads");
}

TEST_F(Emulator, BarriersOrderWhatThreadsShare) {
  float* x = device_floats(64);
  fill<<<1, 64>>>(x, 64, 0.0f);
  turn_round<true><<<1, 64>>>(x);
  const std::vector<float> turned = read(x, 64);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(turned[static_cast<std::size_t>(i)], 63.0f - static_cast<float>(i));
}

TEST_F(EmulatorDeathTest, MissingBarriersShow) {
  // Which threads read what nobody has written depends on the order.
  const auto without_barrier = [](std::size_t unwritten) {
    float* x = device_floats(64);
    fill<<<1, 64>>>(x, 64, 0.0f);
    turn_round<false><<<1, 64>>>(x);
    const std::vector<float> turned = read(x, 64);
    EXPECT_TRUE(std::isnan(turned[unwritten]));
    EXPECT_FALSE(std::isnan(turned[63 - unwritten]));
  };
  EXPECT_WELL_WITH("CUDA_EMULATOR_ORDER", "forward", [&] { without_barrier(0); });
  EXPECT_WELL_WITH("CUDA_EMULATOR_ORDER", "reverse", [&] { without_barrier(63); });
}

TEST_F(Emulator, CubReducesABlock) {
  float* x = device_floats(2);
  reduce_twice<<<1, 64>>>(x, true);
  EXPECT_EQ(read(x, 2), (std::vector<float>{2016.0f, 63.0f}));
}

TEST_F(EmulatorDeathTest, CubsStorageIsNotUsedAgainWithoutABarrier) {
  EXPECT_DEATH(
      {
        reduce_twice<<<1, 64>>>(device_floats(2), false);
        cudaDeviceSynchronize();
      },
      "storage is used again without __syncthreads");
}

TEST_F(Emulator, LaunchesAreRefusedBeyondTheDevicesLimits) {
  const auto launched = [] { return cudaGetLastError(); };
  fill<<<0, 128>>>(nullptr, 0, 0.0f);
  EXPECT_EQ(launched(), cudaErrorInvalidConfiguration);
  fill<<<dim3(1, 65536), 128>>>(nullptr, 0, 0.0f);
  EXPECT_EQ(launched(), cudaErrorInvalidConfiguration);
  fill<<<1, 1025>>>(nullptr, 0, 0.0f);
  EXPECT_EQ(launched(), cudaErrorInvalidConfiguration);
  fill<<<1, dim3(1, 1, 65)>>>(nullptr, 0, 0.0f);
  EXPECT_EQ(launched(), cudaErrorInvalidConfiguration);
  fill<<<1, 128, 49153>>>(nullptr, 0, 0.0f);
  EXPECT_EQ(launched(), cudaErrorInvalidValue);
  fill<<<70000, 128>>>(nullptr, 0, 0.0f);
  EXPECT_EQ(launched(), cudaSuccess);
}

TEST_F(EmulatorDeathTest, MoreSharedMemoryThan48KibibytesMustBeAllowed) {
  // In a process of its own: what is allowed stays so.
  EXPECT_WELL_WITH("CUDA_EMULATOR_ORDER", "forward", [] {
    constexpr int kBytes = 64 * 1024;
    float* x = device_floats(32);
    fill<<<1, 32>>>(x, 32, 0.0f);
    turn_round_at_the_end<<<1, 32, kBytes>>>(x, kBytes / 4 - 32);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFuncSetAttribute(turn_round_at_the_end, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 * 1024),
              cudaErrorInvalidValue);
    cudaGetLastError();
    EXPECT_EQ(cudaFuncSetAttribute(turn_round_at_the_end, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
              cudaSuccess);
    turn_round_at_the_end<<<1, 32, kBytes>>>(x, kBytes / 4 - 32);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_EQ(read(x, 32).front(), 31.0f);
  });
  EXPECT_DEATH(
      {
        turn_round_at_the_end<<<1, 32>>>(device_floats(32), 0);
        cudaDeviceSynchronize();
      },
      "a launch without shared memory");
}

TEST_F(EmulatorDeathTest, KernelsStayWithinWhatTheyWereCompiledFor) {
  EXPECT_DEATH(
      {
        fill<<<1, 256>>>(device_floats(256), 256, 0.0f);
        cudaDeviceSynchronize();
      },
      "blocks of 256 threads, of which __launch_bounds__ allows 128");
  EXPECT_DEATH(
      {
        much_shared_memory<<<1, 32>>>(device_floats(32));
        cudaDeviceSynchronize();
      },
      "shared variables of more than 48 KiB");
}

// ---------------------------------------------------------------------------------------------- streams and graphs

TEST_F(EmulatorDeathTest, WorkIsDoneWhenSomebodyWaits) {
  const auto copy_back = [](bool early) {
    float *x = device_floats(300), *seen = pinned_floats(300);
    const cudaStream_t s = make_stream();
    fill<<<3, 128, 0, s>>>(x, 300, 1.0f);
    EXPECT_EQ(cudaMemcpyAsync(seen, x, 1200, cudaMemcpyDeviceToHost, s), cudaSuccess);
    EXPECT_EQ(std::isnan(seen[7]), !early);  // a copy that was not waited for
    EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
    EXPECT_EQ(seen[7], 8.0f);
    EXPECT_EQ(seen[299], 300.0f);
  };
  EXPECT_WELL_WITH("CUDA_EMULATOR_WHEN", "lazy", [&] { copy_back(false); });
  EXPECT_WELL_WITH("CUDA_EMULATOR_WHEN", "eager", [&] { copy_back(true); });
}

TEST_F(EmulatorDeathTest, StreamsDoNotWaitForEachOther) {
  EXPECT_WELL_WITH("CUDA_EMULATOR_WHEN", "lazy", [] {
    float* x = device_floats(32);
    const cudaStream_t s = make_stream(), other = make_stream();
    fill<<<1, 32, 0, s>>>(x, 32, 0.0f);
    add_one<<<1, 32, 0, other>>>(x);  // in the wrong stream
    EXPECT_EQ(cudaStreamSynchronize(other), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
    EXPECT_EQ(read(x, 32)[3], 3.0f);
  });
}

TEST_F(Emulator, EventsAreReachedInTheirTurn) {
  const cudaStream_t s = make_stream();
  cudaEvent_t a = nullptr, b = nullptr;
  ASSERT_EQ(cudaEventCreate(&a), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&b), cudaSuccess);
  float *x = device_floats(64), milliseconds = -1;
  EXPECT_EQ(cudaEventRecord(a, s), cudaSuccess);
  fill<<<1, 64, 0, s>>>(x, 64, 0.0f);
  EXPECT_EQ(cudaEventRecord(b, s), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, a, b), cudaErrorNotReady);
  EXPECT_EQ(cudaEventSynchronize(b), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(b), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, a, b), cudaSuccess);
  EXPECT_GT(milliseconds, 0.0f);
  cudaGetLastError();
}

TEST_F(Emulator, GraphsKeepTheirArguments) {
  float* x = device_floats(2);
  const cudaStream_t s = make_stream();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t again = nullptr;
  float value = 3.0f;
  ASSERT_EQ(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  fill<<<1, 32, 0, s>>>(x, 2, value);
  ASSERT_EQ(cudaStreamEndCapture(s, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&again, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  value = 5.0f;
  EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
  EXPECT_TRUE(std::isnan(read(x, 2)[0]));  // recorded, not run
  EXPECT_EQ(cudaGraphLaunch(again, s), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
  EXPECT_EQ(read(x, 2), (std::vector<float>{3.0f, 4.0f}));
}

TEST_F(Emulator, CapturesForbidWhatAllocatesOrWaits) {
  const cudaStream_t s = make_stream();
  float *x = device_floats(4), host[4];
  void* p = nullptr;
  const auto expect_spoilt = [&](const char* what, const auto& call) {
    SCOPED_TRACE(what);
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_EQ(call(), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
    cudaGetLastError();
  };
  expect_spoilt("cudaMalloc", [&] { return cudaMalloc(&p, 16); });
  expect_spoilt("cudaFree", [&] { return cudaFree(x); });
  expect_spoilt("cudaStreamSynchronize", [&] { return cudaStreamSynchronize(s); });
  expect_spoilt("cudaDeviceSynchronize", [&] { return cudaDeviceSynchronize(); });
  expect_spoilt("cudaMemcpy", [&] { return cudaMemcpy(host, x, 16, cudaMemcpyDeviceToHost); });
  expect_spoilt("pageable memory", [&] { return cudaMemcpyAsync(host, x, 16, cudaMemcpyDeviceToHost, s); });
  EXPECT_EQ(cudaMalloc(&p, 16), cudaSuccess);
}

TEST_F(Emulator, CountsWhatHappens) {
  float* x = device_floats(64);
  const cudaStream_t s = make_stream();
  const cuda_emulator::Counts before = cuda_emulator::counts();
  fill<<<2, 32, 0, s>>>(x, 64, 0.0f);
  sum_warp<<<1, 64, 0, s>>>(x);
  EXPECT_EQ(cuda_emulator::counts().kernels, before.kernels + (std::getenv("CUDA_EMULATOR_WHEN") == nullptr ? 0 : 2));
  EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
  read(x, 64);
  const cuda_emulator::Counts after = cuda_emulator::counts();
  EXPECT_EQ(after.launches - before.launches, 2);
  EXPECT_EQ(after.kernels - before.kernels, 2);
  EXPECT_EQ(after.exchanges - before.exchanges, 2 * 5);
  EXPECT_EQ(after.waits - before.waits, 2);
  EXPECT_EQ(after.copies_to_host - before.copies_to_host, 1);
  EXPECT_EQ(after.bytes_to_host - before.bytes_to_host, 256);
  EXPECT_EQ(after.allocations, before.allocations);
}

// ---------------------------------------------------------------------------------------------- failures

TEST_F(EmulatorDeathTest, ACallFails) {
  EXPECT_WELL_WITH("CUDA_EMULATOR_FAIL", "cudaMalloc@2=cudaErrorDevicesUnavailable", [] {
    void* p = nullptr;
    EXPECT_EQ(cudaMalloc(&p, 16), cudaSuccess);
    EXPECT_EQ(cudaMalloc(&p, 16), cudaErrorDevicesUnavailable);
    EXPECT_EQ(cudaMalloc(&p, 16), cudaSuccess);
  });
  EXPECT_WELL_WITH("CUDA_EMULATOR_FAIL", "kernel:fill=cudaErrorNoKernelImageForDevice", [] {
    fill<<<1, 64>>>(device_floats(64), 64, 0.0f);
    EXPECT_EQ(cudaGetLastError(), cudaErrorNoKernelImageForDevice);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  });
}

TEST_F(EmulatorDeathTest, AKernelFailsWhileItRuns) {
  // Told by whoever waits, and by all calls from then on.
  EXPECT_WELL_WITH("CUDA_EMULATOR_FAIL", "run:fill@2=cudaErrorIllegalAddress", [] {
    float* x = device_floats(64);
    fill<<<1, 64>>>(x, 64, 0.0f);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    fill<<<1, 64>>>(x, 64, 1.0f);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
    EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
    EXPECT_EQ(cudaFree(x), cudaErrorIllegalAddress);
  });
}

TEST_F(EmulatorDeathTest, ADriverThatIsTooOld) {
  EXPECT_WELL_WITH("CUDA_EMULATOR_DRIVER", "old", [] {
    int count = 7;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    EXPECT_EQ(count, 0);
  });
}

// ---------------------------------------------------------------------------------------------- several devices

TEST_F(EmulatorDeathTest, ThreadsUseTheDeviceThatTheyChoose) {
  EXPECT_WELL_WITH("CUDA_EMULATOR_DEVICES", "2", [] {
    int count = 0, device = -1;
    char bus[16];
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
    EXPECT_EQ(count, 2);
    EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
    const cudaStream_t s = make_stream();
    float* x = device_floats(32);
    EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
    EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
    EXPECT_EQ(device, 1);
    EXPECT_EQ(cudaDeviceGetPCIBusId(bus, sizeof bus, device), cudaSuccess);
    EXPECT_STREQ(bus, "0000:02:00.0");
    EXPECT_EQ(cudaDeviceGetPCIBusId(bus, 4, device), cudaErrorInvalidValue);
    cudaGetLastError();
    // A stream of the other device takes no kernels, and no events of this one.
    add_one<<<1, 32, 0, s>>>(x);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidResourceHandle);
    cudaEvent_t event = nullptr;
    EXPECT_EQ(cudaEventCreate(&event), cudaSuccess);
    EXPECT_EQ(cudaEventRecord(event, s), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(cudaEventRecord(event, make_stream()), cudaSuccess);
    EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
    cudaGetLastError();
    add_one<<<1, 32, 0, s>>>(x);
    EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
  });
}

TEST_F(EmulatorDeathTest, AProcessSeesTheDevicesThatItIsShown) {
  setenv("CUDA_EMULATOR_DEVICES", "4", 1);
  const auto expect_seen = [](const char* variable, std::vector<std::string> wanted) {
    EXPECT_WELL_WITH("CUDA_VISIBLE_DEVICES", variable, [&] {
      int count = 0;
      EXPECT_EQ(cudaGetDeviceCount(&count), wanted.empty() ? cudaErrorNoDevice : cudaSuccess);
      EXPECT_EQ(count, static_cast<int>(wanted.size()));
      for (int i = 0; i < count; ++i) {
        char bus[16];
        EXPECT_EQ(cudaDeviceGetPCIBusId(bus, sizeof bus, i), cudaSuccess);
        EXPECT_EQ(bus, wanted[static_cast<std::size_t>(i)]);
      }
    });
  };
  expect_seen("2", {"0000:03:00.0"});
  expect_seen("3,0", {"0000:04:00.0", "0000:01:00.0"});
  expect_seen("1,4,0", {"0000:02:00.0"});  // the first that is not there ends the list
  expect_seen("", {});
  unsetenv("CUDA_EMULATOR_DEVICES");
}

TEST_F(EmulatorDeathTest, UnknownSettingsAreRefused) {
  EXPECT_EXIT(
      {
        setenv("CUDA_EMULATOR_ORDER", "backward", 1);
        device_floats(1);
      },
      ::testing::ExitedWithCode(2),
      "CUDA_EMULATOR_ORDER: unknown value 'backward'; known are forward, reverse, random");
}

}  // namespace
}  // namespace cuda_emulator::testing
