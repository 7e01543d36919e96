#pragma once
/// \file What walking tasks compute from a robot's state: each observation, reward and constraint is one small piece of
/// a function here. One lane is one limb of one environment.

#include "envs/legged/ground.hpp"
#include "kernels/constraints.hpp"
#include "kernels/math.hpp"
#include "kernels/physics/batch.hpp"
#include "kernels/random.hpp"

namespace stampede {

/// A robot at the end of a control step, seen from its base.
template <class Shape, class Real>
struct LeggedView {
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const LeggedConstants& c;
  const LeggedGround& ground;
  Index lane;
  const PhysicsState<Real, J>& s;
  const LeggedLane<Real, J>& carried;
  Vec3<Real> velocity, gravity;      ///< base axes
  Real cosine, sine;                 ///< of the base's heading
  Real forward, sideways, yaw_rate;  ///< velocity in the heading's frame [m/s]; turning [rad/s]
  Real commanded_speed;
  Real height;  ///< of the base's origin above the ground [m]

  STAMPEDE_FN LeggedView(const LeggedConstants& constants, const LeggedGround& under, Index first,
                         const PhysicsState<Real, J>& state, const LeggedLane<Real, J>& lane_carried)
      : c(constants), ground(under), lane(first), s(state), carried(lane_carried) {
    const Mat3<Real> axes = s.orientation.matrix();
    velocity = multiply_transposed(axes, s.velocity);
    gravity = {-axes.x.z, -axes.y.z, -axes.z.z};
    const Real norm = reciprocal_sqrt(max(axes.x.x * axes.x.x + axes.x.y * axes.x.y, Real(1e-12f)));
    cosine = axes.x.x * norm, sine = axes.x.y * norm;
    forward = cosine * s.velocity.x + sine * s.velocity.y;
    sideways = cosine * s.velocity.y - sine * s.velocity.x;
    yaw_rate = axes.x.z * s.spin.x + axes.y.z * s.spin.y + axes.z.z * s.spin.z;
    const Vec3<Real>& u = carried.command;
    commanded_speed = sqrt(u.x * u.x + u.y * u.y + u.z * u.z);
    height = s.position.z - ground_height(ground, s.position.x, s.position.y, s.position.z);
  }

  STAMPEDE_FN Real default_position(int joint) const { return of_limbs<Real>(c.default_position[joint], lane); }
  STAMPEDE_FN Real driven(int joint) const { return of_limbs<Real>(c.driven[joint], lane); }

