/// \file Networks of several modules, with a state: outputs and gradients against plain loops in double precision, names and places of
/// the parameters, and what is refused.

#include "host/nets/network.hpp"

#include <functional>
#include <map>

#include "host/cpu/backend.hpp"
#include "host/nets/recurrence.hpp"
#include "tests/kernels/testing.hpp"
#include "tests/modules/leaky_integrator.hpp"

namespace stampede::testing {
namespace {

[[maybe_unused]] const bool leaky = register_network_module<test::LeakyIntegrator, CpuBackend>("leaky_integrator");

constexpr int kInputs = 5, kOutputs = 3;
constexpr Index kSequences = 7, kSteps = 6, kRows = kSequences * kSteps;
const std::vector<std::string> kModules = {"leaky_integrator", "leaky_integrator", "dense"};

using Numbers = std::map<std::string, std::vector<double>>;

struct Subject {
  CpuBackend backend{1};
  CpuBackend::Context context{&backend, 0, 0, true};
  Network<CpuBackend> network{backend, plan_network(kModules, "actor", {"tanh", {9}}, kOutputs), kInputs, 16, kRows};
  std::vector<float> parameters = floats(network.place().end + 16);
  // Columns behind the inputs hold anything.
  std::vector<float> input = floats(kRows * padded(kInputs) + 16, 0.7f);
  std::vector<float> goes_on = floats(kRows + 16, 1.0f), state;
  std::vector<float> delta = random_floats(kRows * kOutputs, -1, 1, 4);

  Subject() {
    network.initialise(3, 0, {}, parameters.data());
    const auto noise = random_floats(network.place().end, -0.5f, 0.5f, 5);
    std::vector<Parameter> all = network.store().read(parameters.data());
    std::size_t next = 0;
    for (Parameter& parameter : all) {
      for (float& x : parameter.values) x += noise[next++];
    }
    network.store().write([&](const ParameterPlace& place) { return named(all, place.name); }, parameters.data());
    network.parameters_changed(parameters.data());
    const auto seen = random_floats(kRows * kInputs, -1.5f, 1.5f, 6);
    for (Index row = 0; row < kRows; ++row) {
      for (Index i = 0; i < kInputs; ++i) input[row * padded(kInputs) + i] = seen[row * kInputs + i];
      if (row % kSteps != 0 && row % 5 == 0) goes_on[row] = 0.0f;
    }
    const auto first = random_floats(kSequences * network.states(), -1, 1, 7);
    state = floats(kSequences * network.states() + 16);
    for (Index i = 0; i < kSequences * network.states(); ++i) {
      if (i % padded(kInputs) < kInputs) state[i] = first[i];
    }
  }

  static std::vector<float> named(const std::vector<Parameter>& all, const std::string& name) {
    for (const Parameter& parameter : all) {
      if (parameter.name == name) return parameter.values;
    }
    throw Error("no parameter " + name);
  }

  Sequences sequences() const {
    Sequences sequences;
    sequences.rows = kRows;
    sequences.steps = kSteps;
    sequences.goes_on = goes_on.data();
    sequences.state = state.data();
    sequences.state_stride = network.states();
    return sequences;
  }

  Numbers numbers() const {
    Numbers all;
    for (const Parameter& parameter : network.store().read(parameters.data())) {
      all[parameter.name].assign(parameter.values.begin(), parameter.values.end());
    }
    return all;
  }

