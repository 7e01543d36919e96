#pragma once
/// \file What formulas of walking tasks can name: signals, with units. What each is computed from: formulas.hpp.

#include "envs/legged/terms.hpp"

namespace stampede {

/// In the order of kSignals.
enum class Signal : std::uint8_t {
  kCommandX,
  kCommandY,
  kCommandYaw,
  kCommandSpeed,
  kCommandTime,
  kVelocityX,
  kVelocityY,
  kVelocityZ,
  kYawRate,
  kBaseVelocityX,
  kBaseVelocityY,
  kBaseVelocityZ,
  kAngularVelocityX,
  kAngularVelocityY,
  kAngularVelocityZ,
  kGravityX,
  kGravityY,
  kGravityZ,
  kBaseHeight,
  kBaseForce,
  kBodyForce,
  kClearance,
  kPower,
  kTime,
  kControlDt,
  kEpisodeStart,
  kRobotWeight,
  kFriction,
  kBaseMass,
  kFootContact,
  kFootForce,
  kFootTouchdown,
  kFootAirTime,
  kFootStanceTime,
  kFootHeight,
  kFootX,
  kFootY,
  kFootZ,
  kFootVelocityX,
  kFootVelocityY,
  kFootVelocityZ,
  kFootSpeed,
  kLegForce,
  kLimbForce,
  kLimbDistance,
  kJointPosition,
  kJointDefault,
  kJointVelocity,
  kJointAcceleration,
  kJointTorque,
  kJointLow,
  kJointHigh,
  kJointLimitDistance,
  kAction,
  kPreviousAction,
  kMotorStrength,
  kScanX,
  kScanY,
  kScanHeight,
  kScanClearance,
};

struct SignalInfo {
  const char* name;
  Per per;  ///< kBase, kLimb (called foot in formulas), kJoint, of which only those that are driven, or kScan
  const char* unit;
  const char* meaning;
};
inline constexpr SignalInfo kSignals[] = {
    {"command_x", Per::kBase, "m/s", "commanded forward velocity"},
    {"command_y", Per::kBase, "m/s", "commanded velocity to the left"},
    {"command_yaw", Per::kBase, "rad/s", "commanded yaw rate"},
    {"command_speed", Per::kBase, "", "length of the command (x, y, yaw)"},
    {"command_time", Per::kBase, "s", "since the command changed"},
    {"velocity_x", Per::kBase, "m/s", "of the base's origin, forward in the base's yaw frame"},
    {"velocity_y", Per::kBase, "m/s", "of the base's origin, to the left in the base's yaw frame"},
    {"velocity_z", Per::kBase, "m/s", "of the base's origin, up"},
    {"yaw_rate", Per::kBase, "rad/s", "of the base about the vertical"},
    {"base_velocity_x", Per::kBase, "m/s", "of the base's origin, base axes"},
    {"base_velocity_y", Per::kBase, "m/s", "of the base's origin, base axes"},
    {"base_velocity_z", Per::kBase, "m/s", "of the base's origin, base axes"},
    {"angular_velocity_x", Per::kBase, "rad/s", "rolling, base axes"},
    {"angular_velocity_y", Per::kBase, "rad/s", "pitching, base axes"},
    {"angular_velocity_z", Per::kBase, "rad/s", "yawing, base axes"},
    {"gravity_x", Per::kBase, "", "unit vector of gravity, base axes"},
    {"gravity_y", Per::kBase, "", "unit vector of gravity, base axes"},
    {"gravity_z", Per::kBase, "", "unit vector of gravity, base axes: -1 where the robot is upright"},
    {"base_height", Per::kBase, "m", "of the base's origin above the ground below it"},
    {"base_force", Per::kBase, "N", "largest contact force on the base in the control step"},
    {"body_force", Per::kBase, "N", "largest contact force on base or upper links in the control step"},
    {"clearance", Per::kBase, "m", "least height between ground and roof at the scan's points, at most 1"},
    {"power", Per::kBase, "W", "sum of |torque x joint velocity|, mean over the control step"},
    {"time", Per::kBase, "s", "since the episode's start"},
    {"control_dt", Per::kBase, "s", "duration of a control step"},
    {"episode_start", Per::kBase, "", "1 in the first control step of an episode, else 0"},
    {"robot_weight", Per::kBase, "N", "of the robot as described"},
    {"friction", Per::kBase, "", "factor on the ground's friction, as drawn for the episode"},
    {"base_mass", Per::kBase, "", "factor on the base's mass, as drawn for the episode"},
    {"foot_contact", Per::kLimb, "", "1 where the foot touches at the end of the control step, else 0"},
    {"foot_force", Per::kLimb, "N", "largest contact force of the control step"},
    {"foot_touchdown", Per::kLimb, "", "1 where the foot touched down in this step, but for an episode's first time"},
    {"foot_air_time", Per::kLimb, "s",
     "since the foot last touched; where it touches down, how long it was in the air; 0 before its first contact"},
    {"foot_stance_time", Per::kLimb, "s", "since the foot last was in the air"},
    {"foot_height", Per::kLimb, "m", "of the foot's lowest point above the ground below it"},
    {"foot_x", Per::kLimb, "m", "of the foot's middle from the base's origin, forward in the base's yaw frame"},
    {"foot_y", Per::kLimb, "m", "of the foot's middle from the base's origin, to the left in the base's yaw frame"},
    {"foot_z", Per::kLimb, "m", "of the foot's middle from the base's origin, up"},
    {"foot_velocity_x", Per::kLimb, "m/s", "of the foot's middle in the world, along the base's yaw frame"},
    {"foot_velocity_y", Per::kLimb, "m/s", "of the foot's middle in the world, along the base's yaw frame"},
    {"foot_velocity_z", Per::kLimb, "m/s", "of the foot's middle, up"},
    {"foot_speed", Per::kLimb, "m/s", "horizontal speed of the foot's middle in the world"},
    {"leg_force", Per::kLimb, "N", "largest contact force of the control step on the limb's last link beside its foot"},
    {"limb_force", Per::kLimb, "N",
     "largest contact force of the control step on the limb beside its foot, or on its "
     "share of the base"},
    {"limb_distance", Per::kLimb, "m",
     "from the limb's shapes beyond its first link to those of the nearest other limb, each as a capsule; below 0 "
     "where they overlap"},
    {"joint_position", Per::kJoint, "rad", ""},
    {"joint_default", Per::kJoint, "rad", "position in the default pose"},
    {"joint_velocity", Per::kJoint, "rad/s", ""},
    {"joint_acceleration", Per::kJoint, "rad/s^2", "change of the velocity over the control step"},
    {"joint_torque", Per::kJoint, "N m", "largest |torque| of the control step"},
    {"joint_low", Per::kJoint, "rad", "end of the joint's range; -1e30 where it has none"},
    {"joint_high", Per::kJoint, "rad", "end of the joint's range; 1e30 where it has none"},
    {"joint_limit_distance", Per::kJoint, "rad", "to the nearer end of the range, below 0 beyond it"},
    {"action", Per::kJoint, "", "(target - default) / action scale"},
    {"previous_action", Per::kJoint, "", "that of the control step before"},
    {"motor_strength", Per::kJoint, "", "factor on the motor's torque, as drawn for the episode"},
    {"scan_x", Per::kScan, "m", "of the point, forward in the base's yaw frame"},
    {"scan_y", Per::kScan, "m", "of the point, to the left in the base's yaw frame"},
    {"scan_height", Per::kScan, "m", "of the ground there, above where it lies on level ground, in +-1"},
    {"scan_clearance", Per::kScan, "m", "between the ground there and a roof, at most 1"},
};
inline constexpr int kSignalCount = sizeof kSignals / sizeof kSignals[0];
static_assert(kSignalCount == static_cast<int>(Signal::kScanClearance) + 1);

/// Whether a signal needs to know where the feet are.
STAMPEDE_FN constexpr bool is_of_foot_motion(Signal signal) {
  return signal >= Signal::kFootHeight && signal <= Signal::kFootSpeed;
}

}  // namespace stampede
