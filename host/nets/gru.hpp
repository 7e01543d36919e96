#pragma once
/// \file Gated recurrent units as a network's module: the numbers that it remembers are those that it passes on
/// (formulas and source: kernels/gru.hpp). Parameters are named as PyTorch's, and lie in its order of gates, r, z, n:
/// `weight_ih` [3 units, inputs], `weight_hh` [3 units, units], `bias_ih` and `bias_hh` [3 units].
///
///     flat array   | weight_ih | weight_hh | bias_ih | bias_hh |       weights as [input][r | z | n], each of the
///                                                                      three parts padded to whole packs
///
/// The product with the inputs is taken for all rows of a pass at once; only that with the state goes step by step.

#include <cmath>
#include <string>
#include <vector>

#include "host/nets/initialise.hpp"
#include "host/nets/module.hpp"
#include "kernels/gru.hpp"

namespace stampede {

template <class Backend>
class Gru final : public NetworkModule<Backend> {
 public:
  using Context = typename Backend::Context;

  /// Throws Error where ModuleOptions::gru is no width, or not that of the outputs which are asked for.
  Gru(Backend& backend, const ModuleOptions& options, const ModuleSize& size)
      : inputs_(size.inputs),
        units_(checked(options.gru, size.outputs)),
        above_others_(size.above_others),
        width_(padded(units_)),
        gates_(3 * width_),
        gates_stride_(odd_lines(gates_)),
        stride_(odd_lines(width_)),
        input_weight_(size.begin),
        state_weight_(input_weight_ + inputs_ * gates_),
        input_bias_(state_weight_ + units_ * gates_),
        state_bias_(input_bias_ + gates_),
        of_inputs_(backend, inputs_, gates_, input_weight_, above_others_),
        of_state_(backend, units_, gates_, state_weight_, true),
        gate_rows_(backend, size.most_rows, gates_stride_),
        state_rows_(backend, size.most_rows, gates_stride_),
        before_(backend, size.most_rows, stride_),
        output_(backend, size.most_rows, stride_),
        delta_(backend, size.most_rows, stride_),
        through_sums_(backend, size.most_rows, stride_) {}

  int outputs() const override { return units_; }
  int states() const override { return units_; }
  std::vector<ParameterPlace> parameters() const override {
    return {{"weight_ih", {3 * units_, inputs_}, input_weight_, 1, gates_, units_, width_},
            {"weight_hh", {3 * units_, units_}, state_weight_, 1, gates_, units_, width_},
            {"bias_ih", {3 * units_}, input_bias_, 1, 1, units_, width_},
            {"bias_hh", {3 * units_}, state_bias_, 1, 1, units_, width_}};
  }
  Index end() const override { return state_bias_ + gates_; }
  /// As PyTorch: uniform between -1 / sqrt(units) and 1 / sqrt(units). No GRU is last, so there is no gain.
  void initialise(std::uint64_t seed, std::uint32_t stream, const InitialScale&, float* values) const override {
    ParameterStore store;
    store.add("", parameters());
    const double most = 1 / std::sqrt(static_cast<double>(units_));
    std::uint32_t array = 0;
    store.write(
        [&](const ParameterPlace& place) {
          return initial_uniform(static_cast<int>(place.rows()), static_cast<int>(place.columns()), most, seed, stream,
                                 array++);
        },
        values);
  }
  void parameters_changed(Backend& backend, const float* parameters) override {
    of_inputs_.weights_changed(backend, parameters);
    of_state_.weights_changed(backend, parameters);
  }

  const float* forward(const Context& context, const float* parameters, const float* input, Index stride,
                       const Sequences& sequences) override {
    float *gates = gate_rows_.at(context), *of_state = state_rows_.at(context), *before = before_.at(context);
    const Index count = sequences.count(), steps = sequences.steps;
    const Range units{0, count * width_};
    of_inputs_.forward(context, parameters, sequences.rows, input, stride, gates, gates_stride_);
    context.launch(units, GruBegin{place(sequences, 0), sequences.state, sequences.state_stride, before});
    for (Index step = 0; step < steps; ++step) {
      of_state_.forward(context, parameters, count, before + step * stride_, steps * stride_,
                        of_state + step * gates_stride_, steps * gates_stride_);
      context.launch(
          units, GruStep{place(sequences, step), parameters + input_bias_, parameters + state_bias_, gates, of_state,
                         before, output_.at(context), sequences.next_state, sequences.state_stride});
    }
    return output_.at(context);
  }
  Index output_stride() const override { return stride_; }
  const float* output(const Context& context) override { return output_.at(context); }
  float* output_gradient(const Context& context) override { return delta_.at(context); }
  /// To be called once for each `forward`: what that has kept is overwritten.
  void backward(const Context& context, const float* parameters, const float* input, Index stride,
                const Sequences& sequences, float* gradient, float* input_gradient) override {
    float *gates = gate_rows_.at(context), *of_state = state_rows_.at(context), *before = before_.at(context);
    float* through_sums = through_sums_.at(context);
    const Index count = sequences.count(), steps = sequences.steps;
    for (Index step = steps; step-- > 0;) {
      context.launch({0, count * width_},
                     GruBack{place(sequences, step), gates, of_state, before, delta_.at(context), through_sums});
      if (step == 0) break;
      of_state_.backward(context, parameters, count, of_state + step * gates_stride_, steps * gates_stride_,
                         through_sums, stride_);
    }
    of_state_.add_gradient(context, sequences.rows, before, stride_, of_state, gates_stride_, gradient, state_bias_);
    of_inputs_.add_gradient(context, sequences.rows, input, stride, gates, gates_stride_, gradient, input_bias_);
    if (input_gradient != nullptr) {
      of_inputs_.backward(context, parameters, sequences.rows, gates, gates_stride_, input_gradient, stride);
    }
  }
  double training_flops() const override {
    const double of_inputs = 6.0 * units_ * inputs_, of_state = 6.0 * units_ * units_;
    return (above_others_ ? 3 : 2) * of_inputs + 3 * of_state;
  }

 private:
  static constexpr int kMostUnits = ModuleOptions::kMostGru;

  static int checked(int units, int outputs) {
    if (units < 1 || units > kMostUnits) {
      throw Error("a gru has 1 to " + std::to_string(kMostUnits) + " units, not " + std::to_string(units));
    }
    if (outputs != 0 && outputs != units) {
      throw Error("a gru of " + std::to_string(units) + " units has as many outputs, not " + std::to_string(outputs));
    }
    return units;
  }

  GruPlace place(const Sequences& sequences, Index step) const {
    return {width_,           gates_stride_, stride_, sequences.steps, step, static_cast<std::uint32_t>(units_),
            sequences.goes_on};
  }

  int inputs_, units_;
  bool above_others_;
  Index width_, gates_;          ///< the units, padded; the three parts' numbers
  Index gates_stride_, stride_;  ///< between rows of three parts, and of one
  Index input_weight_, state_weight_, input_bias_, state_bias_;
  typename Backend::Linear of_inputs_, of_state_;
  typename Backend::Scratch gate_rows_, state_rows_, before_, output_, delta_;  ///< as kernels/gru.hpp has them
  typename Backend::Scratch through_sums_;
};

}  // namespace stampede
