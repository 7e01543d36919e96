#pragma once
/// \file Environments for callers' own actions on the CPU, in a file of their own, which compiles beside the engine.

#include <memory>

#include "host/cpu/backend.hpp"
#include "host/engine/vector_environment.hpp"

namespace stampede {

/// The backend becomes the environments' own.
std::unique_ptr<VectorEnvironment> make_vector_environment(std::unique_ptr<CpuBackend> backend,
                                                           const EnvironmentRequest& request);

}  // namespace stampede
