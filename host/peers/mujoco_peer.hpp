#pragma once
/// \file Runs MuJoCo for comparisons: with the same model, states and controls.

#include <memory>
#include <string>
#include <vector>

#include "host/engine/robot_model.hpp"
#include "host/model/robot/mujoco_handles.hpp"

namespace stampede {

/// A copy of a model that MuJoCo simulates as we do: bodies meet the ground only, condim at most 3, Newton's method,
/// and MuJoCo does not reset a state that becomes not finite or too large.
ModelHandle comparable_model(const mjModel_* model);

/// Lets MuJoCo's solver run to `tolerance`, with up to 200 iterations.
void solve_tightly(mjModel_* model, double tolerance);

/// Settings that give the same result sooner: a dense Jacobian, no islands, and on simple ground no midphase.
void settle_for_speed(mjModel_* model);

/// The version of the library that is loaded: "3.17.0".
std::string mujoco_version();

/// What a timed run of MuJoCo found.
struct PeerRun {
  double seconds = 0;
  double steps = 0, contacts = 0, iterations = 0;
  int broken = 0;  ///< starts whose state became not finite, or too large for MuJoCo
};

/// Starts of single environments, and their controls.
struct PeerStart {
  std::vector<double> qpos, qvel, qacc;
  std::vector<const double*> ctrl;  ///< [control step] -> [nu]
};

/// Steps each start through its controls, `decimation` steps each, shared out over `threads` threads. One whose state
/// becomes not finite, or too large for MuJoCo, ends with that control step.
PeerRun run_mujoco(const mjModel_* model, const std::vector<PeerStart>& starts, int decimation, int threads);

}  // namespace stampede
