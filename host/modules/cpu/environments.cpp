/// \file The kernels of the tasks that come with the program, on the CPU.
#include "host/simulate/environments.hpp"
#include "envs/tasks.hpp"
#include "host/cpu/backend.hpp"

namespace stampede {
namespace {

[[maybe_unused]] const bool registered = register_environments<CpuBackend>(BuiltInTasks{});

}  // namespace
}  // namespace stampede
