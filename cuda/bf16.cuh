#pragma once
/// \file Numbers in BF16: the upper half of a single-precision number, with its range and 8 significant bits.

#include <cstdint>
#include <type_traits>

#include "kernels/lanes.hpp"

namespace stampede {

struct Bf16 {
  std::uint16_t bits;
};

/// Elements whose strides in memory are multiples of this many begin on 16 bytes, as tensor cores' products want them.
inline constexpr Index kBf16Quantum = 8;
inline Index whole_bf16_quanta(Index n) { return (n + kBf16Quantum - 1) / kBf16Quantum * kBf16Quantum; }

/// The value, which is exact.
STAMPEDE_FN float widened(Bf16 x) { return real_of_bits(static_cast<std::int32_t>(std::uint32_t{x.bits} << 16)); }
STAMPEDE_FN float widened(float x) { return x; }

/// The nearest number of type T, of two equally near the even one, as the hardware rounds. NaN stays NaN.
template <class T>
STAMPEDE_FN T narrowed(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else {
    const auto bits = static_cast<std::uint32_t>(bits_of(x));
    // The carry would turn some NaN into an infinity or a zero.
    if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
    return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
  }
}

}  // namespace stampede
