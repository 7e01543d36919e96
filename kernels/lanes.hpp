#pragma once
/// \file Lanes: the number types that kernels are templates on, and the operations that all of them share.
///
/// | Real             | where                         | lanes | mask           |
/// |------------------|-------------------------------|-------|----------------|
/// | float            | CUDA (a thread a lane), tests | 1     | bool           |
/// | double           | reference values of tests     | 1     | bool           |
/// | Pack<float, W>   | CPU: W = 16, 8, 4             | W     | Mask<W>        |
/// | Pack<double, W>  | physics in double precision   | W     | Mask<W, 8>     |
///
/// Shared operations: + - * / and comparisons; `select any all min max abs sqrt round_nearest`; `load store load_first
/// store_first load_strided store_strided gather`; integers of as many lanes (`IntOf`, `UintOf`) with `bits_of`,
/// `real_of_bits`, `to_real`, `to_int`, `multiply_wide`; `group_sum<K>` over aligned groups of K lanes. A branch never
/// depends on a single lane's number: kernels `select` between results, and only skip, by `any`, what no lane needs.
///
/// Pack<T, N> is a thin wrapper over the compiler's vector extension. nvcc cannot instantiate it, so packs exist in
/// .cpp files only.

#include "kernels/one_lane.hpp"
#if !defined(__CUDACC__)
#include "kernels/packs.hpp"
#endif

namespace stampede {

/// What a kernel computes with: its own number type where it names one (`Real`), else the backend's.
template <class Kernel, class Default>
struct KernelReal {
  using type = Default;
};
template <class Kernel, class Default>
requires requires { typename Kernel::Real; }
struct KernelReal<Kernel, Default> {
  using type = typename Kernel::Real;
};

/// The type of the numbers that a backend's kernels are compiled for: its packs, or float.
template <class Backend>
struct LaneOf {
  using type = float;
};
template <class Backend>
requires requires { typename Backend::Real; }
struct LaneOf<Backend> {
  using type = typename Backend::Real;
};

}  // namespace stampede
