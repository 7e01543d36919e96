#pragma once
/// \file A network: a chain of modules (module.hpp), each of which gets the outputs of the one before.
///
///     rows -> module 0 -> module 1 -> ... -> dense -> outputs
///              |  ^ state
///
/// Whether the outputs are a Gaussian's means or a value is up to whoever uses the network (actor_critic.hpp).

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/nets/dense.hpp"
#include "host/nets/module.hpp"
#include "kernels/normalise.hpp"

namespace stampede {

/// The modules that a configuration lists, as Network's constructor takes them: without parameters, and without sizes
/// but for the last one's `outputs`. A module is named `name`.`kind`, a second one of a kind with _2 behind. The dense
/// module is named `name` alone, so that its parameters are called the same (actor.0.weight) whether or not there are
/// other modules.
inline std::vector<ModuleWeights> plan_network(const std::vector<std::string>& kinds, const std::string& name,
                                               const ModuleOptions& options, int outputs) {
  std::vector<ModuleWeights> plan;
  for (const std::string& kind : kinds) {
    ModuleWeights planned;
    planned.kind = kind;
    planned.name = kind == kDenseModule ? name : name + "." + kind;
    int earlier = 0;
    for (const ModuleWeights& there : plan) earlier += there.kind == kind ? 1 : 0;
    if (earlier > 0) planned.name.append("_").append(std::to_string(earlier + 1));
    planned.options = options;
    // A module has its own kind's options only: read from a file it must say the same again.
    if (kind != kGruModule) planned.options.gru = 0;
    if (kind != kConvolutionModule) {
      for (auto* list :
           {&planned.options.image, &planned.options.channels, &planned.options.kernels, &planned.options.strides}) {
        list->clear();
      }
    }
    plan.push_back(planned);
  }
  if (!plan.empty()) plan.back().outputs = outputs;
  return plan;
}

template <class Backend>
class Network {
 public:
  using Context = typename Backend::Context;

  /// `plan`: the modules; parameters in it are not read. The network's parameters lie from `begin` on, a multiple of
  /// kMaxLanes. `most_rows`: the largest number of rows in a pass; `heads`: auxiliary ones beside its last layer.
  /// Throws Error where the modules make no network.
  Network(Backend& backend, const std::vector<ModuleWeights>& plan, int inputs, Index begin, Index most_rows,
          const std::vector<AuxiliaryHead>& heads = {})
      : backend_(backend), begin_(begin), end_(begin) {
    check(plan);
    for (const ModuleWeights& planned : plan) {
      ModuleSize size;
      size.inputs = modules_.empty() ? inputs : modules_.back().module->outputs();
      size.outputs = planned.outputs;
      size.begin = end_;
      size.most_rows = most_rows;
      size.above_others = end_ > begin_;
      Entry entry{planned, size.above_others, states_, make(planned, size, heads)};
      entry.described.parameters.clear();
      entry.described.inputs = size.inputs;
      entry.described.outputs = entry.module->outputs();
      entry.described.states = entry.module->states();
      end_ = entry.module->end();
      const bool last = modules_.size() + 1 == plan.size();
      if (end_ % kMaxLanes != 0 || (!last && entry.module->output_stride() < padded(entry.module->outputs()))) {
        throw Error("network: the module '" + planned.name + "' does not keep to whole packs", Status::kFailed);
      }
      states_ += padded(entry.module->states());
      store_.add(planned.name + ".", entry.module->parameters());
      modules_.push_back(std::move(entry));
    }
  }

  /// Where the parameters lie in the flat array, padding included.
  Range place() const { return {begin_, end_}; }
  const ParameterStore& store() const { return store_; }
  /// How many numbers the network carries from step to step for each environment: those of all modules, each padded to
  /// a multiple of kMaxLanes. 0: it has no state.
  Index states() const { return states_; }
  /// The dense layers at its end.
  const Dense<Backend>& head() const { return *head_; }

  /// Writes initial parameters to a flat array on the host; `scale`: of the dense layers' weights. The modules'
  /// streams are `stream`, `stream` + 2, ..., so the actor takes 0 and the critic 1.
  void initialise(std::uint64_t seed, std::uint32_t stream, const InitialScale& scale, float* values) const {
    // The dense module, which is the last, has `stream` itself, so that adding modules leaves its first weights as they
    // are.
    auto own = stream + 2 * static_cast<std::uint32_t>(modules_.size());
    for (const Entry& entry : modules_) entry.module->initialise(seed, own -= 2, scale, values);
  }
  /// To be called whenever the parameters have changed, before the next pass.
  void parameters_changed(const float* parameters) {
    for (Entry& entry : modules_) entry.module->parameters_changed(backend_, parameters);
  }

  /// As NetworkModule::forward, through all modules. An environment's state holds the modules' states one behind the
  /// other.
  const float* forward(const Context& context, const float* parameters, const float* input, Index stride,
                       const Sequences& sequences) {
    const float* x = input;
    for (Entry& entry : modules_) {
      x = entry.module->forward(context, parameters, x, stride, own_state(sequences, entry));
      stride = entry.module->output_stride();
    }
    return x;
  }
  Index output_stride() const { return head_->output_stride(); }

