/// \file Compiles what level_simulations.hpp declares.
#define STAMPEDE_LEVEL_SIMULATIONS
#include "host/cpu/level_simulations.hpp"
