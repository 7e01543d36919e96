/// \file Gated recurrent units: outputs, next states and gradients against plain loops in double precision and their
/// central differences, windows against single steps, padding, initial parameters, and what is refused.

#include "host/nets/gru.hpp"

#include <functional>
#include <map>

#include "host/cpu/backend.hpp"
#include "host/nets/network.hpp"
#include "host/nets/recurrence.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

[[maybe_unused]] const bool gru = register_network_module<Gru, CpuBackend>("gru");

using Numbers = std::map<std::string, std::vector<double>>;
using Vector = std::vector<double>;

constexpr double kTolerance = 1e-5;  // of the largest number of an array

/// The parameters of one GRU or of a dense layer, from where they are named.
struct GruNumbers {
  const Vector &weight_ih, &weight_hh, &bias_ih, &bias_hh;

  GruNumbers(const Numbers& p, const std::string& prefix)
      : weight_ih(p.at(prefix + "weight_ih")),
        weight_hh(p.at(prefix + "weight_hh")),
        bias_ih(p.at(prefix + "bias_ih")),
        bias_hh(p.at(prefix + "bias_hh")) {}

  /// h becomes h'.
  void step(const Vector& x, Vector& h) const {
    const std::size_t units = h.size();
    const auto sum = [&](const Vector& weight, const Vector& bias, const Vector& of, std::size_t row) {
      double total = bias[row];
      for (std::size_t i = 0; i < of.size(); ++i) total += weight[row * of.size() + i] * of[i];
      return total;
    };
    Vector next(units);
    for (std::size_t u = 0; u < units; ++u) {
      const auto both = [&](std::size_t row) {
        return sum(weight_ih, bias_ih, x, row) + sum(weight_hh, bias_hh, h, row);
      };
      const double r = 1 / (1 + std::exp(-both(u))), z = 1 / (1 + std::exp(-both(units + u)));
      const double n =
          std::tanh(sum(weight_ih, bias_ih, x, 2 * units + u) + r * sum(weight_hh, bias_hh, h, 2 * units + u));
      next[u] = (1 - z) * n + z * h[u];
    }
    h = next;
  }
};

struct Sizes {
  int inputs, units;
  Index sequences, steps;
};

/// Rows of 1, 31 and 33; widths that are whole packs, and one more, and less.
const std::vector<Sizes> kCases = {{1, 1, 1, 1},   {3, 5, 31, 1},   {5, 16, 1, 31},
                                   {4, 17, 33, 1}, {18, 33, 3, 11}, {2, 7, 7, 6}};

std::string name_of(const Sizes& s) {
  return std::to_string(s.inputs) + " inputs, " + std::to_string(s.units) + " units, " + std::to_string(s.sequences) +
         " sequences of " + std::to_string(s.steps);
}

/// Rows of inputs with resets in the windows, states, and the loss: the sum of outputs times `delta`.
struct Rows {
  Sizes sizes;
  int outputs;
  Index rows = sizes.sequences * sizes.steps, stride = padded(sizes.inputs), state_stride;
  std::vector<float> input = floats(rows * stride + 16, 0.7f);  // what lies behind the inputs must not matter
  std::vector<float> goes_on = floats(rows + 16, 1.0f);
  std::vector<float> state = floats(sizes.sequences * state_stride + 16);
  std::vector<float> delta = random_floats(rows * outputs, -1, 1, 4);

  Rows(const Sizes& s, int of, Index states) : sizes(s), outputs(of), state_stride(states) {
    const auto seen = random_floats(rows * s.inputs, -1.5f, 1.5f, 6);
    const auto first = random_floats(s.sequences * state_stride, -1, 1, 7);
    for (Index row = 0; row < rows; ++row) {
      for (Index i = 0; i < s.inputs; ++i) input[row * stride + i] = seen[row * s.inputs + i];
      if (row % s.steps != 0 && row % 5 == 0) goes_on[row] = 0.0f;
    }
    for (Index i = 0; i < s.sequences * state_stride; ++i) {
      if (i % padded(s.units) < s.units) state[i] = first[i];
    }
  }
  Sequences sequences() {
    Sequences all;
    all.rows = rows;
    all.steps = sizes.steps;
    all.goes_on = goes_on.data();
    all.state = state.data();
    all.state_stride = state_stride;
    return all;
  }
  Vector x(Index row) const { return {&input[row * stride], &input[row * stride] + sizes.inputs}; }
  Vector h(Index sequence, int level) const {
    const float* from = &state[sequence * state_stride + level * padded(sizes.units)];
    return {from, from + sizes.units};
  }
  double loss(const Vector& y) const {
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * static_cast<double>(delta[i]);
    return sum;
  }
};

