#pragma once
/// \file The cost of a contact: force and curvature from the residual of its three rows.
///
/// With r = (t1, t2, n) = J a - aref, D the stiffness of the normal row, mu = f / sqrt(impratio), N = mu r_n and
/// T = f |r_t|, an elliptic cone costs nothing where N >= mu T (zone 0), the sum of D_j r_j^2 / 2 where mu N + T <= 0
/// (zone 1, sticking), and Dm (N - mu T)^2 / 2 in between (zone 2, sliding), Dm = D / (mu^2 (1 + mu^2)). A pyramid's
/// four edges r_n +- f r_t are one-sided rows each; its zone tells which of them push.

#include "kernels/physics/contact.hpp"

namespace stampede {

/// What `evaluate_cone` finds.
template <class Real>
struct Cone {
  Vec3<Real> force;  ///< minus the slope of the cost
  Sym3<Real> hessian;
  Real zone;
  Real inverse_slip;  ///< elliptic: 1 / |r_t|
};

template <class Real, int J>
STAMPEDE_FN Cone<Real> evaluate_elliptic(const Contact<Real, J>& c, Vec3<Real> r) {
  Cone<Real> cone;
  const Real zero(0);
  const Real f = c.friction, mu = c.mu;
  const Real slip2 = r.x * r.x + r.y * r.y;
  const Real inverse = reciprocal_sqrt(max(slip2, Real(1e-30f)));
  const Real t = f * (slip2 * inverse), n = mu * r.z;
  const Real ux = r.x * inverse, uy = r.y * inverse;
  const MaskOf<Real> free = n >= mu * t;
  const MaskOf<Real> stick = mu * n + t <= zero && !free;
  const MaskOf<Real> slide = !(free || stick);
  const Real over = n - mu * t;  // negative when sliding
  const Real push = c.cone_stiffness * over * mu;
  const Real drag = push * f;
  cone.force.z = select(free, zero, select(stick, -c.stiffness * r.z, -push));
  cone.force.x = select(free, zero, select(stick, -c.tangent_stiffness * r.x, drag * ux));
  cone.force.y = select(free, zero, select(stick, -c.tangent_stiffness * r.y, drag * uy));
  // Sliding: Dm E [w w' + (mu (mu T - N) / T) P] E, with w = (1, -mu u) and P what is across u: two terms of rank one.
  const Real scale = c.cone_stiffness * f;
  const Real cross_slip = -(mu * over) * inverse * scale;  // f^2 Dm mu (mu T - N) / T
  const Real normal = c.cone_stiffness * mu * mu;
  const Real along = mu * mu * scale * f - cross_slip;
  const Real tilt = -normal * f;
  const Real upright = select(free, zero, c.tangent_stiffness);
  cone.hessian.zz = select(free, zero, select(stick, c.stiffness, normal));
  cone.hessian.xz = select(slide, tilt * ux, zero);
  cone.hessian.yz = select(slide, tilt * uy, zero);
  cone.hessian.xy = select(slide, along * ux * uy, zero);
  cone.hessian.xx = select(slide, cross_slip + along * ux * ux, upright);
  cone.hessian.yy = select(slide, cross_slip + along * uy * uy, upright);
  cone.zone = select(free, zero, select(stick, Real(1), Real(2)));
  cone.inverse_slip = inverse;
  return cone;
}

template <class Real, int J>
STAMPEDE_FN Cone<Real> evaluate_pyramid(const Contact<Real, J>& c, Vec3<Real> r) {
  const Real zero(0), f = c.friction;
  const Real edge[4] = {r.z + f * r.x, r.z - f * r.x, r.z + f * r.y, r.z - f * r.y};
  Real force[4], on[4];
  Cone<Real> cone;
  cone.zone = cone.inverse_slip = zero;
  STAMPEDE_UNROLL
  for (int i = 0; i < 4; ++i) {
    const MaskOf<Real> pushes = edge[i] < zero;
    on[i] = select(pushes, c.cone_stiffness, zero);
    force[i] = -on[i] * edge[i];
    cone.zone += select(pushes, Real(static_cast<float>(1 << i)), zero);
  }
  cone.force = {f * (force[0] - force[1]), f * (force[2] - force[3]), force[0] + force[1] + force[2] + force[3]};
  cone.hessian = {f * f * (on[0] + on[1]),      zero, f * (on[0] - on[1]), f * f * (on[2] + on[3]), f * (on[2] - on[3]),
                  on[0] + on[1] + on[2] + on[3]};
  return cone;
}

/// Stiffness of the tangential rows and of the cone, from the normal row's.
template <class Real, int J>
STAMPEDE_FN void shape_cone(Contact<Real, J>& c, bool pyramidal, Real impratio) {
  const MaskOf<Real> rough = c.friction > Real(0);
  const Real mu2 = select(rough, c.friction * c.friction / impratio, Real(1));
  if (pyramidal) {
    // R of every edge is 2 mu^2 (1 + f^2) R; a contact without friction has one row, here split over four.
    const Real spread = Real(2) * mu2 * (Real(1) + c.friction * c.friction);
    c.cone_stiffness = select(rough, c.stiffness / spread, c.stiffness * Real(0.25f));
    c.tangent_stiffness = Real(0);
    c.mu = Real(1);
  } else {
    c.mu = select(rough, c.friction / sqrt(impratio), Real(1));
    c.cone_stiffness = c.stiffness / (mu2 * (Real(1) + mu2));
    c.tangent_stiffness = select(rough, c.stiffness * impratio, Real(0));
  }
}

}  // namespace stampede
