#pragma once
/// \file The constrained acceleration: Newton's method with exact line search on MuJoCo's convex problem.
///
///     minimise over a   1/2 (a - a0)' M (a - a0) + sum of the rows' costs at J a - aref
///
/// Every row belongs to one limb and perhaps the base, so M + J' H J keeps M's arrowhead (arrowhead.hpp). Gradients stay
/// partial in the lanes until the Schur complement is summed. The search starts at an extrapolation of the last two
/// accelerations and stops where the decrement g' H^-1 g falls below the tolerance in every lane that runs in step. A
/// full step after which no row has changed its piece of the cost ends the search too, if what the turning of sliding
/// contacts can have left is below the tolerance.
///
/// An environment's result does not depend on its neighbours in the pack: nothing of a lane that has finished changes.

#include "kernels/physics/arrowhead.hpp"
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
  Real friction[J];        ///< D (a - aref): minus the force where that is within the loss
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
  STAMPEDE_NO_UNROLL
  for (int q = 0; q < set.used; ++q) {
    Contact<Real, J>& c = set.slot[q];
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
  }
}

/// The Hessian, as shares of the lanes, and the gradient.
template <class Real, int J>
struct NewtonSystem {
  Real base[21];
  LimbBlock<Real, J> limb;
  Real gradient_base[6], gradient_joint[J];
};

template <class Real>
STAMPEDE_FN void clear(Real (&block)[21]) {
  STAMPEDE_UNROLL
  for (int r = 0; r < 6; ++r) {
    STAMPEDE_UNROLL
    for (int c = 0; c <= r; ++c) block[lower(r, c)] = Real(0);
  }
}

/// Adds J' H J and -J' f of a contact, whose force and Hessian are `cone`, to `before`, which is `system.limb` itself
/// unless it is the `kFirst` one, which also writes the base's block instead of adding to it: every number that goes to
/// memory once less counts.
template <bool kFlat, bool kFirst, class Real, int J>
STAMPEDE_FN void add_contact_terms(const Contact<Real, J>& contact, const ConeForce<Real>& cone, bool floating,
                                   const LimbBlock<Real, J>& before, const Real (&diagonal)[J],
                                   NewtonSystem<Real, J>& system) {
  Vec3<Real> f = cone.force;
  Sym3<Real> g = cone.hessian;
  if constexpr (!kFlat) {
    f = contact.axes * f;
    g = rotate(contact.axes, g);
  }
  const Vec3<Real> c = contact.point;
  Vec3<Real> pulled[J];
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    pulled[i] = g * contact.lever[i];
    system.gradient_joint[i] -= dot(contact.lever[i], f);
    STAMPEDE_UNROLL
    for (int j = 0; j <= i; ++j) {
      Real entry = before.block[lower(i, j)] + dot(contact.lever[i], pulled[j]);
      if (kFirst && i == j) entry += diagonal[i];
      system.limb.block[lower(i, j)] = entry;
    }
  }
  if (!floating) {
    if constexpr (kFirst) {
      clear(system.base);
      copy_coupling(before, system.limb);
    }
    return;
  }
  const Vec3<Real> torque = cross(c, f);
  system.gradient_base[0] -= torque.x, system.gradient_base[1] -= torque.y, system.gradient_base[2] -= torque.z;
  system.gradient_base[3] -= f.x, system.gradient_base[4] -= f.y, system.gradient_base[5] -= f.z;
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    const Vec3<Real> turn = cross(c, pulled[i]);
    const Real(&old)[6] = before.coupling[i];
    Real(&coupling)[6] = system.limb.coupling[i];
    coupling[0] = old[0] + turn.x, coupling[1] = old[1] + turn.y, coupling[2] = old[2] + turn.z;
    coupling[3] = old[3] + pulled[i].x, coupling[4] = old[4] + pulled[i].y, coupling[5] = old[5] + pulled[i].z;
  }
  const auto put = [&](int row, int column, Real x) {
    Real& entry = system.base[lower(row, column)];
    if constexpr (kFirst) {
      entry = x;
    } else {
      entry += x;
    }
  };
  // With [c] the cross-product matrix: linear-linear g, linear-angular g [c]' and angular-angular [c] g [c]'.
  const Vec3<Real> ax = cross(c, Vec3<Real>{g.xx, g.xy, g.xz}), ay = cross(c, Vec3<Real>{g.xy, g.yy, g.yz}),
                   az = cross(c, Vec3<Real>{g.xz, g.yz, g.zz});
  put(3, 0, ax.x), put(3, 1, ax.y), put(3, 2, ax.z);
  put(4, 0, ay.x), put(4, 1, ay.y), put(4, 2, ay.z);
  put(5, 0, az.x), put(5, 1, az.y), put(5, 2, az.z);
  put(3, 3, g.xx), put(4, 3, g.xy), put(4, 4, g.yy), put(5, 3, g.xz), put(5, 4, g.yz), put(5, 5, g.zz);
  put(0, 0, c.y * az.x - c.z * ay.x), put(1, 0, c.y * az.y - c.z * ay.y), put(1, 1, c.z * ax.y - c.x * az.y);
  put(2, 0, c.y * az.z - c.z * ay.z), put(2, 1, c.z * ax.z - c.x * az.z), put(2, 2, c.x * ay.z - c.y * ax.z);
}