/// Compares an array with what central differences of `loss` say, at up to `most` places.
void expect_slopes(const std::vector<float>& got, Vector& at, const std::function<double()>& loss,
                   const std::string& what, std::size_t most = 80) {
  constexpr double kStep = 1e-5;
  const std::size_t every = std::max<std::size_t>(1, at.size() / most);
  Vector want, there;
  double largest = 0;
  for (std::size_t i = 0; i < at.size(); i += every) {
    const double kept = at[i];
    at[i] = kept + kStep;
    const double up = loss();
    at[i] = kept - kStep;
    const double down = loss();
    at[i] = kept;
    want.push_back((up - down) / (2 * kStep));
    there.push_back(static_cast<double>(got.at(i)));
    largest = std::max(largest, std::fabs(want.back()));
  }
  EXPECT_GT(largest, 1e-6) << what << ": a gradient that vanishes says nothing";
  Worst worst;
  for (std::size_t i = 0; i < want.size(); ++i) worst.take(there[i], want[i], largest);
  EXPECT_TRUE(worst.error <= kTolerance) << what << " is off by " << worst.error;
}

/// Two GRUs, one on the other, and dense layers.
struct Stack {
  static constexpr int kOutputs = 3, kHidden = 9;
  static constexpr Index kBegin = 16;

  explicit Stack(const Sizes& sizes, const std::vector<std::string>& kinds = {"gru", "gru", "dense"})
      : network(backend, plan_network(kinds, "actor", {"tanh", {kHidden}, sizes.units}, kOutputs), sizes.inputs, kBegin,
                std::min<Index>(sizes.sequences * sizes.steps, kTrainingTile)),
        rows(sizes, kOutputs, network.states()),
        parameters(floats(network.place().end + 16)) {
    network.initialise(3, 0, {}, parameters.data());
    network.parameters_changed(parameters.data());
  }
  const float* forward() {
    return network.forward(context, parameters.data(), rows.input.data(), rows.stride, rows.sequences());
  }
  void put_delta(float scale = 1.0f) {
    for (Index row = 0; row < rows.rows; ++row) {
      for (Index o = 0; o < kOutputs; ++o) {
        network.output_gradient(context)[row * network.output_stride() + o] = scale * rows.delta[row * kOutputs + o];
      }
    }
  }
  void backward(std::vector<float>& gradient, const CpuBackend::Context& on) {
    network.backward(on, parameters.data(), rows.input.data(), rows.stride, rows.sequences(), gradient.data());
  }
  Numbers numbers() const {
    Numbers all;
    for (const Parameter& parameter : network.store().read(parameters.data())) {
      all[parameter.name].assign(parameter.values.begin(), parameter.values.end());
    }
    return all;
  }

  /// [rows][outputs]; and [sequence][level][unit], the states at the end.
  Vector outputs(const Numbers& p, Vector* ends = nullptr) const {
    const GruNumbers levels[2] = {{p, "actor.gru."}, {p, "actor.gru_2."}};
    Vector all;
    for (Index sequence = 0; sequence < rows.sizes.sequences; ++sequence) {
      Vector h[2] = {rows.h(sequence, 0), rows.h(sequence, 1)};
      for (Index row = sequence * rows.sizes.steps; row < (sequence + 1) * rows.sizes.steps; ++row) {
        Vector x = rows.x(row);
        for (int level = 0; level < 2; ++level) {
          if (rows.goes_on[row] == 0.0f) h[level].assign(h[level].size(), 0.0);
          levels[level].step(x, h[level]);
          x = h[level];
        }
        for (int layer = 0; layer < 2; ++layer) {
          const std::string name = "actor." + std::to_string(layer);
          const Vector &weight = p.at(name + ".weight"), &bias = p.at(name + ".bias");
          Vector y;
          for (std::size_t o = 0; o < bias.size(); ++o) {
            double sum = bias[o];
            for (std::size_t i = 0; i < x.size(); ++i) sum += weight[o * x.size() + i] * x[i];
            y.push_back(layer == 0 ? std::tanh(sum) : sum);
          }
          x = y;
        }
        all.insert(all.end(), x.begin(), x.end());
      }
      if (ends == nullptr) continue;
      for (const Vector& level : h) ends->insert(ends->end(), level.begin(), level.end());
    }
    return all;
  }

