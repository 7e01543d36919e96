#pragma once
/// \file What the kernels of a walking task read and write: the robots' rows, and their coordinates in MuJoCo's order.

#include "envs/batch.hpp"
#include "envs/legged/quantities.hpp"

namespace stampede {

/// The lanes' rows that a task works on.
struct LeggedRows {
  RowsView<float> state, variation, control, delayed, record;  ///< the robots', as in StepPhysics
  RowsView<float> carried;                                     ///< LeggedLane
  RowsView<float> last_coordinates;                            ///< RobotCoordinates at the end of the last control step
  float* over_slots;  ///< [lane]: contacts without a slot; cleared after each step
};

/// What all kernels of a task's step work with.
struct LeggedTask {
  const LeggedConstants* constants;
  LeggedGround ground;
  LeggedRows rows;
  EnvironmentView view;
  const float* commands;  ///< in evaluations, instead of drawn ones: [3][stride]; null: drawn
  std::uint64_t seed;

  /// The numbers of lanes, and of their environments, among those of all ranks: what random numbers are keyed by.
  template <int K, class Real>
  STAMPEDE_FN UintOf<Real> global_lanes(Index lane) const {
    return lane_indices<Real>(K * view.first_environment + lane);
  }
  template <int K, class Real>
  STAMPEDE_FN UintOf<Real> global_environments(Index lane) const {
    return environment_indices<K, Real>(K * view.first_environment + lane);
  }
};

/// A robot's position and velocity: its state without the accelerations that the solver starts from.
template <class Real, int J>
struct RobotCoordinates {
  Vec3<Real> position;
  Quat<Real> orientation;
  Vec3<Real> velocity, spin;
  Array<Real, J> q, v;
};
template <class Real, int J>
STAMPEDE_FN RobotCoordinates<Real, J> coordinates_of(const PhysicsState<Real, J>& s) {
  return {s.position, s.orientation, s.velocity, s.spin, s.q, s.v};
}

/// Writes them in MuJoCo's order, qpos, then qvel, in lanes of the mask: number r of environment e to r * stride + e.
template <class Shape, class Real>
STAMPEDE_FN void put_coordinates(const LeggedConstants& c, const RobotCoordinates<Real, Shape::kJoints>& s, float* to,
                                 Index stride, Index lane, MaskOf<Real> mask) {
  constexpr int K = Shape::kGroup, J = Shape::kJoints;
  const Real base[13] = {s.position.x,    s.position.y,    s.position.z, s.orientation.w, s.orientation.x,
                         s.orientation.y, s.orientation.z, s.velocity.x, s.velocity.y,    s.velocity.z,
                         s.spin.x,        s.spin.y,        s.spin.z};
  STAMPEDE_UNROLL
  for (int r = 0; r < 13; ++r) {
    float* const row = to + (r < 7 ? r : c.joints + r) * stride;
    store_each<K>(row, lane, select(mask, base[r], load_each<K, Real>(row, lane)));
  }
  const auto put = [&](int first, const LimbPlaces& places, Real x) {
    float* const rows = to + first * stride;
    const Real before = gather_from_rows<K, Real>(rows, 1, stride, places, lane);
    scatter_to_rows<K>(rows, 1, stride, places, lane, select(mask, x, before));
  };
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    put(7, c.joint_place[i], s.q[i]);
    put(c.joints + 13, c.joint_place[i], s.v[i]);
  }
}

}  // namespace stampede
