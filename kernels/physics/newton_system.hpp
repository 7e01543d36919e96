#pragma once
/// \file The linear system that gives Newton's direction: gradient and Hessian of the cost at an acceleration, and its
/// solution.

#include "kernels/physics/arrowhead.hpp"
#include "kernels/physics/rows.hpp"

namespace stampede {

/// A search under way. Each lane has its own, except for what belongs to the group, which is the same in all its lanes.
template <class Real, int J>
struct NewtonSearch {
  MaskOf<Real> active;  ///< where the search has not ended
  Acceleration<Real, J> a;
  JointRows<Real, J> rows;
  // M a - (applied - bias), the gradient of the first term: the lanes' shares of the base's part, the part of it that
  // is common to a group, and the joints' part. Each iteration updates them.
  Real slope_share[6], slope_common[6], slope_joint[J];
  Real iterations;  ///< taken
  Real capped;      ///< 1 where the cap on iterations ended the search
};

/// The Hessian, as shares of the lanes, and the gradient.
template <class Real, int J>
struct NewtonSystem {
  Real base[21];
  LimbBlock<Real, J> limb;
  Real gradient_base[6], gradient_joint[J];
};

/// Which piece of its cost each joint's dry friction is on. The cost is quadratic where the size of the force is below
/// the friction loss, and linear on both sides of that.
template <class Real, int J>
struct FrictionPieces {
  MaskOf<Real> low[J], high[J];  ///< on the linear piece below, and above; never both
};

template <class Real>
STAMPEDE_FN void clear(Real (&block)[21]) {
  STAMPEDE_UNROLL
  for (int r = 0; r < 6; ++r) {
    STAMPEDE_UNROLL
    for (int c = 0; c <= r; ++c) block[lower(r, c)] = Real(0);
  }
}

/// Adds J' H J to the system's matrix and -J' f to its gradient, for a contact whose force f and Hessian H are `cone`.
///
/// The limb's block is read from `before` and written to `system.limb`. For the first contact (`kFirst`) `before` is
/// the mass matrix, the joint rows' `diagonal` is added on the way, and the base's block is written instead of added
/// to: that saves copying the mass matrix and clearing the block, and this loop is bound by memory traffic. For the
/// others `before` is `system.limb` itself.
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
  // The base's block, of which the lower triangle is kept; [c] is the matrix of the cross product with c:
  //
  //               columns 0-2    columns 3-5
  //    rows 0-2   [c] g [c]'     not kept      (angular)
  //    rows 3-5   g [c]'         g             (linear)
  const Vec3<Real> ax = cross(c, Vec3<Real>{g.xx, g.xy, g.xz}), ay = cross(c, Vec3<Real>{g.xy, g.yy, g.yz}),
                   az = cross(c, Vec3<Real>{g.xz, g.yz, g.zz});
  put(3, 0, ax.x), put(3, 1, ax.y), put(3, 2, ax.z);
  put(4, 0, ay.x), put(4, 1, ay.y), put(4, 2, ay.z);
  put(5, 0, az.x), put(5, 1, az.y), put(5, 2, az.z);
  put(3, 3, g.xx), put(4, 3, g.xy), put(4, 4, g.yy), put(5, 3, g.xz), put(5, 4, g.yz), put(5, 5, g.zz);
  put(0, 0, c.y * az.x - c.z * ay.x), put(1, 0, c.y * az.y - c.z * ay.y), put(1, 1, c.z * ax.y - c.x * az.y);
  put(2, 0, c.y * az.z - c.z * ay.z), put(2, 1, c.z * ax.z - c.x * az.z), put(2, 2, c.x * ay.z - c.y * ax.z);
}

/// Whether any lane that runs in step is at a joint limit: where none is, the limits' rows are skipped.
template <class Real, int J>
STAMPEDE_FN bool any_limit_active(const JointRows<Real, J>& rows) {
  MaskOf<Real> any_limit = Real(0) > Real(1);
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) any_limit = any_limit || rows.limit_stiffness[i] > Real(0);
  return any_together(any_limit);
}

