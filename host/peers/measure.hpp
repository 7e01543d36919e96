#pragma once
/// \file Measures how fast robots are simulated, by us and by MuJoCo with the same model, states, controls, time step
/// and number of threads.

#include "host/engine/engine.hpp"
#include "host/model/robot/mujoco_handles.hpp"

namespace stampede {

struct PhysicsBenchmark {
  std::string scene;
  std::int64_t steps = 0;       ///< of single environments, timed
  double seconds = 0;           ///< of the median repetition
  double steps_per_second = 0;  ///< the repetitions' median
  double contacts_mean = 0;     ///< an environment
  double iterations_mean = 0;   ///< of Newton, an environment
  double iteration_cap_share = 0;
  double nonfinite = 0, over_slots = 0;
  // MuJoCo, where it was asked for.
  double mujoco_steps_per_second = 0;  ///< the faster of its own settings and those of `settle_for_speed`
  double mujoco_default_steps_per_second = 0;
  double mujoco_contacts_mean = 0, mujoco_iterations_mean = 0;
  int mujoco_nonfinite = 0;  ///< its environments whose state became not finite or too large
  double ratio = 0;          ///< of our speed to MuJoCo's, measured one after the other: the repetitions' median
};

struct PhysicsBenchmarkRequest {
  std::string scene = "standing";
  std::int64_t num_envs = 4096;
  int repetitions = 9;
  bool mujoco = false;
  std::uint64_t seed = 1;
};

/// Lets the scene settle, then times half a second of it, again and again from the same states.
PhysicsBenchmark measure_physics(Engine& engine, const RobotModel& robot, const mjModel_* model,
                                 const PhysicsBenchmarkRequest& request);

}  // namespace stampede
