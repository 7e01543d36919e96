/// \file The kernels of the tasks that come with the program, on the GPU.
#include "cuda/module/engine.cuh"
#include "envs/tasks.hpp"

namespace stampede {
namespace {

[[maybe_unused]] const bool registered = register_environments<CudaBackend>(BuiltInTasks{});

}  // namespace
}  // namespace stampede
