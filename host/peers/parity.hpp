#pragma once
/// \file The engine beside MuJoCo on one model: how far apart they are, stage by stage and after a second.

#include "host/engine/engine.hpp"
#include "host/model/robot/mujoco_handles.hpp"

namespace stampede {

/// What was found in one precision. Errors of accelerations are |a - b| / max(|b|, |b_smooth|) over all velocities, with
/// b MuJoCo's and b_smooth its acceleration without constraints; those of mass matrix and bias are relative to the
/// largest entry of MuJoCo's. The float engine is given, and MuJoCo compared on, states rounded to float.
struct ParityErrors {
  double mass_matrix = 0, bias = 0;                                 ///< largest
  double free_median = 0, free_largest = 0;                         ///< one step's acceleration without contacts
  double contact_median = 0, contact_p99 = 0, contact_largest = 0;  ///< and with
  // How far a robot's joints have come apart after 1 s [rad or m]: the largest of a robot's differences, of 32 robots the
  // median and the largest. Contacts make and break: with some robots, any rounding grows a thousandfold.
  double drift_drop = 0, drift_drop_largest = 0;
  double drift_drive = 0, drift_drive_largest = 0;
  double capped_share = 0;  ///< of the drifts' steps, at the cap on iterations
};

struct Parity {
  int states = 0;
  double contacts_mean = 0;
  ParityErrors in_float, in_double;
  ParityErrors peer;           ///< MuJoCo at its default tolerance: the drifts alone
  double sensitivity_p99 = 0;  ///< how far MuJoCo's own acceleration moves when the state is rounded to float
  double nonfinite = 0, over_slots = 0;
};

/// Compares on `states` states taken from dropped, driven and tumbling robots.
Parity compare_with_mujoco(Engine& engine, const RobotModel& robot, const mjModel_* model, int states,
                           std::uint64_t seed);

}  // namespace stampede
