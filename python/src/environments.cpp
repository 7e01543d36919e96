/// \file A task's environments, stepped with the caller's actions. Their arrays are views of the engine's own, on a CPU
/// without a copy.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/base/error.hpp"
#include "host/task/planned_task.hpp"
#include "python/src/bindings.hpp"

namespace stampede::python {
namespace {

class Environments {
 public:
  Environments(SharedEngine engine, const PlannedTask& task, int num_envs, std::uint64_t seed, bool random_phase,
               std::vector<float> commands)
      : engine_(std::move(engine)),
        environment_(engine_->make_environment({task.spec, num_envs, seed, random_phase, std::move(commands)})) {}

  VectorEnvironment& operator*() { return *environment_; }
  VectorEnvironment* operator->() { return environment_.get(); }

  /// What a NumPy array may look at: the engine's own memory where that is the host's, else a copy, made new by each
  /// call, that lies in `copy`.
  struct Rows {
    float* data;
    std::size_t rows, columns, stride;
  };
  Rows rows_of(const DeviceArray& array, std::vector<float>& copy) {
    const auto rows = static_cast<std::size_t>(array.rows), columns = static_cast<std::size_t>(array.columns);
    if (!array.on_device) {
      return {array.data, rows, columns, array.stride == 0 ? columns : static_cast<std::size_t>(array.stride)};
    }
    copy = array.to_host();
    return {copy.data(), rows, columns, columns};
  }

  void reset() {
    const Claim claim(busy_, "environment");
    environment_->reset();
  }
  void step() {
    const Claim claim(busy_, "environment");
    if (environment_->actions().on_device) {
      environment_->step(actions_);
    } else {
      environment_->step(environment_->actions());
    }
  }
  float* actions() {
    const DeviceArray own = environment_->actions();
    if (!own.on_device) return own.data;
    if (actions_.empty()) actions_ = own.to_host();
    return actions_.data();
  }

  /// What makes the engine work, and so only one thread may do.
  template <class Body>
  auto claimed(const Body& body) {
    const Claim claim(busy_, "environment");
    return body(*environment_);
  }

 private:
  SharedEngine engine_;
  std::unique_ptr<VectorEnvironment> environment_;
  std::atomic<bool> busy_{false};
  std::vector<float> actions_;  ///< the host's, of environments on a GPU
};

/// A view of the engine's array; of one on a GPU an array that has its own copy.
Array<float> array_of(Environments& self, const DeviceArray& array) {
  auto copy = std::make_unique<std::vector<float>>();
  const Environments::Rows rows = self.rows_of(array, *copy);
  nb::object owner = nb::find(self);
  if (array.on_device) {
    owner = nb::capsule(copy.release(), [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  }
  return Array<float>(rows.data, {rows.rows, rows.columns}, owner, {static_cast<std::int64_t>(rows.stride), 1});
}

}  // namespace

void add_environments(nb::module_& module) {
  const auto release = nb::call_guard<nb::gil_scoped_release>();
  nb::class_<Environments>(module, "Environments", "Environments of a task, side by side.")
      .def(nb::init<SharedEngine, const PlannedTask&, int, std::uint64_t, bool, std::vector<float>>(),
           nb::arg("engine"), nb::arg("task"), nb::arg("num_envs"), nb::arg("seed"), nb::arg("random_initial_phase"),
           nb::arg("commands"))
      .def("reset", &Environments::reset, release)
      .def("step", &Environments::step, release, "One control step with what `actions` holds.")
      .def_prop_ro("actions",
                   [](Environments& self) {
                     const DeviceArray own = self->actions();
                     return view<float>(self.actions(),
                                        {static_cast<std::size_t>(own.rows), static_cast<std::size_t>(own.columns)},
                                        nb::find(self));
                   })
      .def("observations",
           [](Environments& self, const std::string& group) { return array_of(self, self->observations(group)); })
      .def_prop_ro("rewards", [](Environments& self) { return array_of(self, self->rewards()); })
      .def_prop_ro("ended", [](Environments& self) { return array_of(self, self->ended()); })
      .def_prop_ro("final_observations", [](Environments& self) { return array_of(self, self->final_observations()); })
      .def_prop_ro("violations", [](Environments& self) { return array_of(self, self->violations()); })
      .def_prop_ro("states",
                   [](Environments& self) {
                     return array_of(self, self.claimed([](VectorEnvironment& all) { return all.states(); }));
                   })
      .def("set_commands",
           [](Environments& self, const std::vector<float>& given) {
             self.claimed([&](VectorEnvironment& all) { all.set_commands(given); });
           })
      .def("push", [](Environments& self, std::int64_t env, float x,
                      float y) { self.claimed([&](VectorEnvironment& all) { all.push(env, x, y); }); })
      .def_prop_ro("counts", [](Environments& self) {
        const VectorCounts counts = self.claimed([](VectorEnvironment& all) { return all.counts(); });
        nb::dict told;
        told["steps"] = counts.steps;
        told["episodes"] = counts.episodes;
        told["nonfinite"] = counts.nonfinite;
        told["contacts_over_slots"] = counts.contacts_over_slots;
        return told;
      });
}

}  // namespace stampede::python
