#pragma once
/// \file From lanes to environments and back. K lanes, a group, are one environment: lane = environment * K + limb.
/// What belongs to an environment is the same in all its lanes; what belongs to a limb, or to a joint of it, is each
/// lane's own.
///
///     lane           0  1  2  3 | 4  5  6  7 | 8 ...
///     environment    0  0  0  0 | 1  1  1  1 | 2        K = 4
///     limb           0  1  2  3 | 0  1  2  3 | 0

#include "kernels/lanes.hpp"

namespace stampede {

/// Numbers of the limbs, repeated over the widest pack: lane l has that of limb l mod K. K divides kMaxLanes.
template <class T>
struct LimbTable {
  T value[kMaxLanes];
};

/// A table's numbers for the lanes from `lane` on.
template <class Real>
STAMPEDE_FN Real of_limbs(const LimbTable<float>& table, [[maybe_unused]] Index lane) {
  if constexpr (ScalarLane<Real>) {
    return table.value[lane % kMaxLanes];
  } else {
    return load<Real>(table.value);
  }
}

/// Places in an environment's row, one a limb; below 0 where the limb has none.
using LimbPlaces = LimbTable<std::int32_t>;

/// Writes each lane's number to its place in the row of its environment: rows[environment * stride + place * step].
template <int K, class Real>
STAMPEDE_FN void scatter_to_rows(float* rows, Index stride, Index step, const LimbPlaces& places, Index lane, Real x) {
  if constexpr (ScalarLane<Real>) {
    const std::int32_t place = places.value[lane % kMaxLanes];
    if (place >= 0) rows[lane / K * stride + place * step] = x;
  } else {
    STAMPEDE_NO_UNROLL
    for (int l = 0; l < kLanes<Real>; ++l) {
      const std::int32_t place = places.value[l];
      if (place >= 0) rows[(lane + l) / K * stride + place * step] = x[l];
    }
  }
}

/// Reads each lane's number from its place in the row of its environment, as scatter_to_rows writes it; 0 where it has
/// none.
template <int K, class Real>
STAMPEDE_FN Real gather_from_rows(const float* rows, Index stride, Index step, const LimbPlaces& places, Index lane) {
  if constexpr (ScalarLane<Real>) {
    const std::int32_t place = places.value[lane % kMaxLanes];
    return place >= 0 ? rows[lane / K * stride + place * step] : 0.0f;
  } else {
    Real x(0.0f);
    STAMPEDE_NO_UNROLL
    for (int l = 0; l < kLanes<Real>; ++l) {
      const std::int32_t place = places.value[l];
      if (place >= 0) x.set(l, rows[(lane + l) / K * stride + place * step]);
    }
    return x;
  }
}

/// The environments' numbers, the same in each lane of a group.
template <int K, class Real>
STAMPEDE_FN Real load_each(const float* p, Index lane) {
  if constexpr (ScalarLane<Real>) {
    return p[lane / K];
  } else {
    Real x;
    STAMPEDE_UNROLL
    for (int l = 0; l < kLanes<Real>; ++l) x.set(l, p[(lane + l) / K]);
    return x;
  }
}

/// Writes the number of each group's first lane to its environment's place.
template <int K, class Real>
STAMPEDE_FN void store_each(float* p, Index lane, Real x) {
  if constexpr (ScalarLane<Real>) {
    if (lane % K == 0) p[lane / K] = x;
  } else {
    STAMPEDE_UNROLL
    for (int l = 0; l < kLanes<Real>; l += K) p[(lane + l) / K] = x[l];
  }
}

/// Adds the number of each group's first lane, an integer of at least 0, to its environment's counter.
template <int K, class Real>
STAMPEDE_FN void count_each(std::uint32_t* p, Index lane, Real x) {
  if constexpr (ScalarLane<Real>) {
    if (lane % K == 0) p[lane / K] += static_cast<std::uint32_t>(x);
  } else {
    STAMPEDE_UNROLL
    for (int l = 0; l < kLanes<Real>; l += K) p[(lane + l) / K] += static_cast<std::uint32_t>(x[l]);
  }
}

/// The environments' indices, the same in each lane of a group.
template <int K, class Real>
STAMPEDE_FN UintOf<Real> environment_indices(Index lane) {
  constexpr int kBits = K == 1 ? 0 : K == 2 ? 1 : K == 4 ? 2 : 3;
  return lane_indices<Real>(lane) >> kBits;
}

/// Largest number of the group, in all its lanes.
template <int K, class Real>
STAMPEDE_FN Real group_max(Real x) {
  return -group_min<K>(-x);
}

}  // namespace stampede