  /// Whether a constraint with this condition applies now.
  STAMPEDE_FN MaskOf<Real> holds(When when) const {
    switch (when) {
      case When::kMoving:
        return commanded_speed > Real(0.1f);
      case When::kFast:
        return commanded_speed > Real(0.5f);
      case When::kStill:
        return commanded_speed <= Real(0.1f);
      case When::kStraight:
        return abs(carried.command.y) < Real(0.1f);
      case When::kAlways:
        break;
    }
    return commanded_speed >= Real(0.0f);
  }
};

/// A point of the scan, in the frame of the base's heading [m].
template <class Real>
struct ScanPoint {
  Real x, y;
};

/// The scan's point number `first` + the lane's limb.
template <class Shape, class Real>
STAMPEDE_FN ScanPoint<Real> scan_point(const LeggedView<Shape, Real>& view, int first) {
  const LeggedConstants& c = view.c;
  const Real columns(static_cast<float>(c.scan_columns)), spacing(c.scan_spacing);
  const Real point = Real(static_cast<float>(first)) + of_limbs<Real>(c.limb_number, view.lane);
  // Half a point is added, so that rounding cannot move a row's first point to the row before.
  const Real row = to_real<Real>(to_int((point + Real(0.5f)) * Real(1.0f / static_cast<float>(c.scan_columns))));
  return {Real(c.scan_x) + (point - row * columns) * spacing, Real(c.scan_y) + row * spacing};
}

/// The ground at that point.
template <class Shape, class Real>
STAMPEDE_FN GroundColumn<Real> scanned_column(const LeggedView<Shape, Real>& view, int first) {
  const auto [x, y] = scan_point(view, first);
  return ground_column(view.ground, view.s.position.x + view.cosine * x - view.sine * y,
                       view.s.position.y + view.sine * x + view.cosine * y, view.s.position.z);
}

/// The height scan at that point: the height of the ground there, less the height at which level ground would lie if
/// the base were `home_height` above it; limited to [-1, 1] m.
template <class Shape, class Real>
STAMPEDE_FN Real scanned(const LeggedView<Shape, Real>& view, int first) {
  const Real there = scanned_column(view, first).ground;
  return max(Real(-1.0f), min(Real(1.0f), there - view.s.position.z + Real(view.c.home_height)));
}

/// The least height between ground and roof at the scan's points, at most kMostClearance [m].
template <class Shape, class Real>
STAMPEDE_FN Real least_clearance(const LeggedView<Shape, Real>& view) {
  constexpr int K = Shape::kGroup;
  Real least(kMostClearance);
  STAMPEDE_NO_UNROLL
  for (int first = 0; first < view.c.scan_points; first += K) {
    const GroundColumn<Real> column = scanned_column(view, first);
    const Real last(static_cast<float>(view.c.scan_points - first) - 0.5f);
    const MaskOf<Real> there = of_limbs<Real>(view.c.limb_number, view.lane) < last;
    least = select(there, min(least, column.ceiling - column.ground), least);
  }
  return group_min<K>(least);
}

/// Writes a group of observations; with noise where `random` is not null.
template <class Shape, class Real>
STAMPEDE_CALLED void write_observation(const LeggedView<Shape, Real>& view, const PlacedTerm* terms, int count,
                                       Index size, Random<Real>* random, float* rows) {
  constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const LeggedConstants& c = view.c;
  STAMPEDE_NO_UNROLL
  for (int t = 0; t < count; ++t) {
    const PlacedTerm& placed = terms[t];
    float* const at = rows + placed.begin;
    // Each lane draws its own noise. Numbers of the base are written from the first limb's lane.
    const auto noisy = [&](Real x) {
      if (random == nullptr || !(placed.noise > 0.0f)) return x;
      return x + random->uniform(Real(-placed.noise), Real(placed.noise));
    };
    const auto base = [&](int i, Real x) { scatter_to_rows<K>(at + i, size, 1, c.first_limb, view.lane, noisy(x)); };
    const auto base3 = [&](Vec3<Real> v) { base(0, v.x), base(1, v.y), base(2, v.z); };
    const auto joint = [&](int i, Real x) { scatter_to_rows<K>(at, size, 1, c.action_place[i], view.lane, noisy(x)); };
    const auto limb = [&](Real x) { scatter_to_rows<K>(at, size, 1, c.limb_place, view.lane, noisy(x)); };
    switch (placed.term) {
      case ObservationTerm::kBaseLinearVelocity:
        base3(view.velocity);
        break;
      case ObservationTerm::kBaseAngularVelocity:
        base3(view.s.spin);
        break;
      case ObservationTerm::kProjectedGravity:
        base3(view.gravity);
        break;
      case ObservationTerm::kCommand:
        base3(view.carried.command);
        break;
      case ObservationTerm::kJointPosition:
        STAMPEDE_UNROLL
        for (int i = 0; i < J; ++i) joint(i, view.s.q[i] - view.default_position(i));
        break;
      case ObservationTerm::kJointVelocity:
        STAMPEDE_UNROLL
        for (int i = 0; i < J; ++i) joint(i, view.s.v[i]);
        break;
      case ObservationTerm::kLastAction:
        STAMPEDE_UNROLL
        for (int i = 0; i < J; ++i) joint(i, view.carried.action[i]);
        break;
      case ObservationTerm::kFootContact:
        limb(view.carried.touched);
        break;
      case ObservationTerm::kFootForce:
        limb(view.carried.foot_force * Real(1.0f / c.weight));
        break;
      case ObservationTerm::kBaseHeight:
        base(0, view.height);
        break;
      case ObservationTerm::kFriction:
        base(0, view.carried.friction);
        break;
      case ObservationTerm::kHeightScan:
        STAMPEDE_NO_UNROLL
        for (int first = 0; first < c.scan_points; first += K) {
          const LimbPlaces& places = first + K <= c.scan_points ? c.scan_place : c.last_scan_place;
          scatter_to_rows<K>(at + first, size, 1, places, view.lane, noisy(scanned(view, first)));
        }
        break;
      case ObservationTerm::kDepth:  // written by the camera's own kernels (kernels/sense/depth_camera.hpp)
        break;
      case ObservationTerm::kClearance:
        base(0, least_clearance(view));
        break;
    }
  }
}

/// What a control step changed.
template <class Real, int J>
struct LeggedChange {
  Array<Real, J> acceleration;  ///< of the joints, over the control step [rad/s^2]
  Array<Real, J> action;        ///< change of the actions
  Real touchdown;               ///< 1 where the foot touched down, but not for the first time in an episode
  Real air_time;                ///< of the foot, before it touched down [s]
  // Largest forces of the ground [N]: on the base, on base and upper links of all limbs, on the limb's last link
  // without its foot.
  Real base_force, body_force, leg_force;
};

/// One reward term, without its weight; the same in all lanes of an environment.
template <class Shape, class Real>
STAMPEDE_FN Real reward_of(RewardTerm term, const LeggedView<Shape, Real>& view,
                           const PhysicsRecord<Real, Shape::kJoints>& record,
                           const LeggedChange<Real, Shape::kJoints>& change) {
  constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const Vec3<Real>& command = view.carried.command;
  const auto sum = [&](auto&& of_joint) {
    Real total(0.0f);
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) total += of_joint(i) * view.driven(i);
    return group_sum<K>(total);
  };
  const auto square = [](Real x) { return x * x; };
  switch (term) {
    case RewardTerm::kTrackLinear:
      return exp_nonpositive((square(command.x - view.forward) + square(command.y - view.sideways)) * Real(-4.0f));
    case RewardTerm::kTrackAngular:
      return exp_nonpositive(square(command.z - view.yaw_rate) * Real(-4.0f));
    case RewardTerm::kLinearVelocityZ:
      return square(view.velocity.z);
    case RewardTerm::kAngularVelocityXy:
      return square(view.s.spin.x) + square(view.s.spin.y);
    case RewardTerm::kTorque:
      return sum([&](int i) { return square(record.torque[i]); });
    case RewardTerm::kJointAcceleration:
      return sum([&](int i) { return square(change.acceleration[i]); });
    case RewardTerm::kActionRate:
      return sum([&](int i) { return square(change.action[i]); });
    case RewardTerm::kAirTime:
      return group_sum<K>(
          select(view.holds(When::kMoving), change.touchdown * (change.air_time - Real(0.5f)), Real(0.0f)));
    case RewardTerm::kCollision: {
      Real most = change.leg_force;
      STAMPEDE_UNROLL
      for (int i = 0; i < J; ++i) most = max(most, record.force[i]);
      return group_sum<K>(select(most > Real(0.1f), Real(1.0f), Real(0.0f)));
    }
    case RewardTerm::kOrientation:
      return square(view.gravity.x) + square(view.gravity.y);
    case RewardTerm::kPower:
      return group_sum<K>(record.work) * Real(1.0f / view.c.control_dt);
    case RewardTerm::kStandStill: {
      const Real away = sum([&](int i) { return abs(view.s.q[i] - view.default_position(i)); });
      return select(view.holds(When::kStill), away, Real(0.0f));
    }
    case RewardTerm::kAlive:
      break;
  }
  return Real(1.0f);
}