  /// [rows][outputs], in double.
  std::vector<double> outputs(const Numbers& p) const {
    std::vector<double> all;
    for (Index sequence = 0; sequence < kSequences; ++sequence) {
      std::vector<double> h[2];
      for (int level = 0; level < 2; ++level) {
        const float* from = &state[sequence * network.states() + level * padded(kInputs)];
        h[level].assign(from, from + kInputs);
      }
      for (Index row = sequence * kSteps; row < (sequence + 1) * kSteps; ++row) {
        const float* at = &input[row * padded(kInputs)];
        std::vector<double> x(at, at + kInputs);
        for (int level = 0; level < 2; ++level) {
          const auto& rate = p.at(level == 0 ? "actor.leaky_integrator.rate" : "actor.leaky_integrator_2.rate");
          for (int i = 0; i < kInputs; ++i) {
            if (goes_on[row] == 0.0f) h[level][i] = 0;
            h[level][i] += (x[i] - h[level][i]) / (1 + std::exp(-rate[i]));
          }
          x = h[level];
        }
        for (int layer = 0; layer < 2; ++layer) {
          const auto &weight = p.at("actor." + std::to_string(layer) + ".weight"),
                     &bias = p.at("actor." + std::to_string(layer) + ".bias");
          std::vector<double> y;
          for (std::size_t o = 0; o < bias.size(); ++o) {
            double sum = bias[o];
            for (std::size_t i = 0; i < x.size(); ++i) sum += weight[o * x.size() + i] * x[i];
            y.push_back(layer == 0 ? std::tanh(sum) : sum);
          }
          x = y;
        }
        all.insert(all.end(), x.begin(), x.end());
      }
    }
    return all;
  }
  double loss(const Numbers& p) const {
    const std::vector<double> y = outputs(p);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * static_cast<double>(delta[i]);
    return sum;
  }
};

TEST(Network, OutputsAndGradientsGoThroughAllModulesAndBackThroughTime) {
  Subject s;
  const Numbers p = s.numbers();
  const float* output =
      s.network.forward(s.context, s.parameters.data(), s.input.data(), padded(kInputs), s.sequences());
  const std::vector<double> wanted = s.outputs(p);
  for (Index row = 0; row < kRows; ++row) {
    for (Index o = 0; o < kOutputs; ++o) {
      EXPECT_NEAR(static_cast<double>(output[row * s.network.output_stride() + o]), wanted[row * kOutputs + o], 3e-6);
    }
  }
  std::vector<float> gradient = floats(s.network.place().end + 16, 7.0f);
  for (Index row = 0; row < kRows; ++row) {
    for (Index o = 0; o < kOutputs; ++o) {
      s.network.output_gradient(s.context)[row * s.network.output_stride() + o] = s.delta[row * kOutputs + o];
    }
  }
  s.network.backward(s.context, s.parameters.data(), s.input.data(), padded(kInputs), s.sequences(), gradient.data());
  for (const Parameter& parameter : s.network.store().read(gradient.data())) {
    for (std::size_t i = 0; i < parameter.values.size(); ++i) {
      constexpr double kStep = 1e-5;
      Numbers up = p, down = p;
      up[parameter.name][i] += kStep;
      down[parameter.name][i] -= kStep;
      EXPECT_NEAR(static_cast<double>(parameter.values[i]), (s.loss(up) - s.loss(down)) / (2 * kStep), 2e-5)
          << parameter.name << " " << i;
    }
  }
  for (Index i = 0; i < 16; ++i) EXPECT_EQ(gradient[i], 7.0f) << "not the network's";
}

/// A tile's gradient is added to that of the tiles before it.
TEST(Network, GradientsOfTilesAddUp) {
  Subject s;
  const auto gradient_of = [&](bool twice) {
    std::vector<float> gradient = floats(s.network.place().end + 16);
    for (const bool first : twice ? std::vector<bool>{true, false} : std::vector<bool>{true}) {
      const CpuBackend::Context context{&s.backend, 0, 0, first};
      s.network.forward(context, s.parameters.data(), s.input.data(), padded(kInputs), s.sequences());
      for (Index i = 0; i < kRows * s.network.output_stride(); ++i) s.network.output_gradient(context)[i] = 0.25f;
      s.network.backward(context, s.parameters.data(), s.input.data(), padded(kInputs), s.sequences(), gradient.data());
    }
    return s.network.store().read(gradient.data());
  };
  const auto once = gradient_of(false), twice = gradient_of(true);
  for (std::size_t p = 0; p < once.size(); ++p) {
    for (std::size_t i = 0; i < once[p].values.size(); ++i) {
      EXPECT_FLOAT_EQ(twice[p].values[i], 2 * once[p].values[i]) << once[p].name << " " << i;
    }
  }
}

/// What a rollout computes step by step is what an update computes of the whole window, to the last bit.
TEST(Network, StepByStepIsTheSameAsAWindow) {
  Subject s;
  const Index stride = s.network.output_stride(), width = s.network.states();
  const float* output =
      s.network.forward(s.context, s.parameters.data(), s.input.data(), padded(kInputs), s.sequences());
  const std::vector<float> window(output, output + kRows * stride);
  std::vector<float> state = s.state;
  for (Index step = 0; step < kSteps; ++step) {
    std::vector<float> input, ended;
    for (Index sequence = 0; sequence < kSequences; ++sequence) {
      const Index row = sequence * kSteps + step;
      input.insert(input.end(), &s.input[row * padded(kInputs)], &s.input[(row + 1) * padded(kInputs)]);
      ended.push_back(s.goes_on[row] == 0.0f ? 1.0f : 0.0f);
    }
    s.context.launch({0, kSequences * width}, ForgetStates{ended.data(), state.data(), width});
    const Sequences one = one_step({0, kSequences}, state.data(), width, true);
    output = s.network.forward(s.context, s.parameters.data(), input.data(), padded(kInputs), one);
    for (Index sequence = 0; sequence < kSequences; ++sequence) {
      for (Index o = 0; o < kOutputs; ++o) {
        ASSERT_EQ(word_of(output[sequence * stride + o]), word_of(window[(sequence * kSteps + step) * stride + o]));
      }
    }
    // Looked at without going on, as a final observation is: the state stays.
    const std::vector<float> before = state;
    s.network.forward(s.context, s.parameters.data(), input.data(), padded(kInputs),
                      one_step({0, kSequences}, state.data(), width, false));
    EXPECT_EQ(state, before);
  }
  for (Index i = 0; i < kSequences * width; ++i) {
    if (i % padded(kInputs) < kInputs) continue;
    ASSERT_EQ(state[i], 0.0f) << "behind the state's numbers";
  }
}

TEST(Network, ParametersHaveNamesShapesAndPlacesOfTheirOwn) {
  const Subject s;
  std::vector<std::string> names;
  std::vector<int> owners(static_cast<std::size_t>(s.network.place().end), 0);
  for (const ParameterPlace& place : s.network.store().places()) {
    names.push_back(place.name);
    for (Index row = 0; row < place.rows(); ++row) {
      for (Index column = 0; column < place.columns(); ++column) ++owners.at(place.at(row, column));
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"actor.leaky_integrator.rate", "actor.leaky_integrator_2.rate",
                                             "actor.0.weight", "actor.0.bias", "actor.1.weight", "actor.1.bias"}));
  EXPECT_LE(*std::max_element(owners.begin(), owners.end()), 1) << "two parameters at one place";
  for (Index i = 0; i < s.network.place().begin; ++i) EXPECT_EQ(owners[i], 0) << "before the network's place";

