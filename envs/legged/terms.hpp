#pragma once
/// \file What walking tasks are made of: observation terms, reward terms and quantities that constraints judge, by
/// name. Tasks are files (envs/legged/tasks) that choose among them.

#include "kernels/vocabulary.hpp"

namespace stampede {

/// How many numbers a term has: one (kBase) or three (kBase3) for the environment, one for each limb, for each joint
/// that is driven, for each point of the height scan, or for each pixel of the camera.
enum class Per : int { kBase, kBase3, kLimb, kJoint, kScan, kPixel };

enum class ObservationTerm : int {
  kBaseLinearVelocity,
  kBaseAngularVelocity,
  kProjectedGravity,
  kCommand,
  kJointPosition,
  kJointVelocity,
  kLastAction,
  kFootContact,
  kFootForce,
  kBaseHeight,
  kFriction,
  kHeightScan,
  kDepth,
  kClearance,
};
struct ObservationTermInfo {
  const char* name;
  Per per;
  const char* meaning;
};
inline constexpr ObservationTermInfo kObservationTerms[] = {
    {"base_linear_velocity", Per::kBase3, "of the base's origin, base axes [m/s]"},
    {"base_angular_velocity", Per::kBase3, "base axes [rad/s]"},
    {"projected_gravity", Per::kBase3, "unit vector of gravity, base axes"},
    {"command", Per::kBase3, "forward and sideways velocity [m/s], yaw rate [rad/s]"},
    {"joint_position", Per::kJoint, "less the default [rad]"},
    {"joint_velocity", Per::kJoint, "[rad/s]"},
    {"last_action", Per::kJoint, "(target - default) / action scale"},
    {"foot_contact", Per::kLimb, "1 where the foot touches"},
    {"foot_force", Per::kLimb, "largest contact force of the control step, in body weights"},
    {"base_height", Per::kBase, "of the base's origin above the ground below it [m]"},
    {"friction", Per::kBase, "factor on the ground's friction"},
    {"height_scan", Per::kScan,
     "of the ground at points around the base, above where it lies on level ground, in +-1 [m]"},
    {"depth", Per::kPixel, "what the camera on the base sees, pixel by pixel, along its optical axis [m]"},
    {"clearance", Per::kBase, "least height between ground and roof at the scan's points, at most 1 [m]"},
};

/// The most that `clearance` says [m].
inline constexpr float kMostClearance = 1.0f;

enum class RewardTerm : int {
  kTrackLinear,
  kTrackAngular,
  kLinearVelocityZ,
  kAngularVelocityXy,
  kTorque,
  kJointAcceleration,
  kActionRate,
  kAirTime,
  kCollision,
  kOrientation,
  kPower,
  kStandStill,
  kAlive,
};
struct RewardTermInfo {
  const char* name;
  const char* meaning;
};
inline constexpr RewardTermInfo kRewardTerms[] = {
    {"track_linear", "exp(-|v_xy - command|^2 / 0.25), in the base's yaw frame"},
    {"track_angular", "exp(-(yaw rate - command)^2 / 0.25)"},
    {"linear_velocity_z", "square of the base's vertical velocity, base axes [m^2/s^2]"},
    {"angular_velocity_xy", "square of its rolling and pitching, base axes [rad^2/s^2]"},
    {"torque", "sum of squares of the largest torques of the control step [N^2 m^2]"},
    {"joint_acceleration", "sum of squares of the velocities' changes over the control step [rad^2/s^4]"},
    {"action_rate", "sum of squares of the actions' changes"},
    {"air_time", "sum over feet that touch down of their time in the air less 0.5 s, where a velocity is commanded"},
    {"collision", "number of limbs that touch the ground with anything but the foot"},
    {"orientation", "square of gravity's horizontal part, base axes"},
    {"power", "sum of |torque x joint velocity|, mean over the physics steps of the control step [W]"},
    {"stand_still", "sum of distances from the default pose while no velocity is commanded [rad]"},
    {"alive", "1"},
};
inline constexpr int kRewardTermCount = sizeof kRewardTerms / sizeof kRewardTerms[0];

enum class Quantity : int {
  kJointTorque,
  kJointVelocity,
  kJointAcceleration,
  kActionRate,
  kJointPosition,
  kJointDeviation,
  kBaseContact,
  kBodyContact,
  kLegContact,
  kFootForce,
  kUpsideDown,
  kOrientation,
  kAirTime,
  kFeetDown,
  kFeetAtLeast,
  kDiagonalFeet,
  kBaseHeight,
};
/// On which side of its limit a quantity may be; kEqual: it must be the limit itself.
enum class Side : int { kAtMost, kAtLeast, kEqual };

struct QuantityInfo {
  const char* name;
  Per per;
  Side side;
  float least, most;  ///< the range of limits that a task may give; others are refused
  const char* meaning;
};
inline constexpr QuantityInfo kQuantities[] = {
    {"joint_torque", Per::kJoint, Side::kAtMost, 0, 1e6f, "largest |torque| of the control step [N m]"},
    {"joint_velocity", Per::kJoint, Side::kAtMost, 0, 1e6f, "|joint velocity| [rad/s]"},
    {"joint_acceleration", Per::kJoint, Side::kAtMost, 0, 1e9f,
     "|change of the joint velocity| over the control step [rad/s^2]"},
    {"action_rate", Per::kJoint, Side::kAtMost, 0, 1e6f, "|change of the action| over the control step [1/s]"},
    {"joint_position", Per::kJoint, Side::kAtMost, 0, 1e3f, "|joint position| [rad]"},
    {"joint_deviation", Per::kJoint, Side::kAtMost, 0, 1e3f, "|joint position - default| [rad]"},
    {"base_contact", Per::kBase, Side::kAtMost, 0, 1e6f, "1 where the base touches with more than the limit [N]"},
    {"body_contact", Per::kBase, Side::kAtMost, 0, 1e6f,
     "1 where base or upper links touch with more than the limit [N]"},
    {"leg_contact", Per::kBase, Side::kAtMost, 0, 1e6f,
     "1 where a last link touches beside its foot with more than the limit [N]"},
    {"foot_force", Per::kLimb, Side::kAtMost, 0, 1e6f, "largest contact force of the control step [N]"},
    {"upside_down", Per::kBase, Side::kAtMost, -1, 1, "1 where gravity's z, base axes, is above the limit"},
    {"orientation", Per::kBase, Side::kAtMost, 0, 1, "length of gravity's horizontal part, base axes"},
    {"air_time", Per::kLimb, Side::kAtLeast, 0, 1e3f,
     "time in the air that a touchdown, but an episode's first, is short of the limit [s]"},
    {"feet_down", Per::kBase, Side::kEqual, 0, 8, "|number of feet that touch - limit|"},
    {"feet_at_least", Per::kBase, Side::kAtLeast, 0, 8, "feet that fewer than the limit touch"},
    {"diagonal_feet", Per::kBase, Side::kAtMost, 0, 8,
     "feet that touch while the one across does not, or the reverse, beyond the limit"},
    {"base_height", Per::kBase, Side::kAtLeast, 0, 1e3f,
     "height of the base's origin above the ground that it is short of the limit [m]"},
};

/// When a constraint applies, by the commanded velocity; the conditions are in LeggedView::holds.
enum class When : int { kAlways, kMoving, kFast, kStill, kStraight };
inline constexpr const char* kWhenNames[] = {"always", "moving", "fast", "still", "straight"};
inline constexpr int kWhenCount = sizeof kWhenNames / sizeof kWhenNames[0];

}  // namespace stampede
