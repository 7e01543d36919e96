/// \file Registers the environments of walking tasks on the CPU.
#include "host/modules/cpu/simulation.hpp"
#include "host/simulate/legged_environments.hpp"

namespace stampede {
namespace {

[[maybe_unused]] const bool registered =
    (environment_registry<CpuBackend>()["legged"] = make_legged_environments<CpuBackend>, true);

}  // namespace
}  // namespace stampede
