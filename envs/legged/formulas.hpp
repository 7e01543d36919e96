#pragma once
/// \file Formulas of walking tasks: the lists of operations that a task's file was compiled to
/// (host/task/legged_formulas.hpp), and the kernels that interpret them. One lane is one limb: a number of the
/// environment is the same in all its lanes, one of the feet is each lane's own, one of the joints is as many places
/// as a limb has joints, one of the scan's points is taken turn by turn.
///
/// Before FinishStep, RunFormulas computes a step's rewards, violations and ends, and what is kept for the next step;
/// behind it, where the task has numbers of its own or observes formulas, ObserveFormulas starts those numbers where an
/// episode began, and writes the observations.

#include "envs/legged/changes.hpp"
#include "envs/legged/formula_plan.hpp"
#include "envs/legged/signals.hpp"

namespace stampede {

/// What the operations refer to, and where the limbs are, on the device.
struct LeggedFormulaTables {
  FormulaTables of;
  const LeggedFeet* feet;  ///< null: no formula names where the feet are, or how far limbs are apart
};

/// Where the feet are and how they move.
template <class Real>
struct FootMotion {
  Vec3<Real> position;  ///< of the middle, from the base's origin, world axes [m]
  Vec3<Real> velocity;  ///< of the middle, world axes [m/s]
  Real height;          ///< of the lowest point above the ground [m]
};

/// A robot, seen from a formula.
template <class Shape, class Real>
struct FormulaScene {
  static constexpr int J = Shape::kJoints;
  const LeggedView<Shape, Real>& seen;
  const PhysicsRecord<Real, J>& record;
  const LeggedChange<Real, J>& change;
  const Array<Real, J>& previous_action;
  const RowsView<float>& variation;
  Real age;          ///< of the episode [control steps]
  Real starts;       ///< 1 in the first step of an episode, else 0
  Real stance_time;  ///< of the foot [s]
  FootMotion<Real> foot;
  Real distance;  ///< of the limb from others [m]
};

/// Three tables as vectors of the lanes from `lane` on.
template <class Real>
STAMPEDE_FN Vec3<Real> vector_of_limbs(const LimbTable<float>* of, Index lane) {
  return {of_limbs<Real>(of[0], lane), of_limbs<Real>(of[1], lane), of_limbs<Real>(of[2], lane)};
}

/// Forward kinematics: the chain of the limb's joints. Calls body(joint, axes, origin, slide) for each, with the frame
/// of the link that it moves from the base's origin, world axes [m], and 1 where it slides, else 0.
template <class Shape, class Real, class Body>
STAMPEDE_FN void walk_limb(const LeggedFeet& feet, const LeggedView<Shape, Real>& seen, const Body& body) {
  constexpr int J = Shape::kJoints;
  const PhysicsState<Real, J>& s = seen.s;
  const Index lane = seen.lane;
  Mat3<Real> axes = s.orientation.matrix();
  Vec3<Real> origin = zero3<Real>();
  STAMPEDE_NO_UNROLL
  for (int i = 0; i < J; ++i) {
    origin = origin + axes * vector_of_limbs<Real>(feet.offset[i], lane);
    const Mat3<Real> at_rest =
        axes * Mat3<Real>{vector_of_limbs<Real>(feet.frame[i], lane), vector_of_limbs<Real>(feet.frame[i] + 3, lane),
                          vector_of_limbs<Real>(feet.frame[i] + 6, lane)};
    const Real slide = of_limbs<Real>(feet.slide[i], lane);
    const Real moved = s.q[i] - of_limbs<Real>(feet.reference[i], lane);
    Real sine, cosine;
    sincos(moved * (Real(1.0f) - slide), sine, cosine);
    axes = {at_rest.x * cosine + at_rest.y * sine, at_rest.y * cosine - at_rest.x * sine, at_rest.z};
    origin = origin + axes.z * (moved * slide);
    body(i, axes, origin, slide);
  }
}

/// The feet's motion.
template <class Shape, class Real>
STAMPEDE_CALLED FootMotion<Real> move_feet(const LeggedFeet& feet, const LeggedView<Shape, Real>& seen) {
  constexpr int J = Shape::kJoints;
  const PhysicsState<Real, J>& s = seen.s;
  const Index lane = seen.lane;
  const Mat3<Real> base = s.orientation.matrix();
  FootMotion<Real> foot{zero3<Real>(), zero3<Real>(), Real(1e6f)};
  Array<Vec3<Real>, J> turns, pivot;
  Array<Real, J> slide;
  walk_limb(feet, seen, [&](int i, const Mat3<Real>& axes, const Vec3<Real>& origin, Real slides) {
    turns[i] = axes.z;
    pivot[i] = origin;
    slide[i] = slides;
    STAMPEDE_NO_UNROLL
    for (int p = 0; p < feet.points; ++p) {
      const FootPoint& point = feet.point[p];
      if (point.link != i + 1) continue;
      const Vec3<Real> at = origin + axes * vector_of_limbs<Real>(point.at, lane);
      const Real x = s.position.x + at.x, y = s.position.y + at.y, z = s.position.z + at.z;
      const Real ground = ground_height(seen.ground, x, y, s.position.z);
      foot.height = min(foot.height, z - of_limbs<Real>(point.radius, lane) - ground);
      foot.position = foot.position + at * of_limbs<Real>(point.share, lane);
    }
  });
  foot.velocity = s.velocity + cross(base * s.spin, foot.position);
  STAMPEDE_NO_UNROLL
  for (int i = 0; i < feet.links; ++i) {
    const Vec3<Real> by_turning = cross(turns[i], foot.position - pivot[i]) * (Real(1.0f) - slide[i]);
    foot.velocity = foot.velocity + (by_turning + turns[i] * slide[i]) * s.v[i];
  }
  return foot;
}

/// How far two segments are apart, which begin at p and q and end at p + u and q + v; a segment without length is a
/// point. The nearest points of the segments' lines, each moved onto its segment and the other to where it is nearest
/// to that (Ericson, Real-Time Collision Detection, 2005, 5.1.9).
template <class Real>
STAMPEDE_FN Real segment_distance(Vec3<Real> p, Vec3<Real> u, Vec3<Real> q, Vec3<Real> v) {
  const Real none(0.0f), one(1.0f), least(1e-12f);
  const Vec3<Real> r = p - q;
  const Real a = dot(u, u), e = dot(v, v), b = dot(u, v), c = dot(u, r), f = dot(v, r);
  const auto within = [&](Real x) { return min(max(x, none), one); };
  // Of parallel lines all points are as near: the first segment's beginning is taken.
  const Real across = a * e - b * b, parallel = Real(1e-5f) * a * e;
  const Real at = select(across > parallel, within((b * f - c * e) / max(across, Real(1e-24f))), none);
  const Real t = within((b * at + f) / max(e, least));
  const Real s = within((b * t - c) / max(a, least));
  const Vec3<Real> apart = r + u * s - v * t;
  return sqrt(dot(apart, apart));
}

/// How far the limb's capsules are from the nearest of another limb's [m]; below 0 where they overlap. Limb by limb
/// its capsules are told to all lanes of the group: as a sum with zeros, which is exact.
template <class Shape, class Real>
STAMPEDE_CALLED Real limb_distance(const LeggedFeet& feet, const LeggedView<Shape, Real>& seen) {
  constexpr int K = Shape::kGroup;
  const Index lane = seen.lane;
  const Real none(0.0f);
  Array<Vec3<Real>, kMostLimbCapsules> begin = fill_rows<Array<Vec3<Real>, kMostLimbCapsules>>(none), along = begin;
  walk_limb(feet, seen, [&](int i, const Mat3<Real>& axes, const Vec3<Real>& origin, Real) {
    STAMPEDE_NO_UNROLL
    for (int n = 0; n < feet.capsules; ++n) {
      const LimbCapsule& capsule = feet.capsule[n];
      if (capsule.link != i + 1) continue;
      begin[n] = origin + axes * vector_of_limbs<Real>(capsule.begin, lane);
      along[n] = axes * vector_of_limbs<Real>(capsule.along, lane);
    }
  });
  const Real limb = of_limbs<Real>(seen.c.limb_number, lane);
  Real least(1e6f);
  STAMPEDE_NO_UNROLL
  for (int other = 0; other < K; ++other) {
    const MaskOf<Real> itself = abs(limb - Real(static_cast<float>(other))) < Real(0.5f);
    STAMPEDE_NO_UNROLL
    for (int m = 0; m < feet.capsules; ++m) {
      const Vec3<Real> from = group_sum<K>(select(itself, begin[m], zero3<Real>()));
      const Vec3<Real> to = group_sum<K>(select(itself, along[m], zero3<Real>()));
      const Real radius = group_sum<K>(select(itself, of_limbs<Real>(feet.capsule[m].radius, lane), none));
      STAMPEDE_NO_UNROLL
      for (int n = 0; n < feet.capsules; ++n) {
        const Real apart =
            segment_distance(begin[n], along[n], from, to) - (radius + of_limbs<Real>(feet.capsule[n].radius, lane));
        least = select(itself, least, min(least, apart));
      }
    }
  }
  return least;
}

/// A signal; of joint number `i` of each limb, or of the scan's points of turn `i`.
template <class Shape, class Real>
STAMPEDE_CALLED Real signal_of(Signal signal, int i, const FormulaScene<Shape, Real>& scene) {
  constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const LeggedView<Shape, Real>& seen = scene.seen;
  const LeggedConstants& c = seen.c;
  const Real none(0.0f);
  const auto varied = [&](std::size_t offset, int joint) {
    const Index row = static_cast<Index>(offset / sizeof(float)) + joint;
    return load<Real>(scene.variation.data + row * scene.variation.stride + seen.lane);
  };
  using Varied = PhysicsVariation<float, J>;
  switch (signal) {
    case Signal::kCommandX:
      return seen.carried.command.x;
    case Signal::kCommandY:
      return seen.carried.command.y;
    case Signal::kCommandYaw:
      return seen.carried.command.z;
    case Signal::kCommandSpeed:
      return seen.commanded_speed;
    case Signal::kCommandTime:
      return seen.carried.command_age * Real(c.control_dt);
    case Signal::kVelocityX:
      return seen.forward;
    case Signal::kVelocityY:
      return seen.sideways;
    case Signal::kVelocityZ:
      return seen.s.velocity.z;
    case Signal::kYawRate:
      return seen.yaw_rate;
    case Signal::kBaseVelocityX:
      return seen.velocity.x;
    case Signal::kBaseVelocityY:
      return seen.velocity.y;
    case Signal::kBaseVelocityZ:
      return seen.velocity.z;
    case Signal::kAngularVelocityX:
      return seen.s.spin.x;
    case Signal::kAngularVelocityY:
      return seen.s.spin.y;
    case Signal::kAngularVelocityZ:
      return seen.s.spin.z;
    case Signal::kGravityX:
      return seen.gravity.x;
    case Signal::kGravityY:
      return seen.gravity.y;
    case Signal::kGravityZ:
      return seen.gravity.z;
    case Signal::kBaseHeight:
      return seen.height;
    case Signal::kBaseForce:
      return scene.change.base_force;
    case Signal::kBodyForce:
      return scene.change.body_force;
    case Signal::kClearance:
      return least_clearance(seen);
    case Signal::kPower:
      return group_sum<K>(scene.record.work) * Real(1.0f / c.control_dt);
    case Signal::kTime:
      return scene.age * Real(c.control_dt);
    case Signal::kControlDt:
      return Real(c.control_dt);
    case Signal::kEpisodeStart:
      return scene.starts;
    case Signal::kRobotWeight:
      return Real(c.weight);
    case Signal::kFriction:
      return seen.carried.friction;
    case Signal::kBaseMass:
      return varied(offsetof(Varied, base_mass), 0);
    case Signal::kFootContact:
      return seen.carried.touched;
    case Signal::kFootForce:
      return seen.carried.foot_force;
    case Signal::kFootTouchdown:
      return scene.change.touchdown;
    case Signal::kFootAirTime:
      return select(scene.change.touchdown > Real(0.5f), scene.change.air_time, max(seen.carried.air_time, none));
    case Signal::kFootStanceTime:
      return scene.stance_time;
    case Signal::kFootHeight:
      return scene.foot.height;
    case Signal::kFootX:
      return seen.cosine * scene.foot.position.x + seen.sine * scene.foot.position.y;
    case Signal::kFootY:
      return seen.cosine * scene.foot.position.y - seen.sine * scene.foot.position.x;
    case Signal::kFootZ:
      return scene.foot.position.z;
    case Signal::kFootVelocityX:
      return seen.cosine * scene.foot.velocity.x + seen.sine * scene.foot.velocity.y;
    case Signal::kFootVelocityY:
      return seen.cosine * scene.foot.velocity.y - seen.sine * scene.foot.velocity.x;
    case Signal::kFootVelocityZ:
      return scene.foot.velocity.z;
    case Signal::kFootSpeed:
      return sqrt(scene.foot.velocity.x * scene.foot.velocity.x + scene.foot.velocity.y * scene.foot.velocity.y);
    case Signal::kLegForce:
      return scene.change.leg_force;
    case Signal::kLimbForce: {
      Real most = scene.change.leg_force;
      STAMPEDE_UNROLL
      for (int link = 0; link < J; ++link) most = max(most, scene.record.force[link]);
      return most;
    }
    case Signal::kLimbDistance:
      return scene.distance;
    case Signal::kJointPosition:
      return seen.s.q[i];
    case Signal::kJointDefault:
      return seen.default_position(i);
    case Signal::kJointVelocity:
      return seen.s.v[i];
    case Signal::kJointAcceleration:
      return scene.change.acceleration[i];
    case Signal::kJointTorque:
      return scene.record.torque[i];
    case Signal::kJointLow:
      return of_limbs<Real>(c.position_low[i], seen.lane);
    case Signal::kJointHigh:
      return of_limbs<Real>(c.position_high[i], seen.lane);
    case Signal::kJointLimitDistance:
      return min(seen.s.q[i] - of_limbs<Real>(c.position_low[i], seen.lane),
                 of_limbs<Real>(c.position_high[i], seen.lane) - seen.s.q[i]);
    case Signal::kAction:
      return seen.carried.action[i];
    case Signal::kPreviousAction:
      return scene.previous_action[i];
    case Signal::kMotorStrength:
      return varied(offsetof(Varied, strength), i);
    case Signal::kScanX:
      return scan_point(seen, i * K).x;
    case Signal::kScanY:
      return scan_point(seen, i * K).y;
    case Signal::kScanHeight:
      return scanned(seen, i * K);
    case Signal::kScanClearance: {
      const GroundColumn<Real> column = scanned_column(seen, i * K);
      return min(Real(kMostClearance), column.ceiling - column.ground);
    }
  }
  return none;
}

/// Finds where the limbs are, as far as formulas name that.
template <class Shape, class Real>
STAMPEDE_FN void place_limbs(const LeggedFormulaTables& tables, const LeggedView<Shape, Real>& seen,
                             FormulaScene<Shape, Real>& scene) {
  if (tables.feet == nullptr) return;
  if (tables.feet->points > 0) scene.foot = move_feet<Shape>(*tables.feet, seen);
  if (tables.feet->capsules > 0) scene.distance = limb_distance<Shape>(*tables.feet, seen);
}

/// 1 in lanes that have a place, else 0.
template <class Real>
STAMPEDE_FN Real has_place(const LimbPlaces& places, [[maybe_unused]] Index lane) {
  if constexpr (ScalarLane<Real>) {
    return places.value[lane % kMaxLanes] >= 0 ? 1.0f : 0.0f;
  } else {
    Real there(0.0f);
    STAMPEDE_UNROLL
    for (int l = 0; l < kLanes<Real>; ++l) there.set(l, places.value[l] >= 0 ? 1.0f : 0.0f);
    return there;
  }
}

/// Where any lane of the environment has a number that is not finite; 1, else 0.
template <int K, class Real>
STAMPEDE_FN Real any_nonfinite(Real x) {
  return group_max<K>(select(is_finite(x), Real(0.0f), Real(1.0f)));
}

/// Rows that formulas add to, for the training's report.
struct FormulaTotals {
  float* rows;    ///< [rows][stride]: first those of kReward, then from `nonfinite` on one for each formula
  int nonfinite;  ///< of the rows
  Index stride;