  // By name there and back, padding untouched.
  std::vector<Tensor> tensors;
  s.network.store().to_tensors(s.parameters.data(), "adam_first.", tensors);
  EXPECT_EQ(tensors.front().name, "adam_first.actor.leaky_integrator.rate");
  std::vector<float> back = floats(s.network.place().end + 16);
  s.network.store().from_tensors(tensors, "adam_first.", back.data());
  EXPECT_EQ(back, s.parameters);
  tensors.erase(tensors.begin() + 2);
  try {
    s.network.store().from_tensors(tensors, "adam_first.", back.data());
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'adam_first.actor.0.weight' is missing"), std::string::npos);
  }
}

TEST(Network, IsTheSameFromItsPlainData) {
  Subject s;
  const std::vector<ModuleWeights> data = s.network.weights(s.parameters.data());
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(data[0].states, kInputs);
  EXPECT_EQ(data[2].options.hidden, std::vector<int>{9});
  Network<CpuBackend> again(s.backend, data, kInputs, 0, kRows);
  std::vector<float> parameters = floats(again.place().end + 16);
  again.write(data, parameters.data());
  again.parameters_changed(parameters.data());
  const float* output =
      s.network.forward(s.context, s.parameters.data(), s.input.data(), padded(kInputs), s.sequences());
  const float* other = again.forward(s.context, parameters.data(), s.input.data(), padded(kInputs), s.sequences());
  for (Index row = 0; row < kRows; ++row) {
    for (Index o = 0; o < kOutputs; ++o) {
      const Index at = row * s.network.output_stride() + o;
      EXPECT_EQ(word_of(output[at]), word_of(other[at]));
    }
  }
}

TEST(Network, WhatMakesNoNetworkIsRefused) {
  CpuBackend backend(1);
  const auto refusal = [&](const std::vector<std::string>& modules) -> std::string {
    try {
      Network<CpuBackend>(backend, plan_network(modules, "actor", {"elu", {8}}, 2), 4, 0, 16);
    } catch (const Error& error) {
      return error.what();
    }
    return "taken";
  };
  EXPECT_EQ(refusal({"leaky_integrator", "dense"}), "taken");
  for (const auto& modules : std::vector<std::vector<std::string>>{
           {}, {"leaky_integrator"}, {"dense", "leaky_integrator"}, {"dense", "dense"}}) {
    EXPECT_NE(refusal(modules).find("must end with \"dense\""), std::string::npos) << refusal(modules);
  }
  const std::string unknown = refusal({"leaky_integrater", "dense"});
  EXPECT_NE(unknown.find("\"leaky_integrater\""), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("it has dense, "), std::string::npos) << unknown;
  EXPECT_NE(unknown.find(", leaky_integrator"), std::string::npos) << unknown;
}

}  // namespace
}  // namespace stampede::testing