  CpuBackend backend{1};
  CpuBackend::Context context{&backend, 0, 0, true};
  Network<CpuBackend> network;
  Rows rows;
  std::vector<float> parameters;
};

TEST(Gru, OutputsStatesAndGradientsOfAStackAreThoseOfPlainLoops) {
  for (const Sizes& sizes : kCases) {
    SCOPED_TRACE(name_of(sizes));
    Stack s(sizes);
    Numbers p = s.numbers();
    Vector ends;
    const Vector wanted = s.outputs(p, &ends);
    Sequences sequences = s.rows.sequences();
    std::vector<float> next = floats(sizes.sequences * s.network.states() + 16, 7.0f);
    sequences.next_state = next.data();
    const float* output =
        s.network.forward(s.context, s.parameters.data(), s.rows.input.data(), s.rows.stride, sequences);
    Worst worst;
    for (Index row = 0; row < s.rows.rows; ++row) {
      for (Index o = 0; o < Stack::kOutputs; ++o) {
        worst.take(static_cast<double>(output[row * s.network.output_stride() + o]), wanted[row * Stack::kOutputs + o],
                   1);
      }
    }
    EXPECT_TRUE(worst.error <= 3e-6) << "outputs are off by " << worst.error;
    Worst of_states;
    for (Index sequence = 0; sequence < sizes.sequences; ++sequence) {
      for (Index level = 0; level < 2; ++level) {
        for (Index u = 0; u < padded(sizes.units); ++u) {
          const float got = next[sequence * s.network.states() + level * padded(sizes.units) + u];
          if (u < sizes.units) {
            of_states.take(static_cast<double>(got), ends[(sequence * 2 + level) * sizes.units + u], 1);
          } else {
            EXPECT_EQ(got, 0.0f) << "behind the state's numbers";
          }
        }
      }
    }
    EXPECT_TRUE(of_states.error <= 3e-6) << "states are off by " << of_states.error;

    s.put_delta();
    std::vector<float> gradient = floats(s.network.place().end + 16, 7.0f);
    s.backward(gradient, s.context);
    for (const Parameter& parameter : s.network.store().read(gradient.data())) {
      expect_slopes(
          parameter.values, p.at(parameter.name), [&] { return s.rows.loss(s.outputs(p)); }, parameter.name);
    }
    for (Index i = 0; i < Stack::kBegin; ++i) EXPECT_EQ(gradient[i], 7.0f) << "not the network's";
  }
}

