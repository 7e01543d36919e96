#pragma once
/// \file The constrained acceleration: Newton's method with exact line search on MuJoCo's convex problem.
///
///     minimise over a   1/2 (a - a0)' M (a - a0) + sum of the rows' costs at J a - aref
///
/// Every row belongs to one limb and perhaps the base, so M + J' H J keeps M's arrowhead (arrowhead.hpp). Of the base's
/// part of the gradient each lane has a share; the shares are summed together with the Schur complement. The search
/// starts at an extrapolation of the last two accelerations and ends where the decrement g' H^-1 g falls below the
/// tolerance. A full step after which no row has changed its piece of the cost ends the search too, if an estimate of
/// the error that is left is below the tolerance: on one piece the cost is quadratic and the step exact, except for
/// sliding contacts, whose directions may turn along the step.
///
/// An environment's result does not depend on its neighbours in the pack: nothing of a lane that has finished changes.

#include "kernels/physics/line_search.hpp"

namespace stampede {

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

/// Ends the search where the decrement -slope_at_0 is not above the tolerance, and, counted in `capped`, where the
/// iterations are used up. Returns where the search goes on.
template <class Model, class Real, int J>
STAMPEDE_FN MaskOf<Real> check_end(const Model& model, Real slope_at_0, NewtonSearch<Real, J>& search) {
  MaskOf<Real> active = search.active && -slope_at_0 > Real(model.options.tolerance);
  const MaskOf<Real> beyond = search.iterations > Real(static_cast<float>(model.options.max_iterations) - 0.5f);
  search.capped = select(active && beyond, Real(1), search.capped);
  active = active && !beyond;
  search.active = active;
  // Adds 0, or NaN where the slope has overflowed, by which the state is later found to be not finite. It is done here,
  // before a finished pack returns: whether an overflow is noticed must not depend on neighbours that go on.
  search.a.joint[0] += slope_at_0 - slope_at_0;
  return active;
}

/// Whether a further iteration would find nothing to do, so that its factorisation can be saved: the full step was
/// taken, no row of the environment changed its piece of the cost, and an estimate of the error that the turning of
/// sliding directions has left is below the tolerance.
template <class Shape, class Model, class Real>
STAMPEDE_FN MaskOf<Real> is_settled(const Model& model, Real slope_at_0, const FullStep<Real>& full) {
  constexpr int kGroup = Shape::kGroup;
  const Real unsettled = group_sum<kGroup>(select(full.changed, Real(1), Real(0)));
  const Real left_over = -slope_at_0 * (Real(1e-6f) + Real(4) * group_sum<kGroup>(full.turned));
  return full.taken && unsettled < Real(0.5f) && left_over < Real(model.options.tolerance);
}

/// One iteration: Newton's direction and the exact line search along it, where the search is active. Nothing of other
/// lanes changes.
template <class Shape, bool kFlat, class Model, class Real, int J>
STAMPEDE_CALLED void advance_search(const Model& model, const MassMatrix<Real, J>& m, ContactSet<Real, J>& set,
                                    NewtonSearch<Real, J>& search) {
  const bool limits = any_limit_active(search.rows);
  NewtonSystem<Real, J> system;
  FrictionPieces<Real, J> pieces;
  assemble_system<kFlat>(model, m, search, limits, set, system, pieces);

  SearchLine<Real, J> line;
  line.slope_at_0 = solve_for_step<Shape>(model.options.floating, m, search, system, line.step);
  const MaskOf<Real> active = check_end(model, line.slope_at_0, search);
  if (!any_together(active)) return;
  search.iterations += select(active, Real(1), Real(0));

  prepare_line(m, search, line);
  FullStep<Real> full;
  const Real alpha = search_line<Shape, kFlat>(model, search.rows, limits, pieces, line, active, set, full);
  move_along(line, alpha, limits, set, search);
  // First, and not behind &&: all lanes take part in its sums.
  const MaskOf<Real> settled = is_settled<Shape>(model, line.slope_at_0, full);
  search.active = active && !settled;
}

}  // namespace stampede
