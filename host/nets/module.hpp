#pragma once
/// \file What a network is composed of. A module maps rows of numbers to rows of numbers, has parameters in the flat array
/// (parameters.hpp), and may carry numbers from step to step, its state. `network.modules` lists which ones a network has; a new
/// kind is a class of this shape that is registered under a name. Nothing else changes.
///
/// A pass goes over sequences, one after the other, of `steps` rows each:
///
///     row           0    1    2  |  3    4    5  |  6 ...        steps = 3
///     sequence      0    0    0  |  1    1    1  |  2
///     step          0    1    2  |  0    1    2  |  0
///     state        s_0 ------->  | s_1 ------->  |               begins anew in between where an episode does
///
/// While a rollout is collected a sequence is one step of an environment. An update learns from windows of several steps, with the state
/// that the rollout had at their beginning, and takes the gradient back through the steps of a window (truncated backpropagation
/// through time; Williams and Peng, 1990). Modules without state see rows, whatever their order.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/base/error.hpp"
#include "host/nets/parameters.hpp"
#include "kernels/lanes.hpp"

namespace stampede {

/// The rows of a pass. Pointers are the device's.
struct Sequences {
  Index rows = 0;   ///< in all: sequences x steps
  Index steps = 1;  ///< of each sequence
  /// [rows]: 0 where an episode begins at that row, so that the state does so anew; else 1. Of a sequence's first row always 1, for
  /// its state is given. Null: 1 everywhere.
  const float* goes_on = nullptr;
  const float* state = nullptr;  ///< [sequence][state_stride]: before the first step; only where there is any
  float* next_state = nullptr;   ///< the same behind the last step; may be `state`; null where nobody asks
  Index state_stride = 0;

  STAMPEDE_FN Index count() const { return rows / steps; }
};

/// What a module is made for.
struct ModuleSize {
  int inputs = 0;
  int outputs = 0;            ///< 0: as many as the module finds right
  Index begin = 0;            ///< of its parameters in the flat array: a multiple of kMaxLanes
  Index most_rows = 0;        ///< that a pass may have
  bool above_others = false;  ///< whether modules below it learn, and so need the gradient of its inputs
};

template <class Backend>
class NetworkModule {
 public:
  using Context = typename Backend::Context;
  virtual ~NetworkModule() = default;

  virtual int outputs() const = 0;
  /// Numbers that it carries from step to step, of an environment.
  virtual int states() const { return 0; }
  /// Its parameters, and the end of their place in the flat array, padding included: a multiple of kMaxLanes.
  virtual std::vector<ParameterPlace> parameters() const = 0;
  virtual Index end() const = 0;
  /// Writes first parameters to a flat array on the host. The same seed and stream give the same on every machine, and no two modules
  /// of a policy and its critic have the same; `gain` is that of a network's last layer.
  virtual void initialise(std::uint64_t seed, std::uint32_t stream, double gain, float* values) const = 0;
  /// To be called whenever the parameters have changed, before the next pass.
  virtual void parameters_changed(Backend&, const float*) {}

  /// Outputs, [row][output_stride()], of inputs whose rows are `stride` apart. Columns behind the last one up to a whole pack may
  /// be read, of inputs and outputs, and hold some finite number. Valid until the next call on the same context.
  virtual const float* forward(const Context& context, const float* parameters, const float* input, Index stride,
                               const Sequences& sequences) = 0;
  /// At least padded(outputs()) unless it is the last module: the gradient of the outputs may be written up to there.
  virtual Index output_stride() const = 0;
  /// What the last `forward` on this context returned.
  virtual const float* output(const Context& context) = 0;
  /// Where d loss / d output is put for `backward`, same rows and stride as the outputs.
  virtual float* output_gradient(const Context& context) = 0;
  /// Of the rows of the last `forward` on this context: adds to `gradient`, which is laid out as the parameters, where
  /// `context.accumulates()`, else sets it; sets `input_gradient`, laid out as the inputs, unless it is null.
  virtual void backward(const Context& context, const float* parameters, const float* input, Index stride,
                        const Sequences& sequences, float* gradient, float* input_gradient) = 0;

  /// Floating-point operations of a row, forward and backward.
  virtual double training_flops() const = 0;
};

template <class Backend>
using MakeNetworkModule = std::unique_ptr<NetworkModule<Backend>> (*)(Backend&, const ModuleOptions&,
                                                                      const ModuleSize&);

/// The kinds that an engine knows, by name. Each puts itself in when the engine's shared library is loaded.
template <class Backend>
std::map<std::string, MakeNetworkModule<Backend>>& network_module_registry() {
  static std::map<std::string, MakeNetworkModule<Backend>> all;
  return all;
}

/// Registers `Made<Backend>`, whose constructor takes what MakeNetworkModule does. Returns true, for the initialiser of a variable.
template <template <class> class Made, class Backend>
bool register_network_module(const std::string& kind) {
  network_module_registry<Backend>()[kind] = [](Backend& backend, const ModuleOptions& options,
                                                const ModuleSize& size) {
    return std::unique_ptr<NetworkModule<Backend>>(std::make_unique<Made<Backend>>(backend, options, size));
  };
  return true;
}

/// Throws Error, naming those that there are, where there is none of the kind.
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
