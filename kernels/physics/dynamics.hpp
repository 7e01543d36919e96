#pragma once
/// \file The stages before the constraints: kinematics, mass matrix, bias and applied forces.
///
/// World axes throughout, spatial vectors at the base's origin (spatial.hpp). The velocity unknowns are the base's
/// [omega; p'] in world axes and the joints' rates; of the accelerations, [omega'; p''] and the joints'. With them the
/// recursive Newton-Euler algorithm starts from a_0 = [0; -g - omega x p'], because p'' is the acceleration of a point
/// that moves along, not of the velocity field at a fixed place. A lane computes all links of its limb; sums over limbs
/// are `group_sum`s.

#include "kernels/math.hpp"
#include "kernels/physics/model.hpp"

namespace stampede {

/// Where everything is and how it moves.
template <class Real, int J>
struct Kinematics {
  Mat3<Real> base;              ///< the base's axes
  Vec3<Real> base_centre;       ///< its centre of mass, from its origin
  Spatial<Real> base_velocity;  ///< [omega; p']
  RigidInertia<Real> base_inertia;
  Array<Mat3<Real>, J> axes;             ///< of the links
  Array<Vec3<Real>, J> origin;           ///< their joints' anchors, from the base's origin
  Array<Spatial<Real>, J> motion;        ///< S: the motion of a unit rate of the joint
  Array<RigidInertia<Real>, J> inertia;  ///< of the links
};

template <class Model, class Real, int J>
STAMPEDE_FN void kinematics(const Model& model, const typename Model::Limb& limb,
                            const PhysicsVariation<Real, J>& variation, const PhysicsState<Real, J>& s,
                            Kinematics<Real, J>& k) {
  k.base = s.orientation.matrix();
  k.base_velocity = {k.base * s.spin, s.velocity};
  k.base_centre = k.base * (limb.base.centre + variation.base_centre);
  k.base_inertia = rigid_inertia(limb.base.mass * variation.base_mass, k.base_centre,
                                 rotate<Real>(k.base, limb.base.inertia) * variation.base_mass);
  Mat3<Real> axes = k.base;
  Vec3<Real> origin = zero3<Real>();
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    const auto& joint = limb.joint[i];
    origin = origin + axes * joint.offset;
    const Mat3<Real> at_rest = axes * joint.frame;
    const Real moved = s.q[i] - joint.reference;
    const Real angle = model.options.slides ? moved * (Real(1) - joint.slide) : moved;
    Real sine, cosine;
    sincos(angle, sine, cosine);
    axes = {at_rest.x * cosine + at_rest.y * sine, at_rest.y * cosine - at_rest.x * sine, at_rest.z};
    k.motion[i] = {axes.z, cross(origin, axes.z)};
    if (model.options.slides) {
      const MaskOf<Real> slides = joint.slide > Real(0.5f);
      origin = origin + axes.z * (moved * joint.slide);
      k.motion[i] = {select(slides, zero3<Real>(), axes.z), select(slides, axes.z, k.motion[i].linear)};
    }
    k.axes[i] = axes;
    k.origin[i] = origin;
    k.inertia[i] = rigid_inertia(joint.mass * variation.mass[i], origin + axes * joint.centre,
                                 rotate<Real>(axes, joint.inertia) * variation.mass[i]);
  }
}

/// Index of entry (i, j), j <= i, of a symmetric matrix whose lower triangle is stored by rows.
STAMPEDE_FN constexpr int lower(int i, int j) { return i >= j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i; }

/// A limb's block of an arrowhead matrix, and its coupling with the base: row i belongs to joint i.
template <class Real, int J>
struct LimbBlock {
  Real block[J * (J + 1) / 2];
  Real coupling[J][6];
};

/// The mass matrix: an arrowhead. Limbs do not couple with each other.
template <class Real, int J>
struct MassMatrix {
  RigidInertia<Real> base;  ///< of the whole robot, the same in the lanes of a group
  LimbBlock<Real, J> limb;
};

template <class Real>
STAMPEDE_FN void unpack(const Spatial<Real>& v, Real (&out)[6]) {
  out[0] = v.angular.x, out[1] = v.angular.y, out[2] = v.angular.z;
  out[3] = v.linear.x, out[4] = v.linear.y, out[5] = v.linear.z;
}
template <class Real>
STAMPEDE_FN Spatial<Real> pack_spatial(const Real (&v)[6]) {
  return {{v[0], v[1], v[2]}, {v[3], v[4], v[5]}};
}