/// Writes a constraint's columns: violations in the quantity's unit, above 0 where it is violated; a violation that is
/// not finite becomes 0. Where the constraint does not apply, or `count` does not hold, kNotApplied is written.
/// `columns` are `stride` apart; null: nothing is written. Returns where any is violated, the same in all lanes of an
/// environment.
template <class Shape, class Real>
STAMPEDE_FN MaskOf<Real> judge(const PlacedConstraint& placed, const LeggedView<Shape, Real>& view,
                               const PhysicsRecord<Real, Shape::kJoints>& record,
                               const LeggedChange<Real, Shape::kJoints>& change, MaskOf<Real> count, float* columns,
                               Index stride) {
  constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const Real limit(placed.limit), none(0.0f), one(1.0f);
  const MaskOf<Real> now = view.holds(placed.when) && count;
  Real worst = none;
  const auto put = [&](int place, Real violation) {
    const MaskOf<Real> judged = now && of_limbs<Real>(placed.judged[place], view.lane) > Real(0.5f);
    const Real x = select(judged, select(is_finite(violation), violation, none), Real(kNotApplied));
    worst = max(worst, x);
    if (columns == nullptr) return;
    scatter_to_rows<K>(columns + placed.begin * stride, 1, stride, placed.place[place], view.lane, x);
  };
  const auto joints = [&](auto&& of_joint) {
    STAMPEDE_UNROLL
    for (int i = 0; i < J; ++i) put(i, of_joint(i) - limit);
  };
  switch (placed.quantity) {
    case Quantity::kJointTorque:
      joints([&](int i) { return record.torque[i]; });
      break;
    case Quantity::kJointVelocity:
      joints([&](int i) { return abs(view.s.v[i]); });
      break;
    case Quantity::kJointAcceleration:
      joints([&](int i) { return abs(change.acceleration[i]); });
      break;
    case Quantity::kActionRate:
      joints([&](int i) { return abs(change.action[i]) * Real(1.0f / view.c.control_dt); });
      break;
    case Quantity::kJointPosition:
      joints([&](int i) { return abs(view.s.q[i]); });
      break;
    case Quantity::kJointDeviation:
      joints([&](int i) { return abs(view.s.q[i] - view.default_position(i)); });
      break;
    case Quantity::kBaseContact:
      put(0, select(change.base_force > limit, one, none));
      break;
    case Quantity::kBodyContact:
      put(0, select(change.body_force > limit, one, none));
      break;
    case Quantity::kLegContact:
      put(0, select(group_max<K>(change.leg_force) > limit, one, none));
      break;
    case Quantity::kFootForce:
      put(0, record.force[J + 1] - limit);
      break;
    case Quantity::kUpsideDown:
      put(0, select(view.gravity.z > limit, one, none));
      break;
    case Quantity::kOrientation:
      put(0, sqrt(view.gravity.x * view.gravity.x + view.gravity.y * view.gravity.y) - limit);
      break;
    case Quantity::kAirTime:
      put(0, select(change.touchdown > Real(0.5f), limit - change.air_time, none));
      break;
    case Quantity::kFeetDown:
      put(0, abs(group_sum<K>(record.touches) - limit));
      break;
    case Quantity::kFeetAtLeast:
      put(0, limit - group_sum<K>(record.touches));
      break;
    case Quantity::kDiagonalFeet: {
      Real apart = none;
      STAMPEDE_UNROLL
      for (int d = 0; d < 2; ++d) {
        apart += abs(group_sum<K>(record.touches * of_limbs<Real>(view.c.diagonal[d], view.lane)));
      }
      put(0, apart - limit);
      break;
    }
    case Quantity::kBaseHeight:
      put(0, limit - view.height);
      break;
  }
  return group_max<K>(worst) > none;
}

}  // namespace stampede
