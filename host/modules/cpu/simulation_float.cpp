#include "host/modules/cpu/level_simulations.hpp"

namespace stampede {
namespace {

template <class Interface>
std::unique_ptr<Interface> make(std::unique_ptr<CpuBackend> own, CpuBackend* other, const SimulationRequest& request) {
  return make_batch<Interface, CpuBackend::Real, false>(std::move(own), other, request);
}

}  // namespace

std::unique_ptr<Simulation> make_float_simulation(std::unique_ptr<CpuBackend> backend,
                                                  const SimulationRequest& request) {
  return make<Simulation>(std::move(backend), nullptr, request);
}

std::unique_ptr<Robots<CpuBackend, float>> make_robots(CpuBackend& backend, const SimulationRequest& request) {
  return make<Robots<CpuBackend, float>>(nullptr, &backend, request);
}

}  // namespace stampede