  /// Whether `run` takes one launch, on a GPU: where the network consists of a few small layers.
  bool runs_at_once() const {
    if constexpr (Backend::kNetworksInOneLaunch) return modules_.size() == 1 && head_->layers().fits_one_launch();
    return false;
  }
  /// Normalises the rows of the environments in `range` (`input`: from the range's first one on), takes them through
  /// all modules, and runs the kernel `tail` on the environments, which reads the outputs (SampleActions). No backward
  /// pass may follow.
  template <class Tail>
  void run(const Context& context, const float* parameters, const NormaliseRows& input, Range range,
           const Sequences& sequences, Tail tail) {
    if constexpr (Backend::kNetworksInOneLaunch) {
      if (runs_at_once()) return head_->layers().run_at_once(context, parameters, input, range, tail);
    }
    context.launch({0, range.size() * input.stride}, input);
    tail.reads(forward(context, parameters, input.target, input.stride, sequences), output_stride(), range.begin);
    context.launch(range, tail);
  }
  /// Whether the network's update takes few launches, on a GPU (Mlp::learn_at_once): where it consists of a few small
  /// layers.
  bool learns_at_once() const {
    if constexpr (Backend::kNetworksInOneLaunch) return modules_.size() == 1 && head_->layers().learns_at_once();
    return false;
  }
  float* output_gradient(const Context& context) { return head_->output_gradient(context); }
  void backward(const Context& context, const float* parameters, const float* input, Index stride,
                const Sequences& sequences, float* gradient) {
    for (std::size_t i = modules_.size(); i-- > 0;) {
      Entry& entry = modules_[i];
      NetworkModule<Backend>* below = i > 0 ? modules_[i - 1].module.get() : nullptr;
      entry.module->backward(context, parameters, below != nullptr ? below->output(context) : input,
                             below != nullptr ? below->output_stride() : stride, own_state(sequences, entry), gradient,
                             entry.above_others ? below->output_gradient(context) : nullptr);
      if (!entry.above_others) break;
    }
  }

  /// Floating-point operations for one row, forward and backward.
  double training_flops() const {
    double sum = 0;
    for (const Entry& entry : modules_) sum += entry.module->training_flops();
    return sum;
  }

  /// The network as plain data, with the parameters from a flat array on the host.
  std::vector<ModuleWeights> weights(const float* values) const {
    std::vector<ModuleWeights> all;
    for (const Entry& entry : modules_) {
      all.push_back(entry.described);
      ParameterStore own;
      own.add("", entry.module->parameters());
      all.back().parameters = own.read(values);
    }
    return all;
  }
  /// The reverse: writes the parameters in `weights`, whose modules the network was made of, to a flat array on the
  /// host. Throws Error where one is missing or of another shape.
  void write(const std::vector<ModuleWeights>& weights, float* values) const {
    if (weights.size() != modules_.size()) {
      throw Error("policy: its network has " + std::to_string(weights.size()) +
                  " modules; what is to begin with it has " + std::to_string(modules_.size()));
    }
    for (std::size_t i = 0; i < modules_.size(); ++i) {
      ParameterStore own;
      own.add("", modules_[i].module->parameters());
      own.write(
          [&](const ParameterPlace& place) -> const std::vector<float>& {
            const Parameter& parameter = weights.at(i).parameter(place.name);
            if (parameter.shape != place.shape) {
              throw Error("policy: parameter '" + weights[i].name + "." + place.name + "' is of another shape");
            }
            return parameter.values;
          },
          values);
    }
  }

 private:
  struct Entry {
    ModuleWeights described;
    bool above_others;
    Index first_state;  ///< where its state begins within an environment's state
    std::unique_ptr<NetworkModule<Backend>> module;
  };

  static void check(const std::vector<ModuleWeights>& plan) {
    std::string kinds;
    std::size_t dense = 0;
    for (const ModuleWeights& module : plan) {
      kinds += (kinds.empty() ? "\"" : ", \"") + module.kind + "\"";
      if (module.kind == kDenseModule) ++dense;
    }
    if (dense == 1 && plan.back().kind == kDenseModule) return;
    throw Error("network.modules = [" + kinds + "] must end with \"" + kDenseModule +
                "\", the layers of network.actor and network.critic, and have it once");
  }

  /// The dense layers are a part of every network; all other kinds are registered.
  std::unique_ptr<NetworkModule<Backend>> make(const ModuleWeights& planned, const ModuleSize& size,
                                               const std::vector<AuxiliaryHead>& heads) {
    if (planned.kind != kDenseModule) return make_network_module(backend_, planned.kind, planned.options, size);
    auto dense = std::make_unique<Dense<Backend>>(backend_, planned.options, size, heads);
    head_ = dense.get();
    return dense;
  }

  static Sequences own_state(Sequences sequences, const Entry& entry) {
    if (sequences.state != nullptr) sequences.state += entry.first_state;
    if (sequences.next_state != nullptr) sequences.next_state += entry.first_state;
    return sequences;
  }

  Backend& backend_;
  Index begin_, end_, states_ = 0;
  ParameterStore store_;
  std::vector<Entry> modules_;
  Dense<Backend>* head_ = nullptr;
};

}  // namespace stampede
