#pragma once
/// \file What tests of the GPU share: a fixture that skips where there is none, and two places to run the same body in.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cuda/mlp.cuh"

namespace stampede::testing {

inline constexpr Index kSizes[] = {1, 31, 32, 33, 4097};

/// Skips with the reason where there is no GPU.
class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) GTEST_SKIP() << "no GPU: " << cudaGetErrorString(status);
    if (count < 1) GTEST_SKIP() << "no GPU: the driver finds none";
    backend_ = std::make_unique<CudaBackend>();
  }
  CudaBackend& backend() { return *backend_; }

 private:
  std::unique_ptr<CudaBackend> backend_;
};

/// Runs kernels on the host, a float at a time.
class HostPlace {
 public:
  template <class T>
  std::vector<T> array(std::vector<T> values) {
    values.resize(static_cast<std::size_t>(padded(static_cast<Index>(values.size()))));
    return values;
  }
  template <class Kernel>
  void launch(Index n, const Kernel& kernel) {
    for (Index i = 0; i < n; ++i) kernel.template operator()<float>(i);
  }
  template <class Kernel>
  void launch_single(const Kernel& kernel) {
    if constexpr (std::is_invocable_v<const Kernel&, int, int>) {
      kernel(0, 1);
    } else {
      kernel();
    }
  }
  template <class T>
  std::vector<T> read(const std::vector<T>& array, Index count) {
    return {array.begin(), array.begin() + count};
  }
};

/// Runs them on the GPU.
class DevicePlace {
 public:
  explicit DevicePlace(CudaBackend& backend) : backend_(backend) {}

  template <class T>
  DeviceBuffer<T> array(const std::vector<T>& values) {
    const Index count = static_cast<Index>(values.size());
    DeviceBuffer<T> buffer(count);
    backend_.upload(buffer, values.data(), count);
    return buffer;
  }
  template <class Kernel>
  void launch(Index n, const Kernel& kernel) {
    backend_.launch(n, kernel);
  }
  template <class Kernel>
  void launch_single(const Kernel& kernel) {
    backend_.launch_single(kernel);
  }
  template <class T>
  std::vector<T> read(const DeviceBuffer<T>& buffer, Index count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    backend_.download(buffer, values.data(), count);
    return values;
  }
  /// The same with what lies behind the last element.
  template <class T>
  std::vector<T> read_beyond(const DeviceBuffer<T>& buffer, Index count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    backend_.synchronise();
    STAMPEDE_CUDA(cudaMemcpy(values.data(), buffer.data(), values.size() * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  CudaBackend& backend_;
};

inline std::vector<float> random_floats(Index n, float low, float high, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& x : values) x = uniform(generator);
  return values;
}
inline std::vector<float> zeros(Index n) { return std::vector<float>(static_cast<std::size_t>(n), 0.0f); }

/// One behind the other.
inline std::vector<float> joined(std::vector<float> a, const std::vector<float>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Whether both hold the same bits.
template <class T>
::testing::AssertionResult same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << a.size() << " and " << b.size() << " elements";
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0) {
      return ::testing::AssertionFailure() << "element " << i << ": " << a[i] << " is not the same bits as " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

/// Whether all |got - want| <= tolerance * max(|want|, floor).
template <class A, class B>
::testing::AssertionResult close(const std::vector<A>& got, const std::vector<B>& want, double tolerance,
                                 double floor = 1) {
  if (got.size() != want.size())
    return ::testing::AssertionFailure() << got.size() << " and " << want.size() << " elements";
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double g = static_cast<double>(got[i]), w = static_cast<double>(want[i]);
    if (!(std::fabs(g - w) <= tolerance * std::fmax(std::fabs(w), floor))) {
      return ::testing::AssertionFailure()
             << "element " << i << ": " << g << ", not " << w << " (off by " << g - w << ")";
    }
  }
  return ::testing::AssertionSuccess();
}

/// ||got - want|| / ||want||.
template <class A, class B>
double relative_error(const std::vector<A>& got, const std::vector<B>& want) {
  if (got.size() != want.size()) return HUGE_VAL;
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double g = static_cast<double>(got[i]), w = static_cast<double>(want[i]);
    difference += (g - w) * (g - w);
    size += w * w;
  }
  return std::sqrt(difference) / std::sqrt(size);
}

}  // namespace stampede::testing