/// A GRU by itself, for the gradient of its inputs.
TEST(Gru, TheGradientOfItsInputsGoesBackThroughTime) {
  for (const Sizes& sizes : kCases) {
    SCOPED_TRACE(name_of(sizes));
    CpuBackend backend(1);
    const CpuBackend::Context context{&backend, 0, 0, true};
    Rows rows(sizes, sizes.units, padded(sizes.units));
    ModuleSize size;
    size.inputs = sizes.inputs;
    size.most_rows = rows.rows;
    size.above_others = true;
    Gru<CpuBackend> one(backend, {"elu", {}, sizes.units}, size);
    std::vector<float> parameters = floats(one.end()), gradient = floats(one.end(), 7.0f);
    one.initialise(5, 0, {}, parameters.data());
    one.parameters_changed(backend, parameters.data());
    ParameterStore store;
    store.add("", one.parameters());
    Numbers p;
    for (const Parameter& parameter : store.read(parameters.data())) {
      p[parameter.name].assign(parameter.values.begin(), parameter.values.end());
    }
    const GruNumbers loop(p, "");

    one.forward(context, parameters.data(), rows.input.data(), rows.stride, rows.sequences());
    float* delta = one.output_gradient(context);
    for (Index i = 0; i < rows.rows * one.output_stride(); ++i) {
      const Index row = i / one.output_stride(), unit = i % one.output_stride();
      delta[i] = unit < sizes.units ? rows.delta[row * sizes.units + unit] : NAN;  // padding must not matter
    }
    std::vector<float> of_input = floats(rows.rows * rows.stride + 16, 7.0f), inputs;
    one.backward(context, parameters.data(), rows.input.data(), rows.stride, rows.sequences(), gradient.data(),
                 of_input.data());
    Vector x;
    for (Index row = 0; row < rows.rows; ++row) {
      for (Index i = 0; i < rows.stride; ++i) {
        if (i < sizes.inputs) {
          inputs.push_back(of_input[row * rows.stride + i]);
          x.push_back(static_cast<double>(rows.input[row * rows.stride + i]));
        } else {
          EXPECT_EQ(of_input[row * rows.stride + i], 0.0f) << "padding";
        }
      }
    }
    const auto loss = [&] {
      Vector all;
      for (Index sequence = 0; sequence < sizes.sequences; ++sequence) {
        Vector h = rows.h(sequence, 0);
        for (Index row = sequence * sizes.steps; row < (sequence + 1) * sizes.steps; ++row) {
          if (rows.goes_on[row] == 0.0f) h.assign(h.size(), 0.0);
          loop.step({&x[row * sizes.inputs], &x[row * sizes.inputs] + sizes.inputs}, h);
          all.insert(all.end(), h.begin(), h.end());
        }
      }
      return rows.loss(all);
    };
    expect_slopes(inputs, x, loss, "input");
    for (const Parameter& parameter : store.read(gradient.data())) {
      expect_slopes(parameter.values, p.at(parameter.name), loss, parameter.name);
    }

    // Padding of the parameters stays zero, as does its gradient: Adam runs over it as well.
    std::vector<bool> owned(static_cast<std::size_t>(one.end()), false);
    for (const ParameterPlace& place : one.parameters()) {
      for (Index row = 0; row < place.rows(); ++row) {
        for (Index column = 0; column < place.columns(); ++column) {
          EXPECT_FALSE(owned.at(place.at(row, column))) << "two parameters at one place";
          owned.at(place.at(row, column)) = true;
        }
      }
    }
    for (Index i = 0; i < one.end(); ++i) {
      if (owned[i]) continue;
      EXPECT_EQ(parameters[i], 0.0f) << "place " << i;
      EXPECT_EQ(gradient[i], 0.0f) << "place " << i;
    }
  }
}

TEST(Gru, GradientsOfTilesAddUp) {
  Stack s({5, 18, 4, 6});
  const auto gradient_of = [&](int tiles) {
    std::vector<float> gradient = floats(s.network.place().end + 16, 7.0f);
    for (int tile = 0; tile < tiles; ++tile) {
      s.forward();
      s.put_delta();
      s.backward(gradient, {&s.backend, 0, 0, tile == 0});
    }
    return s.network.store().read(gradient.data());
  };
  const auto once = gradient_of(1), twice = gradient_of(2);
  for (std::size_t p = 0; p < once.size(); ++p) {
    for (std::size_t i = 0; i < once[p].values.size(); ++i) {
      EXPECT_EQ(twice[p].values[i], 2 * once[p].values[i]) << once[p].name << " " << i;
    }
  }
}

/// What a rollout computes step by step is what an update computes of the whole window, to the last bit.
TEST(Gru, StepByStepIsTheSameAsAWindow) {
  for (const Sizes& sizes : kCases) {
    SCOPED_TRACE(name_of(sizes));
    Stack s(sizes);
    const Index stride = s.network.output_stride(), width = s.network.states(), count = sizes.sequences;
    const float* output = s.forward();
    const std::vector<float> window(output, output + s.rows.rows * stride);
    std::vector<float> state = s.rows.state;
    for (Index step = 0; step < sizes.steps; ++step) {
      std::vector<float> input, ended = floats(count);
      for (Index sequence = 0; sequence < count; ++sequence) {
        const float* row = &s.rows.input[(sequence * sizes.steps + step) * s.rows.stride];
        input.insert(input.end(), row, row + s.rows.stride);
        ended[sequence] = s.rows.goes_on[sequence * sizes.steps + step] == 0.0f ? 1.0f : 0.0f;
      }
      s.context.launch({0, count * width}, ForgetStates{ended.data(), state.data(), width});
      // Looked at without going on, as a final observation is: the state stays.
      const std::vector<float> before = state;
      s.network.forward(s.context, s.parameters.data(), input.data(), s.rows.stride,
                        one_step({0, count}, state.data(), width, false));
      EXPECT_EQ(state, before);
      output = s.network.forward(s.context, s.parameters.data(), input.data(), s.rows.stride,
                                 one_step({0, count}, state.data(), width, true));
      for (Index sequence = 0; sequence < count; ++sequence) {
        for (Index o = 0; o < Stack::kOutputs; ++o) {
          ASSERT_EQ(word_of(output[sequence * stride + o]),
                    word_of(window[(sequence * sizes.steps + step) * stride + o]))
              << "step " << step;
        }
      }
    }
  }
}

