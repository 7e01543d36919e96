#pragma once
/// \file What tests of kernels share: all widths of a pack, awkward sizes, exact and inexact comparison.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/lanes.hpp"

#ifndef STAMPEDE_PACK_WIDTH
#define STAMPEDE_PACK_WIDTH 4
#endif

namespace stampede::testing {

/// Whether this build forbids contraction, so that all widths must give the same bits.
#ifdef STAMPEDE_PARITY
inline constexpr bool kParity = true;
#else
inline constexpr bool kParity = false;
#endif

inline constexpr Index kSizes[] = {1, 31, 32, 33, 4097};

/// The widest pack of this instruction set.
using Widest = Pack<float, STAMPEDE_PACK_WIDTH>;

template <class Body>
void with_width(const char* name, const Body& body) {
  SCOPED_TRACE(std::string("width ") + name);
  body();
}

/// Calls body.operator()<Real>() for float and for the packs of up to this instruction set's width, as none wider is
/// ever used on it.
template <class Body>
void for_each_width(const Body& body) {
  with_width("1", [&] { body.template operator()<float>(); });
  with_width("4", [&] { body.template operator()<Pack<float, 4>>(); });
#if STAMPEDE_PACK_WIDTH >= 8
  with_width("8", [&] { body.template operator()<Pack<float, 8>>(); });
#endif
#if STAMPEDE_PACK_WIDTH >= 16
  with_width("16", [&] { body.template operator()<Pack<float, 16>>(); });
#endif
}

/// The same for one lane and the widest pack alone, where bodies are long: every width is the widest of some
/// instruction set.
template <class Body>
void for_scalar_and_widest(const Body& body) {
  with_width("1", [&] { body.template operator()<float>(); });
  with_width("widest", [&] { body.template operator()<Widest>(); });
}

/// Runs a kernel over n elements, the last pack's surplus lanes included.
template <class Real, class Kernel>
void run(Index n, const Kernel& kernel) {
  for (Index i = 0; i < n; i += kLanes<Real>) kernel.template operator()<Real>(i);
}

/// Values of one lane.
STAMPEDE_FN float lane(float x, int) { return x; }
STAMPEDE_FN std::int32_t lane(std::int32_t x, int) { return x; }
STAMPEDE_FN std::uint32_t lane(std::uint32_t x, int) { return x; }
template <class T, int N>
T lane(const Pack<T, N>& x, int i) {
  return x[i];
}
STAMPEDE_FN bool lane(bool mask, int) { return mask; }
template <int N>
bool lane(const Mask<N>& mask, int i) {
  return mask.v[i] != 0;
}

/// n floats, padded as kernels want them and no further, so that AddressSanitizer sees what reaches beyond.
inline std::vector<float> floats(Index n, float value = 0.0f) {
  return std::vector<float>(static_cast<std::size_t>(padded(n)), value);
}
/// The same with uniform random values.
inline std::vector<float> random_floats(Index n, float low, float high, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values = floats(n);
  for (float& x : values) x = uniform(generator);
  return values;
}

inline std::uint32_t word_of(float x) { return static_cast<std::uint32_t>(bits_of(x)); }

/// Whether the first n floats are the same bit for bit.
inline ::testing::AssertionResult same_bits(const std::vector<float>& a, const std::vector<float>& b, Index n) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    if (word_of(a[i]) == word_of(b[i])) continue;
    return ::testing::AssertionFailure() << "element " << i << ": " << a[i] << " is not the same bits as " << b[i];
  }
  return ::testing::AssertionSuccess();
}

/// The distance of two floats around `want`, in units of its last place.
inline double ulps(double got, double want) {
  int exponent = 0;
  std::frexp(want, &exponent);
  return std::fabs(got - want) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

/// The largest |a - b| / max(|b|, floor); infinite where something is not finite.
struct Worst {
  double error = 0;
  void take(double got, double want, double floor) {
    const double e = std::fabs(got - want) / std::max(std::fabs(want), floor);
    if (!(e <= error)) error = std::isfinite(e) ? e : HUGE_VAL;
  }
};

/// The width under test against one lane: the same bits in the parity build, else as near as rounding allows.
inline void expect_as_scalar(const std::vector<float>& got, const std::vector<float>& scalar, Index n, double tolerance,
                             double floor) {
  if (kParity) {
    EXPECT_TRUE(same_bits(got, scalar, n));
    return;
  }
  Worst worst;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    worst.take(static_cast<double>(got[i]), static_cast<double>(scalar[i]), floor);
  }
  EXPECT_LE(worst.error, tolerance);
}

}  // namespace stampede::testing
