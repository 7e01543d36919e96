#pragma once
/// \file Environments that are stepped with the caller's actions, and policies by themselves, on the CPU. They have a
/// source file of their own, so that it is compiled in parallel with the engine's.

#include <memory>

#include "host/cpu/backend.hpp"
#include "host/engine/standalone_policy.hpp"
#include "host/engine/vector_environment.hpp"

namespace stampede {

/// The environments own the backend from then on.
std::unique_ptr<VectorEnvironment> make_vector_environment(std::unique_ptr<CpuBackend> backend,
                                                           const EnvironmentRequest& request);

/// The policy owns the backend from then on.
std::unique_ptr<StandalonePolicy> make_standalone_policy(std::unique_ptr<CpuBackend> backend, const Policy& policy,
                                                         int rows);

}  // namespace stampede
