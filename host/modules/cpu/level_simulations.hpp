#pragma once
/// \file Robots on level ground on the CPU: declared for simulation_float.cpp, compiled by simulation_level.cpp. As one
/// file they would take longer to compile than any other; as two they are compiled in parallel.

#include "host/modules/cpu/simulation.hpp"
#include "host/simulate/batch_simulation.hpp"

/// `extern`, that is declared only, everywhere but in simulation_level.cpp.
#if !defined(STAMPEDE_LEVEL_SIMULATIONS)
#define STAMPEDE_LEVEL_SIMULATIONS extern
#endif
#define STAMPEDE_LEVEL_SIMULATION(limbs, joints)                \
  STAMPEDE_LEVEL_SIMULATIONS template class BatchSimulation<    \
      CpuBackend, RobotShape<limbs, joints>, FlatGround<float>, \
      GroupPack<RobotShape<limbs, joints>, CpuBackend::Real>::type>

namespace stampede {

STAMPEDE_LEVEL_SIMULATION(4, 3);
#if !defined(STAMPEDE_ONLY_QUADRUPEDS)
STAMPEDE_LEVEL_SIMULATION(1, 1);
STAMPEDE_LEVEL_SIMULATION(1, 2);
STAMPEDE_LEVEL_SIMULATION(2, 3);
STAMPEDE_LEVEL_SIMULATION(2, 6);
STAMPEDE_LEVEL_SIMULATION(6, 3);
#endif

}  // namespace stampede
