/// \file The point mass's kernels: with the CPU module's own objects a module that knows it as well.
#include "tests/envs/point_mass.hpp"
#include "host/cpu/backend.hpp"
#include "host/simulate/environments.hpp"

namespace stampede {
namespace {

[[maybe_unused]] const bool registered = register_environments<CpuBackend>(test::PointMasses{});

}  // namespace
}  // namespace stampede
