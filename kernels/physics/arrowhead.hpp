#pragma once
/// \file Linear systems whose matrix is an arrowhead: a 6x6 block B of the base, a JxJ block L for each limb, and a Jx6
/// block C that couples the limb with the base. Limbs do not couple with each other:
///
///     [ B   C0' C1' C2' ]
///     [ C0  L0          ]   a lane holds its limb's L and C
///     [ C1      L1      ]   and a share of B
///     [ C2          L2  ]
///
/// Each lane factors its limb's block (L D L'). The base's Schur complement B - sum of C' L^-1 C is summed over the
/// group, and every lane of the group factors it for itself.

#include "kernels/physics/dynamics.hpp"

namespace stampede {

// The time that a small system takes is that of its longest chain of operations that wait for each other. So, below,
// what is ready early is used first, and what is ready last is used last.

/// Symmetric N x N, in place: unit lower triangle and, on the diagonal, the reciprocals of D.
template <int N, class Real>
STAMPEDE_FN void factor(Real (&a)[N * (N + 1) / 2]) {
  STAMPEDE_UNROLL
  for (int j = 0; j < N; ++j) {
    const Real d = reciprocal(a[lower(j, j)]);
    // The next pivot first, because the next column waits for it. The square does not wait for d.
    if (j + 1 < N) a[lower(j + 1, j + 1)] -= a[lower(j + 1, j)] * a[lower(j + 1, j)] * d;
    Real l[N];
    STAMPEDE_UNROLL
    for (int i = j + 1; i < N; ++i) l[i] = a[lower(i, j)] * d;
    STAMPEDE_UNROLL
    for (int i = j + 2; i < N; ++i) {
      STAMPEDE_UNROLL
      for (int k = j + 1; k <= i; ++k) a[lower(i, k)] -= l[i] * a[lower(k, j)];
    }
    STAMPEDE_UNROLL
    for (int i = j + 1; i < N; ++i) a[lower(i, j)] = l[i];
    a[lower(j, j)] = d;
  }
}
/// b = L^-1 b.
template <int N, class Real>
STAMPEDE_FN void forward(const Real (&a)[N * (N + 1) / 2], Real (&b)[N]) {
  STAMPEDE_UNROLL
  for (int i = 1; i < N; ++i) {
    STAMPEDE_UNROLL
    for (int j = 0; j < i; ++j) b[i] -= a[lower(i, j)] * b[j];
  }
}
/// b = L'^-1 b.
template <int N, class Real>
STAMPEDE_FN void backward(const Real (&a)[N * (N + 1) / 2], Real (&b)[N]) {
  STAMPEDE_UNROLL
  for (int i = N - 2; i >= 0; --i) {
    STAMPEDE_UNROLL
    for (int j = N - 1; j > i; --j) b[i] -= a[lower(j, i)] * b[j];
  }
}

template <class Real, int J>
STAMPEDE_FN void copy_coupling(const LimbBlock<Real, J>& from, LimbBlock<Real, J>& to) {
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    STAMPEDE_UNROLL
    for (int c = 0; c < 6; ++c) to.coupling[i][c] = from.coupling[i][c];
  }
}
template <class Real, int J>
STAMPEDE_FN void copy(const LimbBlock<Real, J>& from, LimbBlock<Real, J>& to) {
  STAMPEDE_UNROLL
  for (int r = 0; r < J * (J + 1) / 2; ++r) to.block[r] = from.block[r];
  copy_coupling(from, to);
}

/// A composite inertia as the 6x6 matrix that takes [omega'; p''] to forces.
template <class Real>
STAMPEDE_FN void inertia_block(const RigidInertia<Real>& c, Real (&m)[21]) {
  const Real o(0);
  const Sym3<Real>& r = c.rotational;
  m[lower(0, 0)] = r.xx, m[lower(1, 0)] = r.xy, m[lower(1, 1)] = r.yy;
  m[lower(2, 0)] = r.xz, m[lower(2, 1)] = r.yz, m[lower(2, 2)] = r.zz;
  m[lower(3, 0)] = o, m[lower(3, 1)] = c.moment.z, m[lower(3, 2)] = -c.moment.y;
  m[lower(4, 0)] = -c.moment.z, m[lower(4, 1)] = o, m[lower(4, 2)] = c.moment.x;
  m[lower(5, 0)] = c.moment.y, m[lower(5, 1)] = -c.moment.x, m[lower(5, 2)] = o;
  m[lower(3, 3)] = m[lower(4, 4)] = m[lower(5, 5)] = c.mass;
  m[lower(4, 3)] = m[lower(5, 3)] = m[lower(5, 4)] = o;
}

