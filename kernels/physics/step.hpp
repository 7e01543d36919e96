#pragma once
/// \file One step of time, from its stages.
///
/// Semi-implicit Euler as MuJoCo does it: (M + h B) a = M x for the constrained acceleration x and the damping B, then
/// velocities, then positions with the new velocities. It is written as a = x - (M + h B)^-1 h B x, a small correction
/// to x, which loses fewer digits in float.

#include "kernels/physics/solver.hpp"

namespace stampede {

/// The results of a step's stages, each of which needs those before it. The contacts are not among them: an array that
/// is indexed at run time would keep all the rest out of a GPU's registers.
template <class Real, int J>
struct PhysicsStages {
  Kinematics<Real, J> kinematics;
  BiasForces<Real, J> bias;
  AppliedForces<Real, J> applied;
  MassMatrix<Real, J> mass;
  NewtonSearch<Real, J> search;  ///< once it has ended, `a` is the constrained acceleration, before implicit damping
};

/// Runs the stages up to the search for the constrained acceleration, which is only set up: `advance_search` follows.
template <class Shape, class Model, class Ground, class Real, int J>
STAMPEDE_FN void prepare_step(const Model& model, const typename Model::Limb& limb, const Ground& ground,
                              const PhysicsVariation<Real, J>& variation, const Array<Real, J>& control, Index lane,
                              const PhysicsState<Real, J>& s, PhysicsStages<Real, J>& stages,
                              ContactSet<Real, J>& contacts, PhysicsCounts<Real>& counts) {
  kinematics(model, limb, variation, s, stages.kinematics);
  mass_matrix<Shape>(limb, variation, stages.kinematics, stages.mass);
  bias_forces(variation, s, stages.kinematics, stages.bias);
  applied_forces(model, limb, variation, s, stages.kinematics, control, stages.applied);
  find_contacts<Shape>(model, ground, variation, s, stages.kinematics, lane, contacts);
  counts.contacts += contacts.count;
  counts.over_slots += contacts.over;

  Real last[6], earlier[6];
  unpack(s.base_acceleration, last);
  unpack(s.earlier_base_acceleration, earlier);
  Acceleration<Real, J>& a = stages.search.a;
  STAMPEDE_UNROLL
  for (int c = 0; c < 6; ++c) a.base[c] = last[c] + Real(0.5f) * (last[c] - earlier[c]);
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    a.joint[i] = s.acceleration[i] + Real(0.5f) * (s.acceleration[i] - s.earlier_acceleration[i]);
  }
  start_search<Ground::kFlat>(model, limb, variation, s, stages.kinematics, stages.mass, stages.bias, stages.applied,
                              contacts, stages.search);
}

/// The quaternion of a rotation by twice the vector `half` [rad], |half| < 1.
template <class Real>
STAMPEDE_FN Quat<Real> turn_by_twice(Vec3<Real> half) {
  if constexpr (sizeof(ScalarOf<Real>) == 8) {
    const Real angle = sqrt(dot(half, half));
    Real sine, cosine;
    sincos(angle, sine, cosine);
    const Real scale = select(angle > Real(1e-150), sine / max(angle, Real(1e-150)), Real(1));
    return {cosine, half.x * scale, half.y * scale, half.z * scale};
  } else {
    // Series of sin(a) / a and cos(a) in a^2.
    const Real a2 = dot(half, half);
    const Real scale =
        Real(1) + a2 * (Real(-1.6666667e-1f) +
                        a2 * (Real(8.3333333e-3f) + a2 * (Real(-1.9841270e-4f) + a2 * Real(2.7557319e-6f))));
    const Real cosine =
        Real(1) +
        a2 * (Real(-0.5f) + a2 * (Real(4.1666667e-2f) + a2 * (Real(-1.3888889e-3f) + a2 * Real(2.4801587e-5f))));
    return {cosine, half.x * scale, half.y * scale, half.z * scale};
  }
}

/// Moves velocities and positions on by a time step, and keeps the accelerations of the last two steps.
template <class Shape, class Model, class Real, int J>
STAMPEDE_CALLED void integrate(const Model& model, const typename Model::Limb& limb, const Mat3<Real>& base,
                               const MassMatrix<Real, J>& mass, const Real (&velocity_gain)[J],
                               const Acceleration<Real, J>& constrained, PhysicsState<Real, J>& s) {
  const Real h(model.options.timestep);
  Acceleration<Real, J> a = constrained;
  s.earlier_base_acceleration = s.base_acceleration;
  s.earlier_acceleration = s.acceleration;
  s.base_acceleration = pack_spatial(a.base);
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) s.acceleration[i] = a.joint[i];
  if (model.options.implicit_damping || model.options.implicit_actuators) {
    Real share[21], common[21], right[J], none_share[6], none_common[6];
    LimbBlock<Real, J> block = mass.limb;
    inertia_block(mass.base, common);
    clear(share);
    STAMPEDE_UNROLL
    for (int c = 0; c < 6; ++c) none_share[c] = none_common[c] = Real(0);
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      Real damping(0);
      if (model.options.implicit_damping) damping += limb.joint[i].damping;
      if (model.options.implicit_actuators) damping -= velocity_gain[i];
      block.block[lower(i, i)] += h * damping;
      right[i] = h * damping * a.joint[i];
    }
    Acceleration<Real, J> less;
    solve_arrowhead<Shape>(model.options.floating, share, common, block, none_share, none_common, right, less.base,
                           less.joint);
    STAMPEDE_UNROLL
    for (int c = 0; c < 6; ++c) a.base[c] -= less.base[c];
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) a.joint[i] -= less.joint[i];
  }
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    s.v[i] += h * a.joint[i];
    s.q[i] += h * s.v[i];
  }
  if (!model.options.floating) return;
  s.velocity = s.velocity + Vec3<Real>{a.base[3], a.base[4], a.base[5]} * h;
  s.spin = s.spin + multiply_transposed(base, Vec3<Real>{a.base[0], a.base[1], a.base[2]}) * h;
  s.position = s.position + s.velocity * h;
  const Quat<Real> turned = s.orientation * turn_by_twice(s.spin * (h * Real(0.5f)));
  const Real scale =
      reciprocal_sqrt(turned.w * turned.w + turned.x * turned.x + turned.y * turned.y + turned.z * turned.z);
  s.orientation = {turned.w * scale, turned.x * scale, turned.y * scale, turned.z * scale};
}

}  // namespace stampede
