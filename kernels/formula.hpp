#pragma once
/// \file Formulas as lists of operations: what a kernel interprets instead of being compiled for them. The lists are
/// made on the host (host/task/formula.hpp); what their signals are is the environments' own (envs/legged).
///
/// An operation reads up to three numbers of a small array, the *places*, and writes one. All lanes take the same
/// operations. Conditions are numbers too: 1 where they hold, 0 where not; of an operand, all but 0 holds.
///
/// A number that is not finite is never lost on the way: NaN passes through every operation, comparisons, min and max
/// included, to the formula's result, where it is noticed. Only `select` drops what it does not choose, so that
/// select(speed > 0.1, x / speed, 0) is a guard.

#include "kernels/group.hpp"
#include "kernels/math.hpp"
#include "kernels/random.hpp"

namespace stampede {

enum class FormulaOp : std::uint8_t {
  // Sources.
  kConstant,  ///< `number`
  kSignal,    ///< signal `a`; of joint `b` of each limb
  kMask,      ///< mask `a`: 1 in lanes that are chosen, else 0
  kRecall,    ///< row `a` of what is kept from step to step
  kUniform,   ///< drawn evenly between a and b
  kPoint,     ///< signal `a` of the turn's points, one in each lane
  // Of one number.
  kNegate,
  kNot,
  kAbs,
  kSqrt,
  kExp,
  kLog,
  kSin,
  kCos,
  kTanh,
  kFract,
  kFloor,
  // Of two.
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kPower,
  kLess,
  kAtMost,
  kEqual,
  kAnd,
  kOr,
  kFinite,  ///< a where it is finite, else b
  kMin,
  kMax,
  // Of three.
  kSelect,  ///< b where a holds, else c
  kChoose,  ///< a where mask `b` chooses, else `number`
  // Over the lanes of an environment.
  kGroupSum,
  kGroupMin,
  kGroupMax,
  // Over what an environment has more of than lanes: the operations between kTurns and one of the others are taken
  // turn by turn, each time for as many points as there are lanes.
  kTurns,    ///< `number` turns begin; `to` is the place of those that end them
  kTurnSum,  ///< place `to` joins place `b` of all turns. Lanes that mask `c` does not choose have no point in the last
             ///< turn. `number`: the operations of a turn
  kTurnMin,
  kTurnMax,
  // Results: they write no place.
  kReward,     ///< adds a * `number` to the reward; `b`: its row among those that are reported
  kViolation,  ///< a - `number` is the violation where b holds; `c`: its places among the columns
  kEnd,        ///< the episode ends where a holds
  kKeep,       ///< a becomes row `b` of what is kept
  kNext,       ///< the same; where a is not finite, the row stays as it is
  kObserve,    ///< a goes to the observation of group `b` (ObservedGroup); `c`: its places in the row
};

/// One operation: place `to` becomes the result of `op`.
struct FormulaStep {
  FormulaOp op;
  std::uint8_t to, a, b, c;
  std::uint8_t item;  ///< of results: which formula
  float number;
};

/// Where kObserve writes.
enum ObservedGroup : std::uint8_t { kObservedPolicy, kObservedPrivileged, kObservedFinal };

/// Numbers that an interpreter holds at the same time.
inline constexpr int kFormulaPlaces = 64;

/// NaN where x or y is.
template <class Real>
STAMPEDE_FN Real unless_nan(Real result, Real x, Real y) {
  return select(x == x && y == y, result, Real(NAN));
}

/// The largest integer that is not above x, for |x| < 2^22; beyond that x, which then has hardly a fraction.
template <class Real>
STAMPEDE_FN Real floor_of(Real x) {
  const Real near = round_nearest(x), below = select(near > x, near - Real(1.0f), near);
  return select(abs(x) < Real(4194304.0f), below, x);
}

/// sin (or cos) of x [rad], after whole turns are taken off: of large x, too, at the accuracy that a float has there.
template <class Real>
STAMPEDE_CALLED Real sine_of(Real x, bool cosine) {
  Real s, c;
  // The domain of `sincos`; NaN beyond.
  const Real in = select(abs(x) <= Real(8192.0f), x, Real(NAN));
  sincos(wrap_angle(select(in == in, in, Real(0.0f))), s, c);
  return select(in == in, cosine ? c : s, Real(NAN));
}

/// x^y; of x < 0 NaN, as x^y of whole numbers y is written as products.
template <class Real>
STAMPEDE_CALLED Real power_of(Real x, Real y) {
  const Real none(0.0f), one(1.0f);
  const Real some = exp(y * log(select(x > none, x, one)));
  const Real at_zero = select(y > none, none, select(y == none, one, Real(HUGE_VALF)));
  return unless_nan(select(x > none, some, select(x == none, at_zero, Real(NAN))), x, y);
}
template <class Real>
STAMPEDE_CALLED Real exp_of(Real x) {
  return exp(x);
}
template <class Real>
STAMPEDE_CALLED Real log_of(Real x) {
  return log(x);
}
template <class Real>
STAMPEDE_CALLED Real tanh_of(Real x) {
  return tanh(x);
}

/// The result of an operation that is none of the sources or results, over groups of K lanes. `chosen`: the lanes of
/// kChoose's mask.
template <int K, class Real>
STAMPEDE_FN Real formula_result(const FormulaStep& step, Real a, Real b, Real c, Real chosen) {
  const Real none(0.0f), one(1.0f);
  // Smallest and largest do not tell a NaN: it is added. x - x is 0, or NaN where x is not finite.
  const auto with_nan = [&](Real result) {
    return select(group_sum<K>(select(a == a, none, one)) > none, Real(NAN), result);
  };
  switch (step.op) {
    case FormulaOp::kNegate:
      return -a;
    case FormulaOp::kNot:
      return unless_nan(select(a == none, one, none), a, a);
    case FormulaOp::kAbs:
      return abs(a);
    case FormulaOp::kSqrt:
      return select(a >= none, sqrt(max(a, none)), Real(NAN));
    case FormulaOp::kExp:
      return exp_of(a);
    case FormulaOp::kLog:
      return log_of(a);
    case FormulaOp::kSin:
      return sine_of(a, false);
    case FormulaOp::kCos:
      return sine_of(a, true);
    case FormulaOp::kTanh:
      return tanh_of(a);
    case FormulaOp::kFract:
      return a - floor_of(a);
    case FormulaOp::kFloor:
      return floor_of(a);
    case FormulaOp::kAdd:
      return a + b;
    case FormulaOp::kSubtract:
      return a - b;
    case FormulaOp::kMultiply:
      return a * b;
    case FormulaOp::kDivide:
      return a / b;
    case FormulaOp::kPower:
      return power_of(a, b);
    case FormulaOp::kLess:
      return unless_nan(select(a < b, one, none), a, b);
    case FormulaOp::kAtMost:
      return unless_nan(select(a <= b, one, none), a, b);
    case FormulaOp::kEqual:
      return unless_nan(select(a == b, one, none), a, b);
    case FormulaOp::kAnd:
      return unless_nan(select(a == none, none, select(b == none, none, one)), a, b);
    case FormulaOp::kOr:
      return unless_nan(select(a == none, select(b == none, none, one), one), a, b);
    case FormulaOp::kFinite:
      return select(is_finite(a), a, b);
    case FormulaOp::kMin:
      return unless_nan(min(a, b), a, b);
    case FormulaOp::kMax:
      return unless_nan(max(a, b), a, b);
    case FormulaOp::kSelect:
      return unless_nan(select(a == none, c, b), a, a);
    case FormulaOp::kChoose:
      return select(chosen > Real(0.5f), a, Real(step.number));
    case FormulaOp::kGroupSum:
      return group_sum<K>(a);
    case FormulaOp::kGroupMin:
      return with_nan(group_min<K>(a));
    case FormulaOp::kGroupMax:
      return with_nan(group_max<K>(a));
    default:
      return a;
  }
}

/// What the turns up to number `turn` of `turns` give: `so_far` of those before, and x where the lane has a point.
template <class Real>
STAMPEDE_FN Real join_turn(FormulaOp op, Real so_far, Real x, Real has_point, int turn, int turns) {
  const float nothing = op == FormulaOp::kTurnSum ? 0.0f : op == FormulaOp::kTurnMin ? HUGE_VALF : -HUGE_VALF;
  if (turn + 1 == turns) x = select(has_point > Real(0.5f), x, Real(nothing));
  if (turn == 0) return x;
  if (op == FormulaOp::kTurnSum) return so_far + x;
  return unless_nan(op == FormulaOp::kTurnMin ? min(so_far, x) : max(so_far, x), so_far, x);
}

/// A list of operations on the device.
struct FormulaList {
  const FormulaStep* step;
  int count;
};

/// What the operations refer to, on the device.
struct FormulaTables {
  const LimbTable<float>* mask;
  const LimbPlaces* place;
  float* kept;  ///< [rows][kept_stride]: what is kept from step to step, a number for each lane
  Index kept_stride;

