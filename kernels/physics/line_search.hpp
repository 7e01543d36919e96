#pragma once
/// \file The line search: how far to go along Newton's step. The cost is convex, so its slope along the step rises, and
/// the minimum is where the slope is 0.
///
///     slope
///       ^                                    .
///       |                             .      high: slope > 0
///     0 +----------------------x-------------------> alpha
///       |            .       root
///       |  .   low: slope < 0
///
/// Dry friction, limits and contacts change their piece of the cost on the way, which gives the slope kinks. So the
/// search keeps the root between two bounds, and takes Newton's steps only while they stay between them and halve the
/// slope.

#include <type_traits>

#include "kernels/physics/newton_system.hpp"

namespace stampede {

/// The line a + alpha step on which the search looks for the least cost. The slope of the cost's first term along it is
/// linear + alpha quadratic, in shares of the lanes and a part that is common to a group.
template <class Real, int J>
struct SearchLine {
  Acceleration<Real, J> step;
  Real curve_share[6], curve_common[6], curve_joint[J];  ///< M step
  Real friction_step[J], limit_step[J];                  ///< of the joint rows' residuals
  Real linear, quadratic, linear_common, quadratic_common;
  Real slope_at_0;  ///< of the whole cost
};

/// Fills in the rest of a line whose `step` and `slope_at_0` are set.
template <class Real, int J>
STAMPEDE_FN void prepare_line(const MassMatrix<Real, J>& m, const NewtonSearch<Real, J>& search,
                              SearchLine<Real, J>& line) {
  const Acceleration<Real, J>& step = line.step;
  multiply(m, step.base, step.joint, line.curve_share, line.curve_common, line.curve_joint);
  line.linear = dot(search.slope_share, step.base) + dot(search.slope_joint, step.joint);
  line.quadratic = dot(line.curve_share, step.base) + dot(line.curve_joint, step.joint);
  line.linear_common = dot(search.slope_common, step.base);
  line.quadratic_common = dot(line.curve_common, step.base);
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    line.friction_step[i] = search.rows.friction_slope[i] * step.joint[i];
    line.limit_step[i] = search.rows.limit_sign[i] * step.joint[i];
  }
}

/// A point of the line, with the slope and curvature of the cost there.
template <class Real>
struct LinePoint {
  Real alpha, slope, curvature;
};

/// What the full step, alpha = 1, says about whether another iteration is needed.
template <class Real>
struct FullStep {
  MaskOf<Real> changed;  ///< a row is on another piece of its cost than at the start
  Real turned;           ///< estimate of the squared angles by which the lane's sliding directions turn, summed
  MaskOf<Real> taken;    ///< the search ends at alpha = 1: the slope there is small enough
};

/// Slope and curvature at `point.alpha`. With `kFull` that is the full step: the contacts' changes along the line are
/// computed, and `full` is filled in, by comparison with the pieces at the start.
template <class Shape, bool kFlat, bool kFull, class Model, class Real, int J>
STAMPEDE_FN void evaluate(const Model& model, const JointRows<Real, J>& rows, bool limits,
                          const FrictionPieces<Real, J>& pieces, const SearchLine<Real, J>& line,
                          ContactSet<Real, J>& set, LinePoint<Real>& point, FullStep<Real>& full) {
  constexpr int kGroup = Shape::kGroup;
  const Real zero(0), alpha = point.alpha;
  const Acceleration<Real, J>& step = line.step;
  Real slope = line.linear + alpha * line.quadratic;
  Real curvature = line.quadratic;
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    const Real e = rows.friction[i] + alpha * line.friction_step[i];
    const MaskOf<Real> low = e <= -rows.loss[i], high = e >= rows.loss[i];
    slope += step.joint[i] * min(max(e, -rows.loss[i]), rows.loss[i]);
    curvature += select(low || high, zero, line.friction_step[i] * step.joint[i]);
    if constexpr (kFull) full.changed = full.changed || low != pieces.low[i] || high != pieces.high[i];
  }
  if (limits) {
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) {
      const Real e = rows.limit[i] + alpha * line.limit_step[i];
      const Real stiffness = select(e < zero, rows.limit_stiffness[i], zero);
      slope += line.limit_step[i] * stiffness * e;
      curvature += stiffness * line.limit_step[i] * line.limit_step[i];
      if constexpr (kFull) full.changed = full.changed || (e < zero) != (rows.limit[i] < zero);
    }
  }
  for_each_slot(set, 0, [&](Contact<Real, J>& c, int) {
    if constexpr (kFull) {
      c.change = point_motion<kFlat>(c, Vec3<Real>{step.base[0], step.base[1], step.base[2]},
                                     Vec3<Real>{step.base[3], step.base[4], step.base[5]}, step.joint);
    }
    const ConeSlope<Real> cone = cone_slope<kFlat>(model, c, c.residual + c.change * alpha, c.change);
    slope += cone.slope;
    curvature += cone.curvature;
    if constexpr (kFull) {
      const MaskOf<Real> on = c.stiffness > zero;
      full.changed = full.changed || (on && cone.zone != c.zone);
      const Real sideways = c.change.x * c.change.x + c.change.y * c.change.y +
                            c.change.z * c.change.z * Real(model.options.inverse_impratio);
      full.turned += select(on && cone.zone == Real(2), sideways * cone.inverse_slip * cone.inverse_slip, zero);
    }
  });
  point.slope = group_sum<kGroup>(slope) + (line.linear_common + alpha * line.quadratic_common);
  point.curvature = group_sum<kGroup>(curvature) + line.quadratic_common;
}

/// The bounds between which the root is.
template <class Real>
struct Bracket {
  Real low, high;  ///< `high` is kNoBound until a positive slope was seen
  Real slope_low, slope_high;
  static constexpr float kNoBound = 1e30f;
};