/// As PyTorch begins; the layers behind stay as they are without a GRU.
TEST(Gru, BeginsWithUniformNumbersOfItsOwnStream) {
  const Stack s({40, 50, 1, 1}), again({40, 50, 1, 1});
  EXPECT_EQ(s.parameters, again.parameters);
  std::map<std::string, std::vector<float>> arrays;
  for (const Parameter& parameter : s.network.store().read(s.parameters.data())) {
    arrays[parameter.name] = parameter.values;
  }
  EXPECT_EQ(s.network.store().places()[0].name, "actor.gru.weight_ih");
  EXPECT_EQ(s.network.store().places()[0].shape, (std::vector<std::int64_t>{150, 40}));
  EXPECT_EQ(s.network.store().places()[1].shape, (std::vector<std::int64_t>{150, 50}));
  const float most = 1 / std::sqrt(50.0f);
  for (const char* name : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}) {
    const std::vector<float>& values = arrays.at(std::string("actor.gru.") + name);
    double sum = 0, squares = 0;
    for (const float x : values) {
      EXPECT_TRUE(std::fabs(x) <= most);
      sum += static_cast<double>(x);
      squares += static_cast<double>(x) * static_cast<double>(x);
    }
    const double count = static_cast<double>(values.size()), variance = static_cast<double>(most * most) / 3;
    EXPECT_TRUE(std::fabs(sum / count) <= 4 * std::sqrt(variance / count)) << name;
    EXPECT_TRUE(std::fabs(squares / count / variance - 1) <= 4 / std::sqrt(count)) << name;
  }
  EXPECT_NE(arrays.at("actor.gru.bias_ih"), arrays.at("actor.gru.bias_hh"));
  EXPECT_NE(arrays.at("actor.gru.weight_hh"), arrays.at("actor.gru_2.weight_hh"));
}

TEST(Gru, IsTheSameFromItsPlainData) {
  Stack s({5, 18, 4, 6});
  const std::vector<ModuleWeights> data = s.network.weights(s.parameters.data());
  EXPECT_EQ(data[0].options.gru, 18);
  EXPECT_EQ(data[0].outputs, 18);
  EXPECT_EQ(data[1].states, 18);
  Network<CpuBackend> again(s.backend, data, 5, 0, 24);
  std::vector<float> parameters = floats(again.place().end + 16);
  again.write(data, parameters.data());
  again.parameters_changed(parameters.data());
  const float* output = s.forward();
  const float* other =
      again.forward(s.context, parameters.data(), s.rows.input.data(), s.rows.stride, s.rows.sequences());
  for (Index row = 0; row < s.rows.rows; ++row) {
    for (Index o = 0; o < Stack::kOutputs; ++o) {
      const Index at = row * s.network.output_stride() + o;
      EXPECT_EQ(word_of(output[at]), word_of(other[at]));
    }
  }
}

TEST(Gru, WidthsThatAreNoneAreRefused) {
  CpuBackend backend(1);
  const auto refusal = [&](int units, int outputs) -> std::string {
    ModuleSize size;
    size.inputs = 2;
    size.outputs = outputs;
    size.most_rows = 1;
    try {
      Gru<CpuBackend>(backend, {"elu", {}, units}, size);
    } catch (const Error& error) {
      return error.what();
    }
    return "taken";
  };
  EXPECT_EQ(refusal(3, 0), "taken");
  EXPECT_EQ(refusal(3, 3), "taken");
  EXPECT_NE(refusal(0, 0).find("1 to 4096 units, not 0"), std::string::npos) << refusal(0, 0);
  EXPECT_NE(refusal(4097, 0).find("not 4097"), std::string::npos) << refusal(4097, 0);
  EXPECT_NE(refusal(3, 4).find("as many outputs, not 4"), std::string::npos) << refusal(3, 4);
}

}  // namespace
}  // namespace stampede::testing
