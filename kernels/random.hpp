#pragma once
/// \file Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
/// 2011).
///
/// A number is a function of (seed, environment, step, purpose, how many were drawn before it) and of nothing else, so
/// results do not depend on threads, packs or the order of the environments. Checked against Random123 in
/// tests/kernels/random_test.cpp.

#include "kernels/lanes.hpp"
#include "kernels/math.hpp"

namespace stampede {

/// What a random number is for; numbers of different purposes are independent.
enum class Purpose : std::uint32_t {
  kReset = 1,
  kAction = 2,
  kShuffle = 3,
  kPhase = 4,
  kRandomAction = 5,
  kInitialise = 6,
  kTerrain = 7,
  kRandomise = 8,
  kCommand = 9,
  kPush = 10,
  kNoise = 11,
  kLevel = 12,
  kMounting = 13,
  kCamera = 14,
  kFormula = 15,
  kLatency = 16,
};

/// Philox4x32-10: encrypts `counter` with the key, in place.
template <class Uint>
STAMPEDE_FN void philox(Uint (&counter)[4], std::uint32_t key0, std::uint32_t key1) {
  STAMPEDE_UNROLL
  for (int round = 0; round < 10; ++round) {
    Uint high0, low0, high1, low1;
    multiply_wide(Uint(0xD2511F53u), counter[0], high0, low0);
    multiply_wide(Uint(0xCD9E8D57u), counter[2], high1, low1);
    const Uint x1 = counter[1], x3 = counter[3];
    counter[0] = high1 ^ x1 ^ Uint(key0);
    counter[1] = low1;
    counter[2] = high0 ^ x3 ^ Uint(key1);
    counter[3] = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/// The stream of one environment at one step for one purpose.
template <class Real>
class Random {
 public:
  using Uint = UintOf<Real>;

  STAMPEDE_FN Random(std::uint64_t seed, Uint environment, std::uint32_t step, Purpose purpose)
      : environment_(environment),
        step_(step),
        purpose_(static_cast<std::uint32_t>(purpose) << 16),
        key0_(static_cast<std::uint32_t>(seed)),
        key1_(static_cast<std::uint32_t>(seed >> 32)) {}

  /// 32 random bits.
  STAMPEDE_FN Uint bits() {
    if (used_ == 4) {
      words_[0] = environment_;
      words_[1] = Uint(step_);
      words_[2] = Uint(purpose_ + block_);
      words_[3] = Uint(0u);
      philox(words_, key0_, key1_);
      used_ = 0;
      ++block_;
    }
    return words_[used_++];
  }

  /// Uniform on [0, 1), a multiple of 2^-24.
  STAMPEDE_FN Real uniform() { return to_real<Real>(as_signed(bits() >> 8)) * Real(5.9604644775390625e-8f); }

  /// Uniform on [low, high).
  STAMPEDE_FN Real uniform(Real low, Real high) { return low + (high - low) * uniform(); }

  /// Two independent standard normal numbers (Box and Muller).
  STAMPEDE_FN void normal_pair(Real& a, Real& b) {
    const Real radius = sqrt(Real(-2.0f) * log(Real(1.0f) - uniform()));
    Real sine, cosine;
    sincos(Real(static_cast<ScalarOf<Real>>(2 * kPi)) * uniform(), sine, cosine);
    a = radius * cosine;
    b = radius * sine;
  }

  /// A standard normal number.
  STAMPEDE_FN Real normal() {
    Real a, b;
    normal_pair(a, b);
    return a;
  }

 private:
  Uint words_[4];
  Uint environment_;
  std::uint32_t step_, purpose_, key0_, key1_;
  std::uint32_t block_ = 0;
  int used_ = 4;
};

/// A pseudo-random permutation of 0 … n-1 that needs no memory: a Feistel network permutes the numbers below the next
/// power of four, and is applied again and again until the result is below n (Black and Rogaway, "Ciphers with
/// arbitrary finite domains", 2002). Returns the place of `index`; indices from n on map to 0. The rounds' keys are a
/// Philox block of the seed, the counter and the rank.
template <class Real>
STAMPEDE_FN UintOf<Real> permute(UintOf<Real> index, std::uint32_t n, std::uint64_t seed, std::uint32_t counter,
                                 std::uint32_t rank = 0) {
  using Uint = UintOf<Real>;
  int half_bits = 1;
  while ((std::uint64_t{1} << (2 * half_bits)) < n) ++half_bits;
  const std::uint32_t mask = (std::uint32_t{1} << half_bits) - 1;
  std::uint32_t keys[4] = {counter, rank, static_cast<std::uint32_t>(Purpose::kShuffle) << 16, 0u};
  philox(keys, static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  const auto encrypt = [&](Uint x) {
    Uint left = x >> half_bits, right = x & Uint(mask);
    STAMPEDE_NO_UNROLL
    for (std::uint32_t round = 0; round < 6; ++round) {
      // The 64-bit product with an odd constant, both halves folded together, mixes all bits of its input.
      Uint high, low;
      multiply_wide(Uint(0xD2511F53u), right + Uint(keys[round % 4] + round * 0xBB67AE85u), high, low);
      const Uint mixed = high ^ low;
      const Uint next = left ^ ((mixed ^ (mixed >> 15)) & Uint(mask));
      left = right;
      right = next;
    }
    return (left << half_bits) | right;
  };
  const auto outside = index >= Uint(n);
  Uint x = encrypt(select(outside, Uint(0u), index));
  while (any(x >= Uint(n))) x = select(x >= Uint(n), encrypt(x), x);
  return select(outside, Uint(0u), x);
}

}  // namespace stampede
