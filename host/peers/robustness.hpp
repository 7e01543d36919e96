#pragma once
/// \file A long test with random controls and pushes, to find what the solver does not cope with.

#include "host/engine/engine.hpp"

namespace stampede {

struct RobustnessRequest {
  std::int64_t num_envs = 4096;
  std::int64_t steps = 10000;  ///< of each environment
  std::uint64_t seed = 1;
};

struct Robustness {
  double steps = 0;  ///< of single environments
  double seconds = 0;
  double nonfinite = 0;  ///< steps not taken: a state or control was not finite
  double over_slots = 0, contacts = 0;
  double iteration_cap_share = 0;  ///< of steps
  double deepest = 0;              ///< how far a shape's lowest point was under the ground at most, when looked at [m]
  double looks = 0;                ///< looks at a single environment
  double fastest = 0;              ///< the largest velocity seen [m/s or rad/s]
};

/// Every 0.02 s new controls, anywhere within the joints' ranges (or the motors'), for a tenth of the environments;
/// each is pushed for 0.1 s now and then with up to its weight; friction and masses differ. All are looked at about a
/// thousand times, in shorter runs after every control step.
Robustness test_robustness(Engine& engine, const RobotModel& robot, const RobustnessRequest& request);

}  // namespace stampede
