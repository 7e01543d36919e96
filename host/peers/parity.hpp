#pragma once
/// \file Compares the engine with MuJoCo on one model: the stages of a step, and where robots are after a second.

#include "host/engine/engine.hpp"
#include "host/model/robot/mujoco_handles.hpp"

namespace stampede {

/// What was found in one precision. Errors of accelerations are |a - b| / max(|b|, |b_smooth|) over all velocities,
/// with b MuJoCo's and b_smooth its acceleration without constraints; those of mass matrix and bias are relative to the
/// largest entry of MuJoCo's. The float engine is given, and MuJoCo compared on, states rounded to float.
struct ParityErrors {
  double mass_matrix = 0, bias = 0;                                 ///< largest
  double free_median = 0, free_largest = 0;                         ///< one step's acceleration without contacts
  double contact_median = 0, contact_p99 = 0, contact_largest = 0;  ///< and with
  // Differences of joint positions after 1 s [rad or m]: of each robot the largest one; of 32 robots the median of
  // these, and the largest. Contacts begin and end, so that with some robots rounding errors grow a thousandfold.
  double drift_drop = 0, drift_drop_largest = 0;
  double drift_drive = 0, drift_drive_largest = 0;
  double capped_share = 0;  ///< share of the drifts' steps that ended at the cap on iterations
};

struct Parity {
  int states = 0;
  double contacts_mean = 0;
  ParityErrors in_float, in_double;
  ParityErrors peer;           ///< MuJoCo with the file's own tolerance: only the drifts
  double sensitivity_p99 = 0;  ///< how far MuJoCo's own acceleration moves when the state is rounded to float
  double nonfinite = 0, over_slots = 0;
};

/// Compares on `states` states taken from dropped, driven and tumbling robots.
Parity compare_with_mujoco(Engine& engine, const RobotModel& robot, const mjModel_* model, int states,
                           std::uint64_t seed);

}  // namespace stampede
