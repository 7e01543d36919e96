#pragma once
/// \file The rows of the constraint problem (solver.hpp). Each row costs something that depends on one number, its
/// residual J a - aref: how far the acceleration a is from the reference acceleration that the constraint asks for. A
/// joint has a row for its dry friction and one for its limits, a contact has three.

#include "kernels/physics/cone.hpp"

namespace stampede {

/// Accelerations: the base's [omega'; p''] in world axes, the same in a group's lanes, and the joints'.
template <class Real, int J>
struct Acceleration {
  Real base[6];
  Real joint[J];
};

/// The rows of joints: dry friction and limits. Scaled so that no division is needed.
template <class Real, int J>
struct JointRows {
  Real friction[J];        ///< D (a - aref): minus the force, where its size is below the loss
  Real friction_slope[J];  ///< D
  Real loss[J];
  Real limit[J];            ///< residual
  Real limit_sign[J];       ///< 1 at the lower limit, -1 at the upper, 0 within
  Real limit_stiffness[J];  ///< 0 within the limits
};

template <class Model, class Real, int J>
STAMPEDE_FN void joint_rows(const Model& model, const typename Model::Limb& limb,
                            const PhysicsVariation<Real, J>& variation, const PhysicsState<Real, J>& s,
                            const Real (&a)[J], JointRows<Real, J>& rows) {
  MaskOf<Real> any_limit = Real(0) > Real(0);
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    const auto& joint = limb.joint[i];
    rows.friction_slope[i] = joint.friction_stiffness;
    rows.friction[i] = joint.friction_stiffness * (a[i] + joint.friction_damping * s.v[i]);
    rows.loss[i] = joint.friction_loss * variation.friction_loss[i];
    const Real below = s.q[i] - joint.low, above = joint.high - s.q[i];
    rows.limit[i] = min(below, above) - joint.limit_margin;
    const MaskOf<Real> on = rows.limit[i] < Real(0);
    any_limit = any_limit || on;
    rows.limit_sign[i] = select(on, select(below < above, Real(1), Real(-1)), Real(0));
  }
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) rows.limit_stiffness[i] = Real(0);
  if (model.options.limits && any_together(any_limit)) {
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      const auto& joint = limb.joint[i];
      const Real violation = rows.limit[i], sign = rows.limit_sign[i];
      const MaskOf<Real> on = violation < Real(0);
      const Real slack = impedance_slack(joint.limit, violation, model.options.limits_square);
      const Real impedance = Real(1) - slack;
      rows.limit_stiffness[i] =
          select(on, impedance * reciprocal(max(slack * joint.limit_weight, Real(1e-15f))), Real(0));
      rows.limit[i] = select(
          on, sign * (a[i] + joint.limit.damping * s.v[i]) + joint.limit.stiffness * impedance * violation, Real(0));
    }
  }
}

/// A world vector in the contact's axes.
template <bool kFlat, class Real, int J>
STAMPEDE_FN Vec3<Real> to_contact(const Contact<Real, J>& c, Vec3<Real> v) {
  if constexpr (kFlat) {
    return v;
  } else {
    return multiply_transposed(c.axes, v);
  }
}

/// The velocity, or acceleration, of a contact's point, in the contact's axes.
template <bool kFlat, class Real, int J>
STAMPEDE_FN Vec3<Real> point_motion(const Contact<Real, J>& c, Vec3<Real> angular, Vec3<Real> linear,
                                    const Real (&joint)[J]) {
  Vec3<Real> moved = linear + cross(angular, c.point);
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) moved = moved + c.lever[i] * joint[i];
  return to_contact<kFlat>(c, moved);
}

/// Completes the contacts: levers, stiffnesses, residual at the accelerations given.
template <bool kFlat, class Model, class Real, int J>
STAMPEDE_FN void contact_rows(const Model& model, const PhysicsState<Real, J>& s, const Kinematics<Real, J>& k,
                              const Acceleration<Real, J>& a, ContactSet<Real, J>& set) {
  for_each_slot(set, 0, [&](Contact<Real, J>& c, int) {
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      Vec3<Real> lever = k.motion[i].linear + cross(k.motion[i].angular, c.point);
      c.lever[i] = select(c.link > Real(static_cast<float>(i) + 0.5f), lever, zero3<Real>());
    }
    shape_cone(c, !kFlat && model.options.pyramidal, model.options);
    const Vec3<Real> velocity = point_motion<kFlat>(c, k.base_velocity.angular, k.base_velocity.linear, s.v.values);
    const Vec3<Real> acceleration = point_motion<kFlat>(c, Vec3<Real>{a.base[0], a.base[1], a.base[2]},
                                                        Vec3<Real>{a.base[3], a.base[4], a.base[5]}, a.joint);
    Vec3<Real> residual = acceleration + velocity * c.damping;
    residual.z += c.pull;
    c.residual = select(c.stiffness > Real(0), residual, zero3<Real>());
  });
}

}  // namespace stampede
