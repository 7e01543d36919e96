#pragma once
/// \file Uniform random numbers on the host, the same on every platform.

#include <cmath>
#include <cstdint>
#include <random>

namespace stampede {

class Uniform {
 public:
  explicit Uniform(std::uint64_t seed) : generator_(seed) {}
  /// In [low, high).
  double operator()(double low, double high) {
    return low + (high - low) * (static_cast<double>(generator_() >> 11) * 0x1.0p-53);
  }

 private:
  std::mt19937_64 generator_;
};

/// Draws a rotation, all equally likely: sets `quaternion` to w x y z of unit length.
inline void turn_anywhere(Uniform& uniform, double* quaternion) {
  double norm2 = 0;
  while (norm2 < 0.01 || norm2 > 1) {
    norm2 = 0;
    for (int i = 0; i < 4; ++i) {
      quaternion[i] = uniform(-1, 1);
      norm2 += quaternion[i] * quaternion[i];
    }
  }
  for (int i = 0; i < 4; ++i) quaternion[i] /= std::sqrt(norm2);
}

}  // namespace stampede