  STAMPEDE_FN float* row(int i, Index lane) const { return kept + i * kept_stride + lane; }
};

/// Takes the list's operations in groups of K lanes, those from `lane` on. signal(which, i) gives a signal, of joint
/// number i of each limb or of the points of turn i; calls result(step, a, b) for each operation that is a result.
template <int K, class Real, class SignalOf, class Result>
STAMPEDE_FN void interpret(const FormulaList& list, const FormulaTables& tables, Index lane, Random<Real>& random,
                           const SignalOf& signal, const Result& result) {
  Real place[kFormulaPlaces];
  place[0] = Real(0.0f);  // what operations read that need fewer numbers
  int turn = 0, turns = 1;
  STAMPEDE_NO_UNROLL
  for (int i = 0; i < list.count; ++i) {
    const FormulaStep step = list.step[i];
    switch (step.op) {
      case FormulaOp::kConstant:
        place[step.to] = Real(step.number);
        break;
      case FormulaOp::kSignal:
        place[step.to] = signal(step.a, step.b);
        break;
      case FormulaOp::kMask:
        place[step.to] = of_limbs<Real>(tables.mask[step.a], lane);
        break;
      case FormulaOp::kRecall:
        place[step.to] = load<Real>(tables.row(step.a, lane));
        break;
      case FormulaOp::kUniform:
        place[step.to] = random.uniform(place[step.a], place[step.b]);
        break;
      case FormulaOp::kPoint:
        place[step.to] = signal(step.a, turn);
        break;
      case FormulaOp::kTurns:
        turn = 0;
        turns = static_cast<int>(step.number);
        break;
      case FormulaOp::kTurnSum:
      case FormulaOp::kTurnMin:
      case FormulaOp::kTurnMax:
        place[step.to] =
            join_turn(step.op, place[step.to], place[step.b], of_limbs<Real>(tables.mask[step.c], lane), turn, turns);
        if (++turn < turns) i -= static_cast<int>(step.number) + 1;
        break;
      case FormulaOp::kChoose:
        place[step.to] =
            formula_result<K>(step, place[step.a], place[0], place[0], of_limbs<Real>(tables.mask[step.b], lane));
        break;
      case FormulaOp::kReward:
      case FormulaOp::kEnd:
      case FormulaOp::kKeep:
      case FormulaOp::kNext:
      case FormulaOp::kObserve:
        result(step, place[step.a], place[0]);
        break;
      case FormulaOp::kViolation:
        result(step, place[step.a], place[step.b]);
        break;
      default:
        place[step.to] = formula_result<K>(step, place[step.a], place[step.b], place[step.c], place[0]);
    }
  }
}

}  // namespace stampede
