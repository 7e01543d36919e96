#pragma once
/// \file What the physics knows of a robot: constants of each limb, shapes that touch the ground, state, and what may
/// differ from one environment to the next.
///
/// A robot is a base, floating or fixed, and up to K limbs, each a serial chain of up to J joints of one degree of
/// freedom. **One lane is one limb of one environment.** The K lanes of an environment, rounded up to a power of two,
/// are a group; what belongs to the base is the same in all of a group's lanes. Lanes and joints that a robot does not
/// have carry no mass and an armature of 1, so that they stay where they are.
///
/// Everything here is structs of Reals. On the host they are filled with doubles, one limb at a time
/// (host/engine/robot_model.hpp), and widened to lanes as they are: member r of limb l goes to row r, lane l.
/// Constraint parameters follow MuJoCo's (its documentation, chapter Computation); docs/physics.md has the formulas.

#include "kernels/physics/spatial.hpp"

namespace stampede {

/// The sizes that a kernel is compiled for.
template <int Limbs, int Joints>
struct RobotShape {
  static constexpr int kLimbs = Limbs, kJoints = Joints;
  /// Lanes of an environment.
  static constexpr int kGroup = Limbs <= 1 ? 1 : Limbs <= 2 ? 2 : Limbs <= 4 ? 4 : 8;
};

/// Contacts of a limb (and of its share of the base) that are simulated at the same time.
inline constexpr int kMaxContacts = 16;

/// How stiff and how soft a constraint is, from solref and solimp: reference acceleration -damping v - stiffness
/// impedance(r) r for a violation r, and the impedance, which rises from its least to its greatest value over the
/// width.
template <class Real>
struct Softness {
  Real stiffness;      ///< k [1/s^2]
  Real damping;        ///< b [1/s]
  Real slack;          ///< 1 - the greatest impedance, taken in double
  Real rise;           ///< greatest minus least impedance
  Real inverse_width;  ///< 1 / width [1/m or 1/rad]
  Real midpoint, power;
};

/// A joint and the link that it moves. Link frames have their origin in the joint's anchor and the joint's axis as z.
template <class Real>
struct JointModel {
  Vec3<Real> offset;  ///< of the frame's origin, in the frame of the link before (of the base: its body frame) [m]
  Mat3<Real> frame;   ///< axes in the frame of the link before, at the reference position
  Real reference;     ///< position at which the frame is as above [rad or m]
  Real slide;         ///< 1 for a slide joint, 0 for a hinge

  Real mass;           ///< of the link [kg]
  Vec3<Real> centre;   ///< its centre of mass, in the link's frame [m]
  Sym3<Real> inertia;  ///< about the centre of mass, in the link's frame [kg m^2]

  Real armature, damping;    ///< [kg m^2 or kg], [N m s/rad or N s/m]
  Real spring, spring_rest;  ///< stiffness and position at rest
  Real friction_loss;        ///< Coulomb friction [N m or N]
  Real friction_stiffness;   ///< D of its row: 1 / regulariser
  Real friction_damping;     ///< b of its row

  Real low, high;  ///< range; -/+1e30 where unlimited
  Real limit_margin;
  Real limit_weight;  ///< diagonal of the inverse mass matrix at the reference pose
  Softness<Real> limit;

