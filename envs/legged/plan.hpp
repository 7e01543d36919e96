#pragma once
/// \file A walking task as kernels see it: one struct of numbers, made from a task's file on the host
/// (host/task/legged_spec.hpp) and kept on the device; and what each lane carries from one control step to the next.

#include "envs/legged/terms.hpp"
#include "kernels/group.hpp"
#include "kernels/physics/model.hpp"

namespace stampede {

/// Bounds between which a number is drawn, uniformly.
struct Span {
  float low = 0, high = 0;
};

inline constexpr int kMostTerms = 16, kMostConstraints = 24, kMostJointsALimb = 6, kMostScanPoints = 512;

/// A term of an observation: its numbers begin at `begin` of the row.
struct PlacedTerm {
  ObservationTerm term;
  int begin;
  float noise;  ///< half-width of the uniform noise
};

/// A constraint: its columns begin at `begin`.
struct PlacedConstraint {
  Quantity quantity;
  When when;
  int begin, columns;
  float limit;
  LimbPlaces place[kMostJointsALimb];         ///< column from `begin` on: of joint i in [i]; of limb or base in [0]
  LimbTable<float> judged[kMostJointsALimb];  ///< 1 in lanes that are judged (for the base: all), else 0
};

struct LeggedConstants {
  int joints, actions;
  LimbPlaces action_place[kMostJointsALimb];            ///< of each joint in the row of actions; -1: not driven
  LimbPlaces joint_place[kMostJointsALimb];             ///< of each joint in the order of qvel; -1: not there
  LimbTable<float> limb_bit;                            ///< 2^limb; 0: no limb
  LimbPlaces limb_place;                                ///< 0 … limbs - 1; -1: no limb
  LimbPlaces first_limb;                                ///< 0 for the first limb, which writes for the base; else -1
  LimbTable<float> diagonal[2];                         ///< 1 and -1 for the two limbs of each diagonal of a quadruped
  LimbTable<float> default_position[kMostJointsALimb];  ///< [rad]
  LimbTable<float> driven[kMostJointsALimb];            ///< 1 or 0
  LimbTable<float> inverse_action_scale[kMostJointsALimb];  ///< [1/rad]; 0 where nothing drives the joint
  LimbTable<float> position_low[kMostJointsALimb], position_high[kMostJointsALimb];
  float home_height;  ///< of the base's origin [m]
  bool on_ground;     ///< starts are so high that the lowest point touches the ground, which may be a map
  LimbTable<float> lowest_x, lowest_y;  ///< from the base to each limb's lowest point, in the frame of its heading [m]
  LimbTable<float> lowest_above;        ///< height of that point above the robot's lowest; 1e6: the limb has none [m]
  Quat<float> home_orientation;
  float control_dt;  ///< [s]
  int decimation;    ///< physics steps of a control step
  int max_steps;     ///< of an episode
  float weight;      ///< of the robot [N]
  float gravity[3];

  // Commands.
  Span command_x, command_y, command_yaw, command_heading;
  float heading_gain;  ///< [1/s]; 0: turning is commanded, and no heading
  float dead_zone, standing_share, straight_share;
  int command_steps;  ///< between changes

  // Starts.
  Span start_joint_factor, start_joint_velocity, start_position, start_yaw;
  // What differs between environments, as factors unless a unit is given.
  Span friction, base_mass, mass, strength, stiffness, damping, armature, friction_loss;
  Span base_centre;        ///< [m]
  Span delay;              ///< [physics steps]
  Span reading_delay;      ///< of the policy's readings [control steps]
  float push_velocity;     ///< [m/s]
  float push_probability;  ///< a control step

  // Ground of tiles.
  int levels, columns_of_tiles;  ///< 0: no tiles, a level plane
  int start_levels;              ///< first episodes start on a level below this
  float tile;                    ///< side [m]
  float review_share;            ///< of episodes that start on any level up to the one reached
  // The height scan: points on a grid around the base, in its yaw frame, x running fastest.
  int scan_points, scan_columns;
  float scan_x, scan_y, scan_spacing;  ///< of the first point; between two [m]
  LimbTable<float> limb_number;        ///< 0 ... lanes of the group - 1
  LimbPlaces scan_place;       ///< the same as places: the scan is written in turns, a point for each lane in a turn
  LimbPlaces last_scan_place;  ///< the same for the last turn: -1 in lanes for which no point is left

  float reward_weight[kRewardTermCount];
  float end_base_force;  ///< [N]: more on the base ends the episode
  float end_body_force;  ///< more on base or upper links
  float end_gravity_z;   ///< gravity's z, base axes, above which it ends
  float end_drop;        ///< how far below its start, or below 0 where that is lower, it ends; 0: nowhere [m]
  bool constraints_end;  ///< any violation ends the episode

  int policy_terms, privileged_terms, constraints;
  int policy_size, privileged_size, columns;
  PlacedTerm policy[kMostTerms], privileged[kMostTerms];
  PlacedConstraint constraint[kMostConstraints];
};

/// Stands for the time in the air of a foot that has not yet touched the ground in this episode. The robot did not lift
/// it, so its first touchdown is not judged.
inline constexpr float kNotYetDown = -1.0f;

/// What a lane carries on. Members that belong to the environment are the same in all lanes of its group.
template <class Real, int J>
struct LeggedLane {
  Array<Real, J> action;    ///< last: (target - default) / action scale
  Array<Real, J> velocity;  ///< of the joints, at the end of the last control step [rad/s]
  Real air_time;            ///< of the limb's foot [s]; kNotYetDown until it touches for the first time in an episode
  Real touched;             ///< 1 where the foot touched at the end of the last control step
  Real foot_force;          ///< largest of the last control step [N]
  Vec3<Real> command;       ///< forward, sideways [m/s], yaw rate [rad/s]
  Real heading;             ///< to turn to, in the world; only where heading_gain is above 0 [rad]
  Real command_age;         ///< control steps since it changed
  Real friction;            ///< factor on the ground's
  Real reading_delay;       ///< [control steps]
  // Of the episode, on ground of tiles.
  Real level;      ///< of the tile on which it started
  Real commanded;  ///< length of the commanded path [m]
  Real covered;    ///< length of what was walked of it, along the command [m]
};

/// Numbers of a control step that evaluations read: rows of [kLeggedFigures][stride], an element for each environment.
enum class LeggedFigure : int {
  kVelocityX,
  kVelocityY,
  kYawRate,
  kCommandX,
  kCommandY,
  kCommandYaw,
  kCommandAge,
  kPower,
  kFeet,
  kDistance,  ///< from where episodes start on the tile [m]
  kFigures
};
inline constexpr int kLeggedFigures = static_cast<int>(LeggedFigure::kFigures);

/// Rows that trainings report the sums of: the weighted reward terms, then the levels.
inline constexpr int kLevelTotal = kRewardTermCount, kLeggedTotals = kRewardTermCount + 1;

}  // namespace stampede
