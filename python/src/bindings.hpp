#pragma once
/// \file What the extension module `stampede._core` is made of: each function adds its part. The package's Python
/// modules (python/stampede) are what people use; they check what they are given before they call these.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "host/base/error.hpp"
#include "host/engine/engine.hpp"

namespace stampede::python {

namespace nb = nanobind;

/// A NumPy array, C order, on the host.
template <class T>
using Array = nb::ndarray<nb::numpy, T, nb::c_contig, nb::device::cpu>;

/// What a caller passes: read only, C order, on the host.
template <class T>
using Given = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;

/// A view of rows that `owner` keeps alive.
template <class T>
Array<T> view(T* data, std::initializer_list<std::size_t> shape, nb::handle owner) {
  return Array<T>(data, shape, owner);
}

/// Held while the engine works on something without Python's lock: only one thread may call it. Throws Error where
/// another thread does.
class Claim {
 public:
  Claim(std::atomic<bool>& busy, const char* what) : busy_(busy) {
    if (busy_.exchange(true)) {
      throw Error(std::string("the ") + what + " is in use by another thread; one that waits for it would be right",
                  Status::kFailed);
    }
  }
  ~Claim() { busy_ = false; }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  std::atomic<bool>& busy_;
};

/// The processor that things run on; shared by all that was made with it.
using SharedEngine = std::shared_ptr<Engine>;

void add_errors(nb::module_& module);
void add_tasks(nb::module_& module);
void add_environments(nb::module_& module);
void add_simulation(nb::module_& module);
void add_learning(nb::module_& module);

}  // namespace stampede::python
