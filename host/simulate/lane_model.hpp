#pragma once
/// \file A robot's constants for kernels, made from doubles of one limb each: packs whose lanes repeat the limbs, or an
/// array with an element for each limb.

#include <cstring>
#include <vector>

#include "host/engine/robot_model.hpp"

namespace stampede {

/// Writes a limb's struct of doubles into its lane of a struct of constants (`Repeated`, or a number each).
template <class Scalar, class From, class To>
void widen_into(To& to, const From& from, int lane) {
  constexpr int kCount = static_cast<int>(sizeof(From) / sizeof(double));
  constexpr int kWidth = static_cast<int>(sizeof(To) / sizeof(Scalar)) / kCount;
  static_assert(sizeof(To) == kCount * kWidth * sizeof(Scalar));
  double values[kCount];
  std::memcpy(values, &from, sizeof values);
  Scalar lanes[kCount][kWidth];
  std::memcpy(lanes, static_cast<const void*>(&to), sizeof lanes);
  for (int row = 0; row < kCount; ++row) lanes[row][lane] = static_cast<Scalar>(values[row]);
  std::memcpy(static_cast<void*>(&to), lanes, sizeof lanes);
}

/// The robot's constants for kernels of this shape and number type.
template <class Shape, class Real>
struct LaneModel {
  using Model = PhysicsModel<Shape, Real>;
  using Contact = ContactModel<typename Model::Constant>;
  /// Structs for the lanes of a group: one for all, or one a lane.
  static constexpr int kCopies = kLanes<Real> > 1 ? 1 : Shape::kGroup;
  std::vector<typename Model::Limb> limb;
  std::vector<Contact> contact;  ///< [candidates][kCopies]

  explicit LaneModel(const RobotModel& robot) : limb(kCopies), contact(robot.kind.size() * kCopies) {
    using Scalar = ScalarOf<Real>;
    const auto limbs = static_cast<std::size_t>(robot.size.limbs);
    for (int l = 0; l < Shape::kGroup; ++l) {
      const bool there = l < robot.size.limbs;
      const std::size_t copy = kCopies > 1 ? static_cast<std::size_t>(l) : 0;
      const int lane = kCopies > 1 ? 0 : l;
      widen_into<Scalar>(limb[copy].base, robot.base, lane);
      for (int i = 0; i < Shape::kJoints; ++i) {
        const auto at = static_cast<std::size_t>(l * robot.size.joints + i);
        widen_into<Scalar>(limb[copy].joint[i], there ? robot.joint[at] : absent_joint(), lane);
      }
      for (std::size_t k = 0; k < robot.kind.size(); ++k) {
        const std::size_t at = k * limbs + static_cast<std::size_t>(l);
        widen_into<Scalar>(contact[k * kCopies + copy], there ? robot.contact[at] : absent_contact(), lane);
      }
    }
  }
};

/// The options in another precision.
template <class T>
PhysicsOptions<T> convert(const PhysicsOptions<double>& from) {
  PhysicsOptions<T> to;
  const auto number = [](double x) { return static_cast<T>(x); };
  to.timestep = number(from.timestep);
  to.impratio = number(from.impratio);
  to.inverse_impratio = number(1 / from.impratio);
  to.tolerance = number(from.tolerance);
  to.line_search_tolerance = number(from.line_search_tolerance);
  to.max_iterations = from.max_iterations;
  to.max_line_search = from.max_line_search;
  to.floating = from.floating;
  to.slides = from.slides;
  to.springs = from.springs;
  to.limits = from.limits;
  to.limits_square = from.limits_square;
  to.implicit_damping = from.implicit_damping;
  to.implicit_actuators = from.implicit_actuators;
  to.pyramidal = from.pyramidal;
  to.candidates = from.candidates;
  to.slots = from.slots;
  const Vec3<double>& p = from.fixed_position;
  const Quat<double>& q = from.fixed_orientation;
  to.fixed_position = {number(p.x), number(p.y), number(p.z)};
  to.fixed_orientation = {number(q.w), number(q.x), number(q.y), number(q.z)};
  return to;
}

}  // namespace stampede