  template <int K, class Real>
  STAMPEDE_FN void add(int row, Index lane, Real x) const {
    float* const at = rows + row * stride;
    store_each<K>(at, lane, load_each<K, Real>(at, lane) + x);
  }
};

/// Replaces what is not finite by 0, and counts it: once for each formula and step, however many results it has. Those
/// of a formula follow one another.
template <int K, class Real>
class NonfiniteFormulas {
 public:
  STAMPEDE_FN NonfiniteFormulas(const FormulaTotals& totals, Index lane) : totals_(totals), lane_(lane), told_(0.0f) {}

  /// x, or 0 where it is not finite, which is counted where `counts`.
  STAMPEDE_FN Real finite(const FormulaStep& step, Real x, MaskOf<Real> counts) {
    const Real none(0.0f);
    if (step.item != item_) told_ = none;
    item_ = step.item;
    if (!any_together(!is_finite(x))) return x;  // nearly always
    const Real bad = any_nonfinite<K>(select(counts, x, none));
    const Real more = max(bad - told_, none);
    if (any_together(more > Real(0.5f))) totals_.add<K>(totals_.nonfinite + item_, lane_, more);
    told_ = max(told_, bad);
    return select(is_finite(x), x, none);
  }

 private:
  const FormulaTotals& totals_;
  Index lane_;
  int item_ = -1;
  Real told_;  ///< 1 where it was counted by now
};

/// A step's rewards, violations and ends by formulas. What is not finite counts as 0, violates nothing and ends
/// nothing; the formula's row of totals counts it.
template <class Shape, class LaneReal>
struct RunFormulas {
  using Real = LaneReal;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;