/// A search on its way. Each lane's own, but for what belongs to the group and is the same in its lanes.
template <class Real, int J>
struct NewtonSearch {
  MaskOf<Real> active;  ///< where the end has not been reached
  Acceleration<Real, J> a;
  JointRows<Real, J> rows;
  // M a - (applied - bias), the gradient of the first term, kept up to date along the way: shares of the lanes, what is
  // common to a group, joints.
  Real slope_share[6], slope_common[6], slope_joint[J];
  Real iterations;  ///< taken
  Real capped;      ///< 1 where the cap on iterations ended the search
};

/// Starts a search at the acceleration in `search.a`, and completes the contacts.
template <bool kFlat, class Model, class Real, int J>
STAMPEDE_FN void start_search(const Model& model, const typename Model::Limb& limb,
                              const PhysicsVariation<Real, J>& variation, const PhysicsState<Real, J>& s,
                              const Kinematics<Real, J>& k, const MassMatrix<Real, J>& m,
                              const BiasForces<Real, J>& bias, const AppliedForces<Real, J>& applied,
                              ContactSet<Real, J>& set, NewtonSearch<Real, J>& search) {
  const Real zero(0);
  Acceleration<Real, J>& a = search.a;
  if (!model.options.floating) {
    STAMPEDE_UNROLL
    for (int c = 0; c < 6; ++c) a.base[c] = zero;
  }
  joint_rows(model, limb, variation, s, a.joint, search.rows);
  contact_rows<kFlat>(model, s, k, a, set);
  multiply(m, a.base, a.joint, search.slope_share, search.slope_common, search.slope_joint);
  Real share[6], common[6];
  unpack(bias.share, share);
  unpack(bias.base - applied.base, common);
  STAMPEDE_UNROLL
  for (int c = 0; c < 6; ++c) search.slope_share[c] += share[c], search.slope_common[c] += common[c];
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) search.slope_joint[i] += bias.joint[i] - applied.joint[i];
  search.active = zero < Real(1);
  search.iterations = search.capped = zero;
}

