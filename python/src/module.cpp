/// \file The extension module: errors, devices, and its parts.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <string>

#include "host/base/build_info.hpp"
#include "host/base/error.hpp"
#include "host/engine/loader.hpp"
#include "python/src/bindings.hpp"

namespace stampede::python {
namespace {

// Live as long as the module; an interpreter that ends frees nothing.
PyObject *error_type = nullptr, *input_error_type = nullptr;

void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    if (error.status() == Status::kInterrupted) {
      PyErr_SetString(PyExc_KeyboardInterrupt, error.what());
    } else {
      PyErr_SetString(error.status() == Status::kBadInput ? input_error_type : error_type, error.what());
    }
  }
}

SharedEngine make_shared_engine(const std::string& device, int threads) {
  if (threads < 0 || threads > 4096) {
    throw Error("threads " + std::to_string(threads) +
                " is out of range; it must be from 1 to 4096, or 0 for all cores");
  }
  return SharedEngine(make_engine(choose_device(device), threads));
}

}  // namespace

void add_errors(nb::module_& module) {
  error_type = PyErr_NewExceptionWithDoc(
      "stampede._core.Error",
      "What stampede refuses or fails at: one line that says what is wrong, where, and what would be right.",
      PyExc_RuntimeError, nullptr);
  const nb::tuple bases = nb::make_tuple(nb::handle(error_type), nb::handle(PyExc_ValueError));
  input_error_type = PyErr_NewExceptionWithDoc(
      "stampede._core.InputError",
      "An Error that the caller can put right: a wrong name, value, shape or file. Also a ValueError.", bases.ptr(),
      nullptr);
  module.attr("Error") = nb::handle(error_type);
  module.attr("InputError") = nb::handle(input_error_type);
  nb::register_exception_translator(translate);
}

}  // namespace stampede::python

NB_MODULE(_core, module) {
  using namespace stampede;
  using namespace stampede::python;
  module.doc() = "The compiled part of stampede. Use the package's own names; these may change.";
  module.attr("__version__") = STAMPEDE_VERSION;
  add_errors(module);
  nb::class_<Engine>(module, "Engine", "A processor to run on, with its kernels.")
      .def_prop_ro("device", &Engine::device, "cpu or cuda.")
      .def_prop_ro("instruction_set", &Engine::instruction_set, "avx512, avx2, baseline; sm_90 and the like on a GPU.")
      .def_prop_ro("description", &Engine::description, "The processor's name and size.")
      .def_prop_ro("threads", &Engine::threads, "Host threads in use.");
  module.def("make_engine", &make_shared_engine, nb::arg("device") = "auto", nb::arg("threads") = 0,
             "The device auto, cpu, cuda or cuda:N; threads 0: all cores.");
  add_tasks(module);
  add_environments(module);
  add_simulation(module);
  add_learning(module);
}