  LeggedTask task;
  FormulaList list;
  LeggedFormulaTables tables;
  StepOutput out;
  FormulaTotals totals;
  float *reward, *end;  ///< [stride]: as FinishStep reads them

  template <class>
  STAMPEDE_FN void operator()(Index lane) const {
    const LeggedConstants& c = *task.constants;
    const Real none(0.0f), one(1.0f);
    const auto s = read_rows<PhysicsState<Real, J>, Real>(task.rows.state, lane);
    auto carried = read_rows<LeggedLane<Real, J>, Real>(task.rows.carried, lane);
    auto record = read_rows<PhysicsRecord<Real, J>, Real>(task.rows.record, lane);
    const auto target = read_rows<Array<Real, J>, Real>(task.rows.control, lane);
    const Array<Real, J> previous_action = carried.action;
    const MaskOf<Real> broken = drop_broken_records<Shape>(s, record);
    const LeggedChange<Real, J> change = note_changes<Shape>(c, lane, s, record, target, carried);
    const LeggedView<Shape, Real> seen(c, task.ground, lane, s, carried);
    const Real age = load_each<K, Real>(task.view.age, lane);
    float* const fresh = tables.of.row(kFresh, lane);
    float* const stance = tables.of.row(kStanceTime, lane);
    const MaskOf<Real> starts = age < Real(0.5f) || load<Real>(fresh) > Real(0.5f);
    const Real stance_time =
        select(record.touches > Real(0.5f), select(starts, none, load<Real>(stance)) + Real(c.control_dt), none);
    store(fresh, none);
    store(stance, stance_time);
    FormulaScene<Shape, Real> scene{
        seen,        record, change, previous_action, task.rows.variation, age + one, select(starts, one, none),
        stance_time, {},     none};
    place_limbs(tables, seen, scene);
    Random<Real> random(task.seed, task.global_environments<K, Real>(lane), 0, Purpose::kFormula);

    Real sum = none, ends = none;
    NonfiniteFormulas<K, Real> caught(totals, lane);
    const auto signal = [&](int which, int joint) {
      return signal_of<Shape>(static_cast<Signal>(which), joint, scene);
    };
    interpret<K>(list, tables.of, lane, random, signal, [&](const FormulaStep& step, Real a, Real b) {
      const auto sane = [&](Real x) { return caught.finite(step, x, !broken); };
      switch (step.op) {
        case FormulaOp::kReward: {
          const Real part = select(broken, none, sane(a * Real(step.number)));
          sum += part;
          totals.add<K>(step.b, lane, part);
          break;
        }
        case FormulaOp::kViolation: {
          const MaskOf<Real> there = has_place<Real>(tables.of.place[step.c], lane) > none;
          const Real when = sane(select(there, b, none)), violation = sane(select(there, a - Real(step.number), none));
          const Real x = select(!(when == none) && there && !broken, violation, Real(kNotApplied));
          if (c.constraints_end) ends = max(ends, select(group_max<K>(x) > none, one, none));
          if (out.violation == nullptr) break;
          scatter_to_rows<K>(out.violation, 1, out.violation_stride, tables.of.place[step.c], lane, x);
          break;
        }
        case FormulaOp::kEnd:
          ends = max(ends, select(sane(a) == none, none, one));
          break;
        case FormulaOp::kKeep:
          store(tables.of.row(step.b, lane), a);
          break;
        case FormulaOp::kNext: {
          float* const row = tables.of.row(step.b, lane);
          sane(a);
          store(row, select(is_finite(a), a, load<Real>(row)));
          break;
        }
        case FormulaOp::kObserve: {
          // Rows as FinishStep has them: of the privileged group only where somebody asks for that.
          const bool own = out.privileged_observation != nullptr;
          if (own != (c.privileged_size > 0)) break;
          const int size = own ? c.privileged_size : c.policy_size;
          scatter_to_rows<K>(out.final_observation, size, 1, tables.of.place[step.c], lane,
                             select(is_finite(a), a, none));
          break;
        }
        default:
          break;
      }
    });
    store_each<K>(reward, lane, sum);
    store_each<K>(end, lane, ends);
  }
};

/// Starts the environments' own numbers where an episode began, and writes the observations that are formulas. What is
/// not finite becomes 0 and is counted.
template <class Shape, class LaneReal>
struct ObserveFormulas {
  using Real = LaneReal;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;