  // Actuator: force = clamp(servo (u - q) + gain u + bias + stiffness q + velocity_gain v), u = clamp(control). For a
  // position servo `servo` holds kp and `stiffness` 0: the difference of positions is taken before it is multiplied.
  Real servo, gain, bias, stiffness, velocity_gain;
  Real control_low, control_high, force_low, force_high;
};

/// The base.
template <class Real>
struct BaseModel {
  Real mass;
  Vec3<Real> centre;   ///< centre of mass in the body frame [m]
  Sym3<Real> inertia;  ///< about the centre of mass, in the body frame [kg m^2]
};

/// One lane's robot.
template <class Real, int J>
struct LimbModel {
  BaseModel<Real> base;
  Array<JointModel<Real>, J> joint;
};

/// What a candidate for contact is; the same in all lanes.
enum class ContactShape : int {
  kPoint,     ///< a sphere, or the end of a capsule
  kCorner,    ///< a corner of a box
  kCylinder,  ///< a cylinder: up to four points of its rims
};
struct ContactKind {
  ContactShape shape;
  int link;     ///< 0: the base, i: the link that joint i - 1 moves
  bool square;  ///< the impedance's power is 2 in all lanes
  bool foot;    ///< part of the limb's foot: its forces are recorded as the foot's
  int of_link;  ///< on the first candidate of a link: number of the link's candidates, which are adjacent; else 0
};

/// A candidate for contact of one lane.
template <class Real>
struct ContactModel {
  Vec3<Real> point;  ///< centre of the sphere, corner, or centre of the cylinder, in the link's frame [m]
  Vec3<Real> axis;   ///< of a capsule or cylinder, unit; of a corner: from the box's centre to it [m]; else 0
  Real radius;       ///< [m]; -1e6 in lanes that have no such candidate
  Real half_length;  ///< of a cylinder [m]
  Real margin;       ///< active below this distance [m]
  Real reach;        ///< on the first candidate of a link: from its origin no candidate touches anything farther [m]
  Real friction;     ///< sliding friction with the ground; 0: without (condim 1)
  Real weight;       ///< translational inverse inertia of the link at the reference pose (body_invweight0) [1/kg]
  Softness<Real> softness;
};

/// How a robot is stepped; T is float or double.
template <class T>
struct PhysicsOptions {
  T timestep;               ///< [s]
  T impratio;               ///< friction's impedance over the normal's
  T inverse_impratio;       ///< its reciprocal
  T tolerance;              ///< Newton stops where g' H^-1 g falls below it
  T line_search_tolerance;  ///< the line search ends where the slope is below this share of the slope at its start
  int max_iterations;       ///< of Newton
  int max_line_search;      ///< evaluations of the slope
  bool floating;            ///< the base moves freely; else it is fixed
  bool slides;              ///< there is a slide joint
  bool springs;             ///< there is a joint with a spring
  bool limits;              ///< there is a joint with limits
  bool limits_square;       ///< the power of all their impedances is 2
  bool implicit_damping;    ///< joint damping is integrated implicitly, and something is damped
  bool implicit_actuators;  ///< so are the actuators' velocity gains (implicitfast)
  bool pyramidal;           ///< friction cones are pyramids
  int candidates;           ///< candidates for contact a lane
  int slots;                ///< contacts a lane, up to kMaxContacts
  Vec3<T> fixed_position;   ///< where a fixed base stands, in the world
  Quat<T> fixed_orientation;
};

/// The type of constants: on a CPU the numbers of a group's lanes, which a pack repeats; on a GPU that of one lane.
template <class Shape, class Real>
struct ConstantOf {
  using type = Real;
};
#if !defined(__CUDACC__)
template <class Shape, PackType Real>
struct ConstantOf<Shape, Real> {
  using type = Repeated<Real, Shape::kGroup>;
};
#endif

/// A robot, for a kernel whose numbers are Real. `limb` and the rows of `contact` are one struct for all lanes on a
/// CPU; on a GPU an array with one element a lane of the group.
template <class RobotShape, class Real>
struct PhysicsModel {
  using Shape = RobotShape;
  using Constant = typename ConstantOf<Shape, Real>::type;
  using Limb = LimbModel<Constant, Shape::kJoints>;
  PhysicsOptions<ScalarOf<Real>> options;
  const Limb* limb;
  const ContactKind* kind;                ///< [candidates]
  const ContactModel<Constant>* contact;  ///< [candidates][1, or lanes of the group]
};

/// State. Positions and the base's velocity are in world axes, its angular velocity in its own, as in MuJoCo.
template <class Real, int J>
struct PhysicsState {
  Vec3<Real> position;     ///< of the base's body frame [m]
  Quat<Real> orientation;  ///< of the base, unit
  Vec3<Real> velocity;     ///< of its origin, world axes [m/s]
  Vec3<Real> spin;         ///< angular velocity, body axes [rad/s]
  Array<Real, J> q, v;     ///< joints' positions and velocities
  // Where the solver starts: the last two steps' accelerations, world axes.
  Spatial<Real> base_acceleration;
  Array<Real, J> acceleration;
  Spatial<Real> earlier_base_acceleration;
  Array<Real, J> earlier_acceleration;
};

/// What may differ from one environment to the next; factors of 1 and offsets of 0 are the robot as described.
template <class Real, int J>
struct PhysicsVariation {
  Vec3<Real> gravity;       ///< world axes [m/s^2]
  Vec3<Real> push_torque;   ///< on the base, world axes [N m] ...
  Vec3<Real> push_force;    ///< ... and at its centre of mass [N]
  Real friction;            ///< factor on the contacts' friction
  Real base_mass;           ///< factor on the base's mass and inertia
  Vec3<Real> base_centre;   ///< added to its centre of mass [m]
  Array<Real, J> mass;      ///< factor on the links' masses and inertias
  Array<Real, J> strength;  ///< factor on the actuators' force and its limits
  Array<Real, J> servo;     ///< factor on the position gains
  Array<Real, J> velocity_gain;
  Array<Real, J> armature;
  Array<Real, J> friction_loss;
};

/// The variation that changes nothing but gravity.
template <class Real, int J>
STAMPEDE_FN PhysicsVariation<Real, J> no_variation(Vec3<Real> gravity) {
  PhysicsVariation<Real, J> none;
  none.gravity = gravity;
  none.push_torque = none.push_force = none.base_centre = zero3<Real>();
  none.friction = none.base_mass = Real(1);
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    none.mass[i] = none.strength[i] = none.servo[i] = none.velocity_gain[i] = Real(1);
    none.armature[i] = none.friction_loss[i] = Real(1);
  }
  return none;
}

/// Numbers in a struct of Reals.
template <class Struct, class Real>
inline constexpr int kRows = static_cast<int>(sizeof(Struct) / sizeof(Real));

/// What a step reports, lane by lane; members add up over steps.
template <class Real>
struct PhysicsCounts {
  Real iterations;  ///< Newton's, of the environment; the same in its lanes
  Real capped;      ///< steps that ended at the cap on iterations
  Real contacts;    ///< of the lane
  Real over_slots;  ///< contacts of the lane that found no slot
  Real held;        ///< steps not taken: a control or the state was not finite
};

}  // namespace stampede
