#pragma once
/// \file The simplest network module that has a state, and what it takes to add one: it is registered by its name, here, and no file
/// outside the tests names it.
///
/// Each number x of a row goes into h' = h + a (x - h), which is passed on, with a learnt a = sigmoid(rate).

#include <vector>

#include "host/nets/module.hpp"
#include "kernels/activation.hpp"

namespace stampede::test {

/// Element i: (sequence i / stride, number i % stride).
struct LeakyForward {
  const float *rate, *input;
  float* output;
  Index input_stride, stride;
  Sequences sequences;
  std::uint32_t numbers;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index sequence = first / stride, number = first - sequence * stride;
    const auto there =
        lane_indices<Real>(number) < UintOf<Real>(numbers);  // what lies behind the inputs stays out of the state
    const Real a = sigmoid(load<Real>(rate + number));
    Real h = load<Real>(sequences.state + sequence * sequences.state_stride + number);
    for (Index row = sequence * sequences.steps; row < (sequence + 1) * sequences.steps; ++row) {
      if (sequences.goes_on != nullptr && sequences.goes_on[row] == 0.0f) h = Real(0.0f);
      const Real x = select(there, load<Real>(input + row * input_stride + number), Real(0.0f));
      h = h + a * (x - h);
      store(output + row * stride + number, h);
    }
    if (sequences.next_state != nullptr) {
      store(sequences.next_state + sequence * sequences.state_stride + number, h);
    }
  }
};

/// Back through the steps of every sequence: element i is number i, of all rows.
struct LeakyBackward {
  const float *rate, *input, *output, *delta;
  float *gradient, *input_gradient;
  Index input_stride, stride;
  Sequences sequences;
  bool accumulates;

  template <class Real>
  STAMPEDE_FN void operator()(Index number) const {
    const Real a = sigmoid(load<Real>(rate + number));
    Real sum(0.0f);
    for (Index sequence = 0; sequence < sequences.count(); ++sequence) {
      Real from_later(0.0f);
      for (Index step = sequences.steps; step-- > 0;) {
        const Index row = sequence * sequences.steps + step;
        const bool goes_on = sequences.goes_on == nullptr || sequences.goes_on[row] != 0.0f;
        const float* from =
            step > 0 ? output + (row - 1) * stride : sequences.state + sequence * sequences.state_stride;
        const Real before = goes_on ? load<Real>(from + number) : Real(0.0f);
        const Real d = load<Real>(delta + row * stride + number) + from_later;
        sum += d * (load<Real>(input + row * input_stride + number) - before);
        if (input_gradient != nullptr) store(input_gradient + row * input_stride + number, a * d);
        from_later = goes_on ? (Real(1.0f) - a) * d : Real(0.0f);
      }
    }
    sum = sum * a * (Real(1.0f) - a);
    if (accumulates) sum += load<Real>(gradient + number);
    store(gradient + number, sum);
  }
};

template <class Backend>
class LeakyIntegrator final : public NetworkModule<Backend> {
 public:
  using Context = typename Backend::Context;

  LeakyIntegrator(Backend& backend, const ModuleOptions&, const ModuleSize& size)
      : numbers_(size.inputs),
        begin_(size.begin),
        stride_(padded(size.inputs)),
        output_(backend, size.most_rows, stride_),
        delta_(backend, size.most_rows, stride_) {}

  int outputs() const override { return numbers_; }
  int states() const override { return numbers_; }
  std::vector<ParameterPlace> parameters() const override { return {{"rate", {numbers_}, begin_}}; }
  Index end() const override { return begin_ + stride_; }
  void initialise(std::uint64_t, std::uint32_t, const InitialScale&, float* values) const override {
    for (int i = 0; i < numbers_; ++i) values[begin_ + i] = 1.0f;
  }

  const float* forward(const Context& context, const float* parameters, const float* input, Index stride,
                       const Sequences& sequences) override {
    context.launch({0, sequences.count() * stride_},
                   LeakyForward{parameters + begin_, input, output_.at(context), stride, stride_, sequences,
                                static_cast<std::uint32_t>(numbers_)});
    return output_.at(context);
  }
  Index output_stride() const override { return stride_; }
  const float* output(const Context& context) override { return output_.at(context); }
  float* output_gradient(const Context& context) override { return delta_.at(context); }
  void backward(const Context& context, const float* parameters, const float* input, Index stride,
                const Sequences& sequences, float* gradient, float* input_gradient) override {
    context.launch({0, stride_},
                   LeakyBackward{parameters + begin_, input, output_.at(context), delta_.at(context), gradient + begin_,
                                 input_gradient, stride, stride_, sequences, context.accumulates()});
  }
  double training_flops() const override { return 12.0 * numbers_; }

 private:
  int numbers_;
  Index begin_, stride_;
  typename Backend::Scratch output_, delta_;
};

}  // namespace stampede::test
