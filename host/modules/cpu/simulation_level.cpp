/// \file Compiles what level_simulations.hpp declares.
#define STAMPEDE_LEVEL_SIMULATIONS
#include "host/modules/cpu/level_simulations.hpp"