/// Solves for (base, joint), in world axes. The base's block and right side come as a lane's share, which is summed
/// over the group, and a part that all its lanes have. Overwrites `share`, `limb` and `right_limb`. With a fixed base,
/// `base` is 0.
template <class Shape, class Real, int J>
STAMPEDE_FN void solve_arrowhead(bool floating, Real (&share)[21], const Real (&common)[21], LimbBlock<Real, J>& limb,
                                 const Real (&right_share)[6], const Real (&right_common)[6], Real (&right_limb)[J],
                                 Real (&base)[6], Real (&joint)[J]) {
  factor<J>(limb.block);
  forward<J>(limb.block, right_limb);
  if (floating) {
    STAMPEDE_UNROLL
    for (int i = 1; i < J; ++i) {
      STAMPEDE_UNROLL
      for (int j = 0; j < i; ++j) {
        STAMPEDE_UNROLL
        for (int c = 0; c < 6; ++c) limb.coupling[i][c] -= limb.block[lower(i, j)] * limb.coupling[j][c];
      }
    }
    STAMPEDE_UNROLL
    for (int c = 0; c < 6; ++c) {
      Real scaled[J];
      STAMPEDE_UNROLL
      for (int i = 0; i < J; ++i) scaled[i] = limb.coupling[i][c] * limb.block[lower(i, i)];
      Real right = right_share[c];
      STAMPEDE_UNROLL
      for (int i = 0; i < J; ++i) right -= scaled[i] * right_limb[i];
      base[c] = group_sum<Shape::kGroup>(right) + right_common[c];
      STAMPEDE_UNROLL
      for (int d = 0; d <= c; ++d) {
        Real entry = share[lower(c, d)];
        STAMPEDE_UNROLL
        for (int i = 0; i < J; ++i) entry -= scaled[i] * limb.coupling[i][d];
        share[lower(c, d)] = group_sum<Shape::kGroup>(entry) + common[lower(c, d)];
      }
    }
    factor<6>(share);
    forward<6>(share, base);
    STAMPEDE_UNROLL
    for (int c = 0; c < 6; ++c) base[c] *= share[lower(c, c)];
    backward<6>(share, base);
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      STAMPEDE_UNROLL
      for (int c = 5; c >= 0; --c) right_limb[i] -= limb.coupling[i][c] * base[c];
    }
  } else {
    STAMPEDE_UNROLL
    for (int c = 0; c < 6; ++c) base[c] = Real(0);
  }
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) joint[i] = right_limb[i] * limb.block[lower(i, i)];
  backward<J>(limb.block, joint);
}

/// The sum of products; where it is long, in two halves, whose additions do not wait for each other.
template <int N, class Real>
STAMPEDE_FN Real dot(const Real (&a)[N], const Real (&b)[N]) {
  constexpr int kHalf = N > 4 ? N / 2 : N;
  Real sum = a[0] * b[0];
  STAMPEDE_UNROLL
  for (int i = 1; i < kHalf; ++i) sum += a[i] * b[i];
  if constexpr (kHalf < N) {
    Real rest = a[kHalf] * b[kHalf];
    STAMPEDE_UNROLL
    for (int i = kHalf + 1; i < N; ++i) rest += a[i] * b[i];
    sum += rest;
  }
  return sum;
}

/// M x: the base's part as a share and a common part, and the limb's.
template <class Real, int J>
STAMPEDE_FN void multiply(const MassMatrix<Real, J>& m, const Real (&base)[6], const Real (&joint)[J], Real (&share)[6],
                          Real (&common)[6], Real (&limb)[J]) {
  unpack(m.base * pack_spatial(base), common);
  STAMPEDE_UNROLL
  for (int c = 0; c < 6; ++c) {
    share[c] = m.limb.coupling[0][c] * joint[0];
    STAMPEDE_UNROLL
    for (int i = 1; i < J; ++i) share[c] += m.limb.coupling[i][c] * joint[i];
  }
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    limb[i] = m.limb.block[lower(i, 0)] * joint[0];
    STAMPEDE_UNROLL
    for (int j = 1; j < J; ++j) limb[i] += m.limb.block[lower(i, j)] * joint[j];
    limb[i] += dot(m.limb.coupling[i], base);
  }
}

}  // namespace stampede
