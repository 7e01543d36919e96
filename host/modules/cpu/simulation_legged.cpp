/// \file Walking robots on the CPU.
#include "host/modules/cpu/simulation.hpp"
#include "host/simulate/legged_environments.hpp"

namespace stampede {

template std::unique_ptr<Environments<CpuBackend>> make_legged_environments(CpuBackend&, const EnvironmentsRequest&);

}  // namespace stampede
