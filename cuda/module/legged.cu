/// \file Walking robots on the GPU.
#include "cuda/module/engine.cuh"
#include "host/simulate/legged_environments.hpp"

namespace stampede {
namespace {

[[maybe_unused]] const bool registered =
    (environment_registry<CudaBackend>()["legged"] = make_legged_environments<CudaBackend>, true);

}  // namespace
}  // namespace stampede
