#pragma once
/// \file The cost of a contact: force and curvature from the residual of its three rows.
///
/// With r = (t1, t2, n) = J a - aref, D the stiffness of the normal row, mu = f / sqrt(impratio), N = mu r_n and
/// T = f |r_t|, an elliptic cone costs nothing where N >= mu T (zone 0), the sum of D_j r_j^2 / 2 where mu N + T <= 0
/// (zone 1, sticking), and Dm (N - mu T)^2 / 2 in between (zone 2, sliding), Dm = D / (mu^2 (1 + mu^2)). Multiplied out, mu
/// stays in D / (1 + mu^2) and mu^2 alone. A pyramid's four edges r_n +- f r_t are one-sided rows each; its zone tells
/// which of them push.

#include "kernels/physics/contact.hpp"

namespace stampede {

/// Sets the contact's force (minus the slope of the cost), Hessian and zone; returns 1 / |r_t|.
template <class Real, int J>
STAMPEDE_FN Real evaluate_elliptic(Contact<Real, J>& c, Vec3<Real> r) {
  const Real zero(0);
  const Real slip2 = r.x * r.x + r.y * r.y;
  const Real inverse = reciprocal_sqrt(max(slip2, Real(1e-30f)));
  const Real t = c.friction * (slip2 * inverse);
  const Real ux = r.x * inverse, uy = r.y * inverse;
  const MaskOf<Real> free = r.z >= t;
  const MaskOf<Real> stick = c.mu2 * r.z + t <= zero && !free;
  const MaskOf<Real> slide = !(free || stick);
  const Real over = r.z - t;  // negative when sliding
  const Real drag = c.drag_stiffness * over;
  c.force.z = select(free, zero, select(stick, -c.stiffness * r.z, -c.cone_stiffness * over));
  c.force.x = select(free, zero, select(stick, -c.tangent_stiffness * r.x, drag * ux));
  c.force.y = select(free, zero, select(stick, -c.tangent_stiffness * r.y, drag * uy));
  // Sliding: Dm E [w w' + (mu (mu T - N) / T) P] E, with E = diag(mu, f, f), w = (1, -mu u) and P what is across u.
  const Real across = -drag * inverse;
  const Real along = c.turn_stiffness - across;
  const Real upright = select(free, zero, c.tangent_stiffness);
  c.hessian.zz = select(free, zero, select(stick, c.stiffness, c.cone_stiffness));
  c.hessian.xz = select(slide, -c.drag_stiffness * ux, zero);
  c.hessian.yz = select(slide, -c.drag_stiffness * uy, zero);
  c.hessian.xy = select(slide, along * ux * uy, zero);
  c.hessian.xx = select(slide, across + along * ux * ux, upright);
  c.hessian.yy = select(slide, across + along * uy * uy, upright);
  c.zone = select(free, zero, select(stick, Real(1), Real(2)));
  return inverse;
}

/// The same for a pyramid; returns 0.
template <class Real, int J>
STAMPEDE_FN Real evaluate_pyramid(Contact<Real, J>& c, Vec3<Real> r) {
  const Real zero(0), f = c.friction;
  const Real edge[4] = {r.z + f * r.x, r.z - f * r.x, r.z + f * r.y, r.z - f * r.y};
  Real force[4], on[4];
  c.zone = zero;
  STAMPEDE_UNROLL
  for (int i = 0; i < 4; ++i) {
    const MaskOf<Real> pushes = edge[i] < zero;
    on[i] = select(pushes, c.cone_stiffness, zero);
    force[i] = -on[i] * edge[i];
    c.zone += select(pushes, Real(static_cast<float>(1 << i)), zero);
  }
  c.force = {f * (force[0] - force[1]), f * (force[2] - force[3]), force[0] + force[1] + force[2] + force[3]};
  c.hessian = {f * f * (on[0] + on[1]),      zero, f * (on[0] - on[1]), f * f * (on[2] + on[3]), f * (on[2] - on[3]),
               on[0] + on[1] + on[2] + on[3]};
  return zero;
}

/// Stiffness of the tangential rows and of the cone, from the normal row's.
template <class Real, int J>
STAMPEDE_FN void shape_cone(Contact<Real, J>& c, bool pyramidal, const PhysicsOptions<ScalarOf<Real>>& options) {
  const MaskOf<Real> rough = c.friction > Real(0);
  c.mu2 = select(rough, c.friction * c.friction * Real(options.inverse_impratio), Real(1));
  if (pyramidal) {
    // R of every edge is 2 mu^2 (1 + f^2) R; a contact without friction has one row, here split over four.
    const Real spread = Real(2) * c.mu2 * (Real(1) + c.friction * c.friction);
    c.cone_stiffness = c.stiffness * select(rough, reciprocal(spread), Real(0.25f));
    c.tangent_stiffness = c.drag_stiffness = c.turn_stiffness = Real(0);
  } else {
    c.cone_stiffness = c.stiffness * reciprocal(Real(1) + c.mu2);
    c.drag_stiffness = c.cone_stiffness * c.friction;
    c.turn_stiffness = c.drag_stiffness * c.friction;
    c.tangent_stiffness = select(rough, c.stiffness * Real(options.impratio), Real(0));
  }
}

}  // namespace stampede
