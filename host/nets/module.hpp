#pragma once
/// \file Modules: the parts that a network is a chain of. A module maps rows of numbers to rows of numbers, has
/// parameters in the flat array (parameters.hpp), and may have a state: numbers that it carries from one step of an
/// environment to the next. The setting `network.modules` lists a network's modules. A new kind is a class that derives
/// from NetworkModule and is registered under a name with each backend (register_network_module); to be exported it
/// also needs a function that writes it as ONNX (host/app/export/onnx.hpp).
///
/// A pass goes over sequences, one after the other, of `steps` rows each:
///
///     row           0    1    2  |  3    4    5  |  6 ...        steps = 3
///     sequence      0    0    0  |  1    1    1  |  2
///     step          0    1    2  |  0    1    2  |  0
///     state        s_0 ------->  | s_1 ------->  |               set to 0 within a sequence where an episode begins
///
/// While a rollout is collected a sequence is one step of an environment. An update learns from windows of several
/// steps, with the state that the rollout had at their beginning, and takes the gradient back through the steps of a
/// window (truncated backpropagation through time; Williams and Peng, 1990). Modules without a state may ignore the
/// sequences: to them every row is alike.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/base/error.hpp"
#include "host/nets/initialise.hpp"
#include "host/nets/parameters.hpp"
#include "kernels/lanes.hpp"

namespace stampede {

/// The rows of a pass through a network, and the states that go with them. All pointers are to the device's memory.
struct Sequences {
  Index rows = 0;   ///< in all: sequences x steps
  Index steps = 1;  ///< of each sequence
  /// [rows]: 0 where an episode begins at that row, so that the state is 0 before it; else 1. Always 1 in a sequence's
  /// first row, whose state is given. Null: 1 everywhere.
  const float* goes_on = nullptr;
  const float* state = nullptr;  ///< [sequence][state_stride]: before the first step; null where there is no state
  float* next_state = nullptr;   ///< where the state after the last step goes; may be `state`; null: it is not written
  Index state_stride = 0;

  STAMPEDE_FN Index count() const { return rows / steps; }
};

/// A module's place in a network, from which it is made.
struct ModuleSize {
  int inputs = 0;
  int outputs = 0;            ///< 0: the module chooses how many
  Index begin = 0;            ///< where its parameters begin in the flat array; a multiple of kMaxLanes
  Index most_rows = 0;        ///< the largest number of rows in a pass
  bool above_others = false;  ///< whether modules before it have parameters, and so need the gradient of its inputs
};

template <class Backend>
class NetworkModule {
 public:
  using Context = typename Backend::Context;
  virtual ~NetworkModule() = default;

  virtual int outputs() const = 0;
  /// How many numbers it carries from step to step for each environment.
  virtual int states() const { return 0; }
  /// Its parameters, and where its part of the flat array ends, padding included; a multiple of kMaxLanes.
  virtual std::vector<ParameterPlace> parameters() const = 0;
  virtual Index end() const = 0;
  /// Writes its initial parameters to a flat array on the host. The same seed and stream give the same numbers on every
  /// machine; each module of the actor and the critic has a stream of its own. `scale`: of dense layers' weights.
  virtual void initialise(std::uint64_t seed, std::uint32_t stream, const InitialScale& scale, float* values) const = 0;
  /// To be called whenever the parameters have changed, before the next pass.
  virtual void parameters_changed(Backend&, const float*) {}

  /// Returns the outputs [row][output_stride()] for inputs whose rows are `stride` apart. The columns that pad a row to
  /// a multiple of kMaxLanes may be read, in inputs and outputs, and must hold finite numbers. Valid until the next
  /// call on the same context.
  virtual const float* forward(const Context& context, const float* parameters, const float* input, Index stride,
                               const Sequences& sequences) = 0;
  /// Distance between rows of the outputs. At least padded(outputs()) unless it is the last module: the next one writes
  /// the gradient of its inputs with this stride, padding included.
  virtual Index output_stride() const = 0;
  /// What the last `forward` on this context returned.
  virtual const float* output(const Context& context) = 0;
  /// Where the caller writes d loss / d output before `backward`; rows and stride as those of the outputs.
  virtual float* output_gradient(const Context& context) = 0;
  /// Takes the gradient back through the rows of the last `forward` on this context. If `context.accumulates()`, adds
  /// the parameters' gradient to `gradient`, which is laid out as the parameters; else overwrites it, so that nobody
  /// has to clear it. Writes the inputs' gradient to `input_gradient`, laid out as the inputs, unless it is null.
  virtual void backward(const Context& context, const float* parameters, const float* input, Index stride,
                        const Sequences& sequences, float* gradient, float* input_gradient) = 0;

  /// Floating-point operations for one row, forward and backward.
  virtual double training_flops() const = 0;
};

template <class Backend>
using MakeNetworkModule = std::unique_ptr<NetworkModule<Backend>> (*)(Backend&, const ModuleOptions&,
                                                                      const ModuleSize&);

/// The kinds of modules that an engine knows besides dense ones, by name. Filled by initialisers of variables
/// (register_network_module) when the engine's shared library is loaded.
template <class Backend>
std::map<std::string, MakeNetworkModule<Backend>>& network_module_registry() {
  static std::map<std::string, MakeNetworkModule<Backend>> all;
  return all;
}

/// Registers `Made<Backend>`, whose constructor takes what MakeNetworkModule does. Returns true, for the initialiser of
/// a variable.
template <template <class> class Made, class Backend>
bool register_network_module(const std::string& kind) {
  network_module_registry<Backend>()[kind] = [](Backend& backend, const ModuleOptions& options,
                                                const ModuleSize& size) {
    return std::unique_ptr<NetworkModule<Backend>>(std::make_unique<Made<Backend>>(backend, options, size));
  };
  return true;
}

/// Makes a module of a registered kind. Throws Error that lists the known kinds where `kind` is none of them.
template <class Backend>
std::unique_ptr<NetworkModule<Backend>> make_network_module(Backend& backend, const std::string& kind,
                                                            const ModuleOptions& options, const ModuleSize& size) {
  const auto& all = network_module_registry<Backend>();
  if (const auto found = all.find(kind); found != all.end()) return found->second(backend, options, size);
  std::string names = kDenseModule;
  for (const auto& [name, make] : all) names += ", " + name;
  throw Error("network.modules names \"" + kind + "\", which this engine does not know; it has " + names);
}

}  // namespace stampede