/// One iteration: Newton's direction and the exact line search along it, where the search is active. Nothing of other lanes
/// changes.
template <class Shape, bool kFlat, class Model, class Real, int J>
STAMPEDE_CALLED void advance_search(const Model& model, const MassMatrix<Real, J>& m, ContactSet<Real, J>& set,
                                    NewtonSearch<Real, J>& search) {
  constexpr int kGroup = Shape::kGroup;
  const bool floating = model.options.floating;
  const Real zero(0), one(1), infinite(1e30f);
  JointRows<Real, J>& rows = search.rows;
  MaskOf<Real> any_limit = zero > one;
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) any_limit = any_limit || rows.limit_stiffness[i] > zero;
  const bool limits = any_together(any_limit);
  Real common_block[21];
  inertia_block(m.base, common_block);

  // ---- Newton's direction
  NewtonSystem<Real, J> system;
  Real diagonal[J];  // what joint rows add
  STAMPEDE_UNROLL
  for (int c = 0; c < 6; ++c) system.gradient_base[c] = search.slope_share[c];
  MaskOf<Real> drags_back[J], drags_on[J];
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    system.gradient_joint[i] = search.slope_joint[i] + min(max(rows.friction[i], -rows.loss[i]), rows.loss[i]);
    drags_on[i] = rows.friction[i] <= -rows.loss[i];
    drags_back[i] = rows.friction[i] >= rows.loss[i];
    diagonal[i] = select(drags_on[i] || drags_back[i], zero, rows.friction_slope[i]);
  }
  if (limits) {
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      const Real stiffness = select(rows.limit[i] < zero, rows.limit_stiffness[i], zero);
      system.gradient_joint[i] += rows.limit_sign[i] * stiffness * rows.limit[i];
      diagonal[i] += stiffness;
    }
  }
  if (set.used == 0) {
    clear(system.base);
    copy(m.limb, system.limb);
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) system.limb.block[lower(i, i)] += diagonal[i];
  } else {
    const ConeForce<Real> cone = cone_force<kFlat>(model, set.slot[0], set.slot[0].residual);
    set.slot[0].zone = cone.zone;
    add_contact_terms<kFlat, true>(set.slot[0], cone, floating, m.limb, diagonal, system);
  }
  STAMPEDE_NO_UNROLL
  for (int q = 1; q < set.used; ++q) {
    const ConeForce<Real> cone = cone_force<kFlat>(model, set.slot[q], set.slot[q].residual);
    set.slot[q].zone = cone.zone;
    add_contact_terms<kFlat, false>(set.slot[q], cone, floating, system.limb, diagonal, system);
  }
  Acceleration<Real, J> step;
  {
    Real right[J];
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) right[i] = system.gradient_joint[i];
    solve_arrowhead<Shape>(floating, system.base, common_block, system.limb, system.gradient_base, search.slope_common,
                           right, step.base, step.joint);
  }
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) step.joint[i] = -step.joint[i];
  STAMPEDE_UNROLL
  for (int c = 0; c < 6; ++c) step.base[c] = -step.base[c];
  const Real slope_at_0 =  // of the cost along the step
      group_sum<kGroup>(dot(system.gradient_base, step.base) + dot(system.gradient_joint, step.joint)) +
      dot(search.slope_common, step.base);
  MaskOf<Real> active = search.active && -slope_at_0 > Real(model.options.tolerance);
  const MaskOf<Real> beyond = search.iterations > Real(static_cast<float>(model.options.max_iterations) - 0.5f);
  search.capped = select(active && beyond, one, search.capped);
  active = active && !beyond;
  search.active = active;
  // What has overflowed turns NaN here: whether it is seen must not hang on neighbours that go on.
  search.a.joint[0] += slope_at_0 - slope_at_0;
  if (!any_together(active)) return;
  search.iterations += select(active, one, zero);

  // ---- what the first term is along the step
  Real curve_share[6], curve_common[6], curve_joint[J];
  multiply(m, step.base, step.joint, curve_share, curve_common, curve_joint);
  const Real linear = dot(search.slope_share, step.base) + dot(search.slope_joint, step.joint);
  const Real quadratic = dot(curve_share, step.base) + dot(curve_joint, step.joint);
  const Real linear_common = dot(search.slope_common, step.base), quadratic_common = dot(curve_common, step.base);

  // ---- exact line search: the root of the slope.
  Real alpha = one, slope, curvature;
  MaskOf<Real> changed = zero > one;  // a row is on another piece of its cost after a full step
  Real turned = zero;                 // how far sliding directions turn in a full step, squared
  Real friction_step[J], limit_step[J];
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    friction_step[i] = rows.friction_slope[i] * step.joint[i];
    limit_step[i] = rows.limit_sign[i] * step.joint[i];
  }
  const auto evaluate = [&](auto first) {
    constexpr bool kFirst = decltype(first)::value;
    slope = linear + alpha * quadratic;
    curvature = quadratic;
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      const Real e = rows.friction[i] + alpha * friction_step[i];
      const MaskOf<Real> on = e <= -rows.loss[i], back = e >= rows.loss[i];
      slope += step.joint[i] * min(max(e, -rows.loss[i]), rows.loss[i]);
      curvature += select(on || back, zero, friction_step[i] * step.joint[i]);
      if constexpr (kFirst) changed = changed || on != drags_on[i] || back != drags_back[i];
    }
    if (limits) {
      STAMPEDE_UNROLL
      for (int i = 0; i < J; ++i) {
        const Real e = rows.limit[i] + alpha * limit_step[i];
        const Real stiffness = select(e < zero, rows.limit_stiffness[i], zero);
        slope += limit_step[i] * stiffness * e;
        curvature += stiffness * limit_step[i] * limit_step[i];
        if constexpr (kFirst) changed = changed || (e < zero) != (rows.limit[i] < zero);
      }
    }
    STAMPEDE_NO_UNROLL
    for (int q = 0; q < set.used; ++q) {
      Contact<Real, J>& c = set.slot[q];
      if constexpr (kFirst) {
        c.change = point_motion<kFlat>(c, Vec3<Real>{step.base[0], step.base[1], step.base[2]},
                                       Vec3<Real>{step.base[3], step.base[4], step.base[5]}, step.joint);
      }
      const ConeSlope<Real> cone = cone_slope<kFlat>(model, c, c.residual + c.change * alpha, c.change);
      slope += cone.slope;
      curvature += cone.curvature;
      if constexpr (kFirst) {
        const MaskOf<Real> on = c.stiffness > zero;
        changed = changed || (on && cone.zone != c.zone);
        const Real sideways = c.change.x * c.change.x + c.change.y * c.change.y +
                              c.change.z * c.change.z * Real(model.options.inverse_impratio);
        turned += select(on && cone.zone == Real(2), sideways * cone.inverse_slip * cone.inverse_slip, zero);
      }
    }
    slope = group_sum<kGroup>(slope) + (linear_common + alpha * quadratic_common);
    curvature = group_sum<kGroup>(curvature) + quadratic_common;
  };
  evaluate(std::true_type());
  alpha = select(active, one, zero);
  const Real enough = Real(model.options.line_search_tolerance) * -slope_at_0;
  MaskOf<Real> searching = active && abs(slope) > enough;
  const MaskOf<Real> full = active && !searching;
  Real low = zero, high = infinite, slope_low = slope_at_0, slope_high = one, before = infinite;
  for (int evaluations = 1; any_together(searching) && evaluations < model.options.max_line_search; ++evaluations) {
    // Newton from the last point, where that stays inside the bracket and the slope has fallen well. Else the kink
    // nearest to the secant's root (where a contact's sliding direction turns, and the slope is steep), else that root,
    // or, every third time, the middle.
    const MaskOf<Real> left = slope < zero;
    low = select(left, alpha, low), slope_low = select(left, slope, slope_low);
    high = select(left, high, alpha), slope_high = select(left, slope_high, slope);
    const MaskOf<Real> open = high > Real(1e29f);
    Real next = alpha - slope * reciprocal(curvature);
    const MaskOf<Real> good = next > low && next < high && abs(slope) < Real(0.5f) * before;
    before = abs(slope);
    const bool halve = evaluations % 3 == 0;
    if (any_together(searching && !good)) {
      Real inside = low - slope_low * (high - low) * reciprocal(slope_high - slope_low);
      if (halve) inside = Real(0.5f) * (low + high);
      Real nearest = infinite, kink = inside;
      if (!halve) {
        const Real edge = Real(1e-3f) * (high - low);
        STAMPEDE_NO_UNROLL
        for (int q = 0; q < set.used; ++q) {
          const Contact<Real, J>& c = set.slot[q];
          const Real speed2 = c.change.x * c.change.x + c.change.y * c.change.y;
          const Real at =
              -(c.residual.x * c.change.x + c.residual.y * c.change.y) * reciprocal(max(speed2, Real(1e-20f)));
          const MaskOf<Real> within = at > low + edge && at < high - edge && c.stiffness > zero;
          const Real away = abs(at - inside);
          const MaskOf<Real> nearer = within && away < nearest;
          nearest = select(nearer, away, nearest);
          kink = select(nearer, at, kink);
        }
        const Real nearest_of_group = group_min<kGroup>(nearest);
        kink = group_min<kGroup>(select(nearest <= nearest_of_group, kink, infinite));
      }
      next = select(good, next, select(open, alpha + alpha, kink));
    }
    if (halve) before = infinite;
    alpha = select(searching, next, alpha);
    evaluate(std::false_type());
    searching = searching && abs(slope) > enough;
  }

  // ---- the step. Residuals are carried along: computed anew, they would lose what is small.
  STAMPEDE_UNROLL
  for (int c = 0; c < 6; ++c) {
    search.a.base[c] += alpha * step.base[c];
    search.slope_share[c] += alpha * curve_share[c];
    search.slope_common[c] += alpha * curve_common[c];
  }
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    search.a.joint[i] += alpha * step.joint[i];
    search.slope_joint[i] += alpha * curve_joint[i];
    rows.friction[i] += alpha * friction_step[i];
    if (limits) rows.limit[i] += alpha * limit_step[i];
  }
  STAMPEDE_NO_UNROLL
  for (int q = 0; q < set.used; ++q) set.slot[q].residual = set.slot[q].residual + set.slot[q].change * alpha;

  const Real unsettled = group_sum<kGroup>(select(changed, one, zero));
  const Real left_over = -slope_at_0 * (Real(1e-6f) + Real(4) * group_sum<kGroup>(turned));
  search.active = active && !(full && unsettled < Real(0.5f) && left_over < Real(model.options.tolerance));
}

}  // namespace stampede
