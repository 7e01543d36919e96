#pragma once
/// \file The cost of a contact: force and curvature from the residual of its three rows.
///
/// With r = (t1, t2, n) = J a - aref, D the stiffness of the normal row, mu = f / sqrt(impratio), N = mu r_n and T = f
/// |r_t|, an elliptic cone costs nothing where N >= mu T (zone 0, free), the sum of D_j r_j^2 / 2 where mu N + T <= 0
/// (zone 1, sticking), and Dm (N - mu T)^2 / 2 in between (zone 2, sliding), Dm = D / (mu^2 (1 + mu^2)). Multiplied
/// out, only mu^2 is needed, and the sliding cost is D / (1 + mu^2) (r_n - f |r_t|)^2 / 2:
///
///     r_n ^                 . r_n = f |r_t|
///         |    free     .
///         |         .
///         |     .        sliding
///       0 + ---------------------> |r_t|
///         |   .
///         |      .
///         | sticking . mu^2 r_n = -f |r_t|
///
/// A pyramid's four edges r_n +- f r_t are one-sided rows each; bit i of its zone says whether edge i pushes.

#include "kernels/physics/contact.hpp"

namespace stampede {

/// What a contact adds to the problem at a residual.
template <class Real>
struct ConeForce {
  Vec3<Real> force;    ///< minus the slope of the cost
  Sym3<Real> hessian;  ///< of the cost
  Real zone;           ///< which piece of the cost the residual is on
};

/// Where a residual is on an elliptic cone's cost.
template <class Real>
struct EllipticZone {
  MaskOf<Real> free, stick;  ///< not both; sliding where neither
  Real over;                 ///< r_n - f |r_t|: negative when sliding
  Real inverse_slip;         ///< 1 / |r_t|
  STAMPEDE_FN Real number() const { return select(free, Real(0), select(stick, Real(1), Real(2))); }
};

template <class Real, int J>
STAMPEDE_FN EllipticZone<Real> elliptic_zone(const Contact<Real, J>& c, Vec3<Real> r) {
  const Real slip2 = r.x * r.x + r.y * r.y;
  const Real inverse = reciprocal_sqrt(max(slip2, Real(1e-30f)));
  const Real t = c.friction * (slip2 * inverse);
  const MaskOf<Real> free = r.z >= t;
  return {free, c.mu2 * r.z + t <= Real(0) && !free, r.z - t, inverse};
}

template <class Real, int J>
STAMPEDE_FN ConeForce<Real> elliptic_force(const Contact<Real, J>& c, Vec3<Real> r) {
  const Real zero(0);
  const EllipticZone<Real> at = elliptic_zone(c, r);
  const Real inverse = at.inverse_slip, over = at.over;
  const Real ux = r.x * inverse, uy = r.y * inverse;
  const MaskOf<Real> free = at.free, stick = at.stick, slide = !(free || stick);
  const Real drag_stiffness = c.cone_stiffness * c.friction;
  const Real drag = drag_stiffness * over;
  ConeForce<Real> cone;
  cone.force.z = select(free, zero, select(stick, -c.stiffness * r.z, -c.cone_stiffness * over));
  cone.force.x = select(free, zero, select(stick, -c.tangent_stiffness * r.x, drag * ux));
  cone.force.y = select(free, zero, select(stick, -c.tangent_stiffness * r.y, drag * uy));
  // Sliding: Dm E [w w' + (mu (mu T - N) / T) P] E, with E = diag(mu, f, f) for (n, t1, t2), w = (1, -mu u) and P the
  // projection of the tangents onto the direction perpendicular to u.
  const Real across = -drag * inverse;
  const Real along = drag_stiffness * c.friction - across;
  const Real upright = select(free, zero, c.tangent_stiffness);
  cone.hessian.zz = select(free, zero, select(stick, c.stiffness, c.cone_stiffness));
  cone.hessian.xz = select(slide, -drag_stiffness * ux, zero);
  cone.hessian.yz = select(slide, -drag_stiffness * uy, zero);
  cone.hessian.xy = select(slide, along * ux * uy, zero);
  cone.hessian.xx = select(slide, across + along * ux * ux, upright);
  cone.hessian.yy = select(slide, across + along * uy * uy, upright);
  cone.zone = at.number();
  return cone;
}

template <class Real, int J>
STAMPEDE_FN ConeForce<Real> pyramid_force(const Contact<Real, J>& c, Vec3<Real> r) {
  const Real zero(0), f = c.friction;
  const Real edge[4] = {r.z + f * r.x, r.z - f * r.x, r.z + f * r.y, r.z - f * r.y};
  Real force[4], on[4];
  ConeForce<Real> cone;
  cone.zone = zero;
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

/// The cost on a line through the residuals: its derivatives at `r` along `v`.
template <class Real>
struct ConeSlope {
  Real slope, curvature, zone;
  Real inverse_slip;  ///< 1 / |r_t| of an elliptic cone
};

template <class Real, int J>
STAMPEDE_FN ConeSlope<Real> elliptic_slope(const Contact<Real, J>& c, Vec3<Real> r, Vec3<Real> v) {
  const Real zero(0);
  const EllipticZone<Real> at = elliptic_zone(c, r);
  const Real inverse = at.inverse_slip;
  const Real slipping = r.x * v.x + r.y * v.y, speed2 = v.x * v.x + v.y * v.y;
  const Real change = v.z - c.friction * (slipping * inverse);
  const Real push = c.cone_stiffness * at.over;
  const Real turn = (r.x * v.y - r.y * v.x) * inverse;
  const Real slide_curvature = c.cone_stiffness * (change * change) - push * (c.friction * (turn * turn * inverse));
  ConeSlope<Real> cone;
  cone.slope =
      select(at.free, zero, select(at.stick, c.stiffness * v.z * r.z + c.tangent_stiffness * slipping, push * change));
  cone.curvature = select(at.free, zero,
                          select(at.stick, c.stiffness * (v.z * v.z) + c.tangent_stiffness * speed2, slide_curvature));
  cone.zone = at.number();
  cone.inverse_slip = inverse;
  return cone;
}

template <class Real, int J>
STAMPEDE_FN ConeSlope<Real> pyramid_slope(const Contact<Real, J>& c, Vec3<Real> r, Vec3<Real> v) {
  const Real zero(0), f = c.friction;
  const Real edge[4] = {r.z + f * r.x, r.z - f * r.x, r.z + f * r.y, r.z - f * r.y};
  const Real change[4] = {v.z + f * v.x, v.z - f * v.x, v.z + f * v.y, v.z - f * v.y};
  ConeSlope<Real> cone{zero, zero, zero, zero};
  STAMPEDE_UNROLL
  for (int i = 0; i < 4; ++i) {
    const MaskOf<Real> pushes = edge[i] < zero;
    const Real rate = select(pushes, c.cone_stiffness * change[i], zero);
    cone.slope += rate * edge[i];
    cone.curvature += rate * change[i];
    cone.zone += select(pushes, Real(static_cast<float>(1 << i)), zero);
  }
  return cone;
}

/// Of an elliptic cone or a pyramid, as the options say; kernels for flat ground are compiled for elliptic cones only.
template <bool kFlat, class Model, class Real, int J>
STAMPEDE_FN ConeForce<Real> cone_force(const Model& model, const Contact<Real, J>& c, Vec3<Real> r) {
  if constexpr (!kFlat) {
    if (model.options.pyramidal) return pyramid_force(c, r);
  }
  return elliptic_force(c, r);
}
template <bool kFlat, class Model, class Real, int J>
STAMPEDE_FN ConeSlope<Real> cone_slope(const Model& model, const Contact<Real, J>& c, Vec3<Real> r, Vec3<Real> v) {
  if constexpr (!kFlat) {
    if (model.options.pyramidal) return pyramid_slope(c, r, v);
  }
  return elliptic_slope(c, r, v);
}

/// Stiffness of the tangential rows and of the cone, from the normal row's.
template <class Real, int J>
STAMPEDE_FN void shape_cone(Contact<Real, J>& c, bool pyramidal, const PhysicsOptions<ScalarOf<Real>>& options) {
  const MaskOf<Real> rough = c.friction > Real(0);
  c.mu2 = select(rough, c.friction * c.friction * Real(options.inverse_impratio), Real(1));
  if (pyramidal) {
    // The regulariser of every edge is 2 mu^2 (1 + f^2) times the normal row's; a contact without friction has one row,
    // here split over the four edges.
    const Real spread = Real(2) * c.mu2 * (Real(1) + c.friction * c.friction);
    c.cone_stiffness = c.stiffness * select(rough, reciprocal(spread), Real(0.25f));
    c.tangent_stiffness = Real(0);
  } else {
    c.cone_stiffness = c.stiffness * reciprocal(Real(1) + c.mu2);
    c.tangent_stiffness = select(rough, c.stiffness * Real(options.impratio), Real(0));
  }
}

}  // namespace stampede