  LeggedTask task;
  FormulaList list;
  LeggedFormulaTables tables;
  const std::uint32_t* clock;  ///< null: all environments were started
  std::uint32_t offset;
  FormulaTotals totals;
  float *policy, *privileged;  ///< [env][size]; null: not asked for

  template <class>
  STAMPEDE_FN void operator()(Index lane) const {
    const LeggedConstants& c = *task.constants;
    const Real none(0.0f), one(1.0f);
    const auto s = read_rows<PhysicsState<Real, J>, Real>(task.rows.state, lane);
    const auto carried = read_rows<LeggedLane<Real, J>, Real>(task.rows.carried, lane);
    // Of the step that was taken nothing can be observed: these are not read.
    const auto record = fill_rows<PhysicsRecord<Real, J>>(none);
    const auto change = fill_rows<LeggedChange<Real, J>>(none);
    const LeggedView<Shape, Real> seen(c, task.ground, lane, s, carried);
    const Real age = load_each<K, Real>(task.view.age, lane);
    const Real starts = clock == nullptr ? one : select(age < Real(0.5f), one, none);
    if (clock == nullptr) store(tables.of.row(kFresh, lane), one);
    FormulaScene<Shape, Real> scene{seen, record, change, carried.action, task.rows.variation, age, starts,
                                    none, {},     none};
    place_limbs(tables, seen, scene);
    const std::uint32_t now = clock == nullptr ? 0 : *clock + offset + 1;
    Random<Real> random(task.seed, task.global_environments<K, Real>(lane), now, Purpose::kFormula);
    const auto signal = [&](int which, int joint) {
      return signal_of<Shape>(static_cast<Signal>(which), joint, scene);
    };
    NonfiniteFormulas<K, Real> caught(totals, lane);
    interpret<K>(list, tables.of, lane, random, signal, [&](const FormulaStep& step, Real a, Real) {
      const MaskOf<Real> all = one > none;
      if (step.op == FormulaOp::kNext) {
        store(tables.of.row(step.b, lane), caught.finite(step, a, all));
        return;
      }
      const bool own = step.b == kObservedPrivileged;
      float* const rows = own ? privileged : policy;
      if (rows == nullptr) return;
      const MaskOf<Real> there = has_place<Real>(tables.of.place[step.c], lane) > none;
      scatter_to_rows<K>(rows, own ? c.privileged_size : c.policy_size, 1, tables.of.place[step.c], lane,
                         caught.finite(step, select(there, a, none), all));
    });
  }
};

}  // namespace stampede