/// The composite-rigid-body algorithm (Featherstone 2008, table 6.2).
template <class Shape, class Limb, class Real, int J>
STAMPEDE_FN void mass_matrix(const Limb& limb, const PhysicsVariation<Real, J>& variation, const Kinematics<Real, J>& k,
                             MassMatrix<Real, J>& m) {
  RigidInertia<Real> composite = k.inertia[J - 1];
  STAMPEDE_UNROLL
  for (int i = J - 1; i >= 0; --i) {
    if (i < J - 1) composite = composite + k.inertia[i];
    const Spatial<Real> force = composite * k.motion[i];
    unpack(force, m.limb.coupling[i]);
    STAMPEDE_UNROLL
    for (int j = 0; j <= i; ++j) m.limb.block[lower(i, j)] = dot(k.motion[j], force);
    m.limb.block[lower(i, i)] += limb.joint[i].armature * variation.armature[i];
  }
  m.base = group_sum<Shape::kGroup>(composite) + k.base_inertia;
}

/// Forces along the unknowns that do not depend on the accelerations; the base's are a lane's share and a part that all
/// lanes of the group have.
template <class Real, int J>
struct BiasForces {
  Spatial<Real> share, base;
  Real joint[J];
};

/// Gravity, centrifugal and Coriolis forces: the forces that would keep the accelerations at zero.
template <class Real, int J>
STAMPEDE_FN void bias_forces(const PhysicsVariation<Real, J>& variation, const PhysicsState<Real, J>& s,
                             const Kinematics<Real, J>& k, BiasForces<Real, J>& bias) {
  Spatial<Real> v = k.base_velocity;
  Spatial<Real> a{zero3<Real>(), -(variation.gravity + cross(v.angular, v.linear))};
  bias.base = k.base_inertia * a + cross_force(v, k.base_inertia * v);
  Spatial<Real> force[J];
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    const Spatial<Real> rate = k.motion[i] * s.v[i];
    a = a + cross_motion(v, rate);
    v = v + rate;
    force[i] = k.inertia[i] * a + cross_force(v, k.inertia[i] * v);
  }
  STAMPEDE_UNROLL
  for (int i = J - 1; i >= 0; --i) {
    if (i < J - 1) force[i] = force[i] + force[i + 1];
    bias.joint[i] = dot(k.motion[i], force[i]);
  }
  bias.share = force[0];
}

/// The other forces: actuators, damping, springs, pushes.
template <class Real, int J>
struct AppliedForces {
  Spatial<Real> base;  ///< the push, the same in the lanes of a group
  Real joint[J];
  Real actuator[J];       ///< the actuators' part of `joint`
  Real velocity_gain[J];  ///< d force / d velocity of the actuators, 0 where they are at their limits
};

template <class Model, class Real, int J>
STAMPEDE_FN void applied_forces(const Model& model, const typename Model::Limb& limb,
                                const PhysicsVariation<Real, J>& variation, const PhysicsState<Real, J>& s,
                                const Kinematics<Real, J>& k, const Array<Real, J>& control,
                                AppliedForces<Real, J>& applied) {
  applied.base = {variation.push_torque + cross(k.base_centre, variation.push_force), variation.push_force};
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    const auto& joint = limb.joint[i];
    const Real u = min(max(control[i], joint.control_low), joint.control_high);
    const Real slope = joint.velocity_gain * variation.velocity_gain[i];
    const Real wanted = (joint.servo * (u - s.q[i]) + joint.stiffness * s.q[i]) * variation.servo[i] + joint.gain * u +
                        joint.bias + slope * s.v[i];
    const Real limited = min(max(wanted, joint.force_low), joint.force_high);
    applied.actuator[i] = limited * variation.strength[i];
    applied.velocity_gain[i] =
        select(wanted > joint.force_low && wanted < joint.force_high, slope * variation.strength[i], Real(0));
    applied.joint[i] = applied.actuator[i] - joint.damping * s.v[i];
    if (model.options.springs) applied.joint[i] -= joint.spring * (s.q[i] - joint.spring_rest);
  }
}

}  // namespace stampede
