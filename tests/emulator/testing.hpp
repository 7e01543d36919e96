#pragma once
/// \file What the tests of the emulated device share.

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

namespace cuda_emulator::testing {

inline float* device_floats(int n) {
  void* p = nullptr;
  EXPECT_EQ(cudaMalloc(&p, static_cast<std::size_t>(n) * sizeof(float)), cudaSuccess);
  return static_cast<float*>(p);
}
inline float* device_floats(const std::vector<float>& values) {
  float* p = device_floats(static_cast<int>(values.size()));
  EXPECT_EQ(cudaMemcpy(p, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice), cudaSuccess);
  return p;
}
inline std::vector<float> read(const float* p, int n) {
  std::vector<float> x(static_cast<std::size_t>(n));
  EXPECT_EQ(cudaMemcpy(x.data(), p, x.size() * sizeof(float), cudaMemcpyDeviceToHost), cudaSuccess);
  return x;
}
inline cudaStream_t make_stream() {
  cudaStream_t s = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), cudaSuccess);
  return s;
}
inline float* pinned_floats(int n) {
  void* p = nullptr;
  EXPECT_EQ(cudaMallocHost(&p, static_cast<std::size_t>(n) * sizeof(float)), cudaSuccess);
  return static_cast<float*>(p);
}

/// Bodies that must end the process run in one of their own, which begins anew: the settings are read there.
class Emulator : public ::testing::Test {
 protected:
  void SetUp() override { ::testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};
using EmulatorDeathTest = Emulator;

/// Runs the body in a process of its own with a variable set, and expects that nothing in it fails.
#define EXPECT_WELL_WITH(variable, value, ...)             \
  EXPECT_EXIT(                                             \
      {                                                    \
        setenv(variable, value, 1);                        \
        (__VA_ARGS__)();                                   \
        std::_Exit(::testing::Test::HasFailure() ? 1 : 0); \
      },                                                   \
      ::testing::ExitedWithCode(0), "")

}  // namespace cuda_emulator::testing