/// Starts the gradient with the first term's and the joint rows' parts. What these rows add to the Hessian's diagonal
/// goes to `diagonal`.
template <class Real, int J>
STAMPEDE_FN void add_joint_terms(const NewtonSearch<Real, J>& search, bool limits, NewtonSystem<Real, J>& system,
                                 Real (&diagonal)[J], FrictionPieces<Real, J>& pieces) {
  const Real zero(0);
  const JointRows<Real, J>& rows = search.rows;
  STAMPEDE_UNROLL
  for (int c = 0; c < 6; ++c) system.gradient_base[c] = search.slope_share[c];
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    system.gradient_joint[i] = search.slope_joint[i] + min(max(rows.friction[i], -rows.loss[i]), rows.loss[i]);
    pieces.low[i] = rows.friction[i] <= -rows.loss[i];
    pieces.high[i] = rows.friction[i] >= rows.loss[i];
    diagonal[i] = select(pieces.low[i] || pieces.high[i], zero, rows.friction_slope[i]);
  }
  if (limits) {
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      const Real stiffness = select(rows.limit[i] < zero, rows.limit_stiffness[i], zero);
      system.gradient_joint[i] += rows.limit_sign[i] * stiffness * rows.limit[i];
      diagonal[i] += stiffness;
    }
  }
}

/// Gradient and Hessian of the cost at the search's acceleration. Contacts note which piece of their cost they are on.
template <bool kFlat, class Model, class Real, int J>
STAMPEDE_FN void assemble_system(const Model& model, const MassMatrix<Real, J>& m, const NewtonSearch<Real, J>& search,
                                 bool limits, ContactSet<Real, J>& set, NewtonSystem<Real, J>& system,
                                 FrictionPieces<Real, J>& pieces) {
  const bool floating = model.options.floating;
  Real diagonal[J];
  add_joint_terms(search, limits, system, diagonal, pieces);
  if (set.used == 0) {
    clear(system.base);
    copy(m.limb, system.limb);
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) system.limb.block[lower(i, i)] += diagonal[i];
  } else {
    Contact<Real, J>& slot = first_slot(set);
    const ConeForce<Real> cone = cone_force<kFlat>(model, slot, slot.residual);
    slot.zone = cone.zone;
    add_contact_terms<kFlat, true>(slot, cone, floating, m.limb, diagonal, system);
  }
  for_each_slot(set, 1, [&](Contact<Real, J>& slot, int) {
    const ConeForce<Real> cone = cone_force<kFlat>(model, slot, slot.residual);
    slot.zone = cone.zone;
    add_contact_terms<kFlat, false>(slot, cone, floating, system.limb, diagonal, system);
  });
}

/// Newton's step: minus the Hessian's inverse times the gradient. Overwrites the system's matrix. Returns the slope of
/// the cost along the step at its start, -g' H^-1 g: twice the decrease that the quadratic model promises, negated.
template <class Shape, class Real, int J>
STAMPEDE_FN Real solve_for_step(bool floating, const MassMatrix<Real, J>& m, const NewtonSearch<Real, J>& search,
                                NewtonSystem<Real, J>& system, Acceleration<Real, J>& step) {
  Real common_block[21], right[J];
  inertia_block(m.base, common_block);
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) right[i] = system.gradient_joint[i];
  solve_arrowhead<Shape>(floating, system.base, common_block, system.limb, system.gradient_base, search.slope_common,
                         right, step.base, step.joint);
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) step.joint[i] = -step.joint[i];
  STAMPEDE_UNROLL
  for (int c = 0; c < 6; ++c) step.base[c] = -step.base[c];
  return group_sum<Shape::kGroup>(dot(system.gradient_base, step.base) + dot(system.gradient_joint, step.joint)) +
         dot(search.slope_common, step.base);
}

}  // namespace stampede