/// Moves one of the bounds to the point.
template <class Real>
STAMPEDE_FN void narrow(const LinePoint<Real>& point, Bracket<Real>& bracket) {
  const MaskOf<Real> left = point.slope < Real(0);
  bracket.low = select(left, point.alpha, bracket.low);
  bracket.slope_low = select(left, point.slope, bracket.slope_low);
  bracket.high = select(left, bracket.high, point.alpha);
  bracket.slope_high = select(left, bracket.slope_high, point.slope);
}

/// The kink nearest to `inside` and between the bounds; `inside` where there is none. A kink is where a contact's
/// residual passes closest to zero sliding, so that its direction turns round: the slope rises steeply there, which the
/// curvature that Newton's steps from farther away use does not show.
template <class Shape, class Real, int J>
STAMPEDE_FN Real nearest_kink(const ContactSet<Real, J>& set, const Bracket<Real>& bracket, Real inside) {
  const Real infinite(Bracket<Real>::kNoBound);
  Real nearest = infinite, kink = inside;
  const Real edge = Real(1e-3f) * (bracket.high - bracket.low);
  for_each_slot(set, 0, [&](const Contact<Real, J>& c, int) {
    const Real speed2 = c.change.x * c.change.x + c.change.y * c.change.y;
    const Real at = -(c.residual.x * c.change.x + c.residual.y * c.change.y) * reciprocal(max(speed2, Real(1e-20f)));
    const MaskOf<Real> within = at > bracket.low + edge && at < bracket.high - edge && c.stiffness > Real(0);
    const Real away = abs(at - inside);
    const MaskOf<Real> nearer = within && away < nearest;
    nearest = select(nearer, away, nearest);
    kink = select(nearer, at, kink);
  });
  const Real nearest_of_group = group_min<Shape::kGroup>(nearest);
  return group_min<Shape::kGroup>(select(nearest <= nearest_of_group, kink, infinite));
}

/// Searches the line for an alpha where the slope is at most `line_search_tolerance` (as a rule a tenth) times that at
/// 0, in lanes that are `active`; alpha is 0 elsewhere. Returns alpha.
template <class Shape, bool kFlat, class Model, class Real, int J>
STAMPEDE_FN Real search_line(const Model& model, const JointRows<Real, J>& rows, bool limits,
                             const FrictionPieces<Real, J>& pieces, const SearchLine<Real, J>& line,
                             MaskOf<Real> active, ContactSet<Real, J>& set, FullStep<Real>& full) {
  const Real zero(0), one(1), infinite(Bracket<Real>::kNoBound);
  LinePoint<Real> point;
  point.alpha = one;
  full.changed = zero > one;
  full.turned = zero;
  evaluate<Shape, kFlat, true>(model, rows, limits, pieces, line, set, point, full);
  point.alpha = select(active, one, zero);
  const Real enough = Real(model.options.line_search_tolerance) * -line.slope_at_0;
  MaskOf<Real> searching = active && abs(point.slope) > enough;
  full.taken = active && !searching;

  Bracket<Real> bracket{zero, infinite, line.slope_at_0, one};
  Real before = infinite;  // size of the slope at the last point
  for (int evaluations = 1; any_together(searching) && evaluations < model.options.max_line_search; ++evaluations) {
    narrow(point, bracket);
    // Newton's step from the last point, where it stays between the bounds and the slope has at least halved. Else
    // twice as far where there is no upper bound yet; else the kink nearest to the secant's root, or that root where
    // there is no kink. Every third time the middle of the bounds instead of a kink or the secant's root, which halves
    // their distance whatever the cost looks like.
    const MaskOf<Real> open = bracket.high > Real(1e29f);
    Real next = point.alpha - point.slope * reciprocal(point.curvature);
    const MaskOf<Real> good = next > bracket.low && next < bracket.high && abs(point.slope) < Real(0.5f) * before;
    before = abs(point.slope);
    const bool halve = evaluations % 3 == 0;
    if (any_together(searching && !good)) {
      Real inside = bracket.low - bracket.slope_low * (bracket.high - bracket.low) *
                                      reciprocal(bracket.slope_high - bracket.slope_low);
      if (halve) inside = Real(0.5f) * (bracket.low + bracket.high);
      Real kink = inside;
      if (!halve) kink = nearest_kink<Shape>(set, bracket, inside);
      next = select(good, next, select(open, point.alpha + point.alpha, kink));
    }
    if (halve) before = infinite;
    point.alpha = select(searching, next, point.alpha);
    evaluate<Shape, kFlat, false>(model, rows, limits, pieces, line, set, point, full);
    searching = searching && abs(point.slope) > enough;
  }
  return point.alpha;
}

/// Goes to the point alpha of the line. The changes of residuals and gradients are added to them: if they were computed
/// anew from the acceleration, small changes would be lost in rounding.
template <class Real, int J>
STAMPEDE_FN void move_along(const SearchLine<Real, J>& line, Real alpha, bool limits, ContactSet<Real, J>& set,
                            NewtonSearch<Real, J>& search) {
  STAMPEDE_UNROLL
  for (int c = 0; c < 6; ++c) {
    search.a.base[c] += alpha * line.step.base[c];
    search.slope_share[c] += alpha * line.curve_share[c];
    search.slope_common[c] += alpha * line.curve_common[c];
  }
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    search.a.joint[i] += alpha * line.step.joint[i];
    search.slope_joint[i] += alpha * line.curve_joint[i];
    search.rows.friction[i] += alpha * line.friction_step[i];
    if (limits) search.rows.limit[i] += alpha * line.limit_step[i];
  }
  for_each_slot(set, 0, [&](Contact<Real, J>& c, int) { c.residual = c.residual + c.change * alpha; });
}

}  // namespace stampede
