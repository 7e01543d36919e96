/// \file Auxiliary heads beside a network's last layer: their losses' gradients, through the hidden layer and a module
/// with a state, against central differences in double precision; names, first numbers, and that the policy has none.

#include "host/nets/dense.hpp"

#include <functional>
#include <map>

#include "host/cpu/backend.hpp"
#include "host/nets/network.hpp"
#include "kernels/distillation.hpp"
#include "tests/kernels/testing.hpp"
#include "tests/modules/leaky_integrator.hpp"

namespace stampede::testing {
namespace {

[[maybe_unused]] const bool leaky = register_network_module<test::LeakyIntegrator, CpuBackend>("leaky_integrator");

constexpr int kInputs = 5, kActions = 3;
constexpr Index kSequences = 5, kSteps = 3, kRows = kSequences * kSteps;
const std::vector<AuxiliaryHead> kHeads = {{"latent_head", 4}, {"scan_head", 21}};
constexpr double kWeights[] = {0.7, 2.5};
constexpr Index kTargetStride = 16 + 32;
constexpr Index kPlaces[] = {0, 16};

using Numbers = std::map<std::string, std::vector<double>>;

/// A network with heads, its inputs, and targets of the heads' rows, which the minibatch has in reverse order.
struct Subject {
  CpuBackend backend{1};
  CpuBackend::Context context{&backend, 0, 0, true};
  std::vector<std::string> modules;
  std::vector<int> hidden;
  Network<CpuBackend> network;
  std::vector<float> parameters, input, state, target;
  std::vector<std::uint32_t> order;

  Subject(const std::vector<std::string>& kinds, const std::vector<int>& widths)
      : modules(kinds),
        hidden(widths),
        network(backend, plan_network(kinds, "actor", {"tanh", widths}, kActions), kInputs, 16, kRows, kHeads),
        parameters(floats(network.place().end + 16)),
        input(random_floats(kRows * padded(kInputs) + 16, -1.5f, 1.5f, 6)),
        state(random_floats(kSequences * network.states() + 16, -1, 1, 7)),
        target(random_floats(kRows * kTargetStride, -1, 1, 8)),
        order(static_cast<std::size_t>(padded(kRows)), 0u) {
    network.initialise(3, 0, {}, parameters.data());
    network.parameters_changed(parameters.data());
    for (Index i = 0; i < kRows; ++i) order[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(kRows - 1 - i);
  }

  /// Everything that has a name, the heads' too.
  ParameterStore store() const {
    ParameterStore all;
    all.add("", network.store().places());
    all.add("", network.head().head_parameters());
    return all;
  }

  Sequences sequences() const {
    Sequences all;
    all.rows = kRows;
    all.steps = kSteps;
    if (network.states() == 0) return all;
    all.state = state.data();
    all.state_stride = network.states();
    return all;
  }

  Numbers numbers() const {
    Numbers all;
    for (const Parameter& parameter : store().read(parameters.data())) {
      all[parameter.name].assign(parameter.values.begin(), parameter.values.end());
    }
    return all;
  }

  static std::vector<double> linear(const Numbers& p, const std::string& name, const std::vector<double>& x) {
    const auto &weight = p.at(name + ".weight"), &bias = p.at(name + ".bias");
    std::vector<double> y = bias;
    for (std::size_t o = 0; o < y.size(); ++o) {
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += weight[o * x.size() + i] * x[i];
    }
    return y;
  }

  /// In double: what the last layer and the heads get, of each row.
  std::vector<std::vector<double>> features(const Numbers& p) const {
    std::vector<std::vector<double>> all;
    std::vector<double> h;
    for (Index row = 0; row < kRows; ++row) {
      const float* at = &input[static_cast<std::size_t>(row * padded(kInputs))];
      std::vector<double> x(at, at + kInputs);
      if (modules.size() > 1) {
        if (row % kSteps == 0) {
          const float* from = &state[static_cast<std::size_t>(row / kSteps * network.states())];
          h.assign(from, from + kInputs);
        }
        for (std::size_t i = 0; i < x.size(); ++i) {
          h[i] += (x[i] - h[i]) / (1 + std::exp(-p.at("actor.leaky_integrator.rate")[i]));
          x[i] = h[i];
        }
      }
      for (std::size_t layer = 0; layer < hidden.size(); ++layer) {
        x = linear(p, "actor." + std::to_string(layer), x);
        for (double& y : x) y = std::tanh(y);
      }
      all.push_back(x);
    }
    return all;
  }

  /// The mean over the samples of a head's mean of squares.
  double loss_of_head(const Numbers& p, std::size_t head) const {
    const auto seen = features(p);
    double sum = 0;
    for (Index i = 0; i < kRows; ++i) {
      const std::vector<double> y = linear(p, kHeads[head].name, seen[static_cast<std::size_t>(i)]);
      for (std::size_t c = 0; c < y.size(); ++c) {
        const Index at = Index{order[static_cast<std::size_t>(i)]} * kTargetStride + kPlaces[head];
        const double e = y[c] - static_cast<double>(target[static_cast<std::size_t>(at) + c]);
        sum += e * e / static_cast<double>(y.size());
      }
    }
    return sum / static_cast<double>(kRows);
  }
  double loss(const Numbers& p) const { return kWeights[0] * loss_of_head(p, 0) + kWeights[1] * loss_of_head(p, 1); }
};

/// A hidden layer; a module with a state below one; and no layer but the last, whose inputs the module then gives.
const std::pair<std::vector<std::string>, std::vector<int>> kNetworks[] = {
    {{"dense"}, {9, 17}}, {{"leaky_integrator", "dense"}, {9}}, {{"leaky_integrator", "dense"}, {}}};

TEST(AuxiliaryHeads, LossesAndGradientsAgainstCentralDifferencesInDouble) {
  for (const auto& [kinds, widths] : kNetworks) {
    SCOPED_TRACE(kinds.size() + 10 * widths.size());
    Subject s(kinds, widths);
    const Numbers p = s.numbers();
    const Index stride = s.network.output_stride();
    const float* output =
        s.network.forward(s.context, s.parameters.data(), s.input.data(), padded(kInputs), s.sequences());
    float* slope = s.network.output_gradient(s.context);
    for (Index row = 0; row < kRows; ++row) {
      for (Index a = 0; a < kActions; ++a) slope[row * stride + a] = 0.0f;
    }
    Index column = kActions;
    for (std::size_t head = 0; head < kHeads.size(); ++head) {
      std::vector<float> losses = floats(kRows);
      const AuxiliaryLoss kernel{s.order.data(),
                                 kRows,
                                 kHeads[head].outputs,
                                 static_cast<float>(kWeights[head]),
                                 s.target.data() + kPlaces[head],
                                 kTargetStride,
                                 output + column,
                                 slope + column,
                                 stride,
                                 losses.data(),
                                 static_cast<float>(kRows)};
      s.context.launch({0, kRows}, kernel);
      double sum = 0;
      for (const float loss : losses) sum += static_cast<double>(loss);
      EXPECT_NEAR(sum, s.loss_of_head(p, head), 1e-5) << kHeads[head].name;
      column += kHeads[head].outputs;
    }
    std::vector<float> gradient = floats(s.network.place().end + 16, 7.0f);
    s.network.backward(s.context, s.parameters.data(), s.input.data(), padded(kInputs), s.sequences(), gradient.data());
    double largest = 0;
    for (const Parameter& parameter : s.store().read(gradient.data())) {
      const std::string last = "actor." + std::to_string(widths.size());
      const bool of_actions = parameter.name.rfind(last + ".", 0) == 0;
      for (std::size_t i = 0; i < parameter.values.size(); ++i) {
        constexpr double kStep = 1e-5;
        Numbers up = p, down = p;
        up[parameter.name][i] += kStep;
        down[parameter.name][i] -= kStep;
        const double wanted = (s.loss(up) - s.loss(down)) / (2 * kStep);
        EXPECT_NEAR(static_cast<double>(parameter.values[i]), wanted, 2e-6) << parameter.name << " " << i;
        if (of_actions) {
          EXPECT_EQ(parameter.values[i], 0.0f) << "no loss of the actions'";
        } else {
          largest = std::max(largest, std::fabs(wanted));
        }
      }
    }
    EXPECT_GT(largest, 1e-2);
  }
}

/// Beside heads a network begins with the same numbers, and gives what it gives without them.
TEST(AuxiliaryHeads, TheNetworkIsTheSameWithoutThem) {
  for (const auto& [kinds, widths] : kNetworks) {
    SCOPED_TRACE(kinds.size() + 10 * widths.size());
    Subject s(kinds, widths);
    const std::vector<ModuleWeights> data = s.network.weights(s.parameters.data());
    EXPECT_EQ(data.back().outputs, kActions);
    for (const Parameter& parameter : data.back().parameters) {
      EXPECT_EQ(parameter.name.find("head"), std::string::npos) << parameter.name;
    }
    Network<CpuBackend> plain(s.backend, plan_network(kinds, "actor", {"tanh", widths}, kActions), kInputs, 16, kRows);
    std::vector<float> parameters = floats(plain.place().end + 16);
    plain.initialise(3, 0, {}, parameters.data());
    const auto named = [](const Network<CpuBackend>& network, const std::vector<float>& values) {
      std::map<std::string, std::vector<float>> all;
      for (const Parameter& parameter : network.store().read(values.data())) all[parameter.name] = parameter.values;
      return all;
    };
    EXPECT_EQ(named(plain, parameters), named(s.network, s.parameters));
    // The heads' parameters stay where a policy is written in their network's place.
    std::vector<float> written = floats(s.network.place().end + 16, 7.0f);
    s.network.write(data, written.data());
    ParameterStore heads;
    heads.add("", s.network.head().head_parameters());
    for (const Parameter& parameter : heads.read(written.data())) {
      EXPECT_EQ(parameter.values, std::vector<float>(parameter.values.size(), 7.0f)) << parameter.name;
    }
    plain.parameters_changed(parameters.data());
    const float* output =
        s.network.forward(s.context, s.parameters.data(), s.input.data(), padded(kInputs), s.sequences());
    const float* alone = plain.forward(s.context, parameters.data(), s.input.data(), padded(kInputs), s.sequences());
    for (Index row = 0; row < kRows; ++row) {
      for (Index a = 0; a < kActions; ++a) {
        EXPECT_NEAR(static_cast<double>(output[row * s.network.output_stride() + a]),
                    static_cast<double>(alone[row * plain.output_stride() + a]), 1e-6);
      }
    }
  }
}

TEST(AuxiliaryHeads, HaveNamesAndPlacesOfTheirOwn) {
  const Subject s({"leaky_integrator", "dense"}, {9});
  std::vector<int> owners(static_cast<std::size_t>(s.network.place().end), 0);
  std::vector<std::string> names;
  const ParameterStore store = s.store();
  for (const ParameterPlace& place : store.places()) {
    names.push_back(place.name);
    for (Index row = 0; row < place.rows(); ++row) {
      for (Index column = 0; column < place.columns(); ++column) {
        ++owners.at(static_cast<std::size_t>(place.at(row, column)));
      }
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"actor.leaky_integrator.rate", "actor.0.weight", "actor.0.bias",
                                             "actor.1.weight", "actor.1.bias", "latent_head.weight", "latent_head.bias",
                                             "scan_head.weight", "scan_head.bias"}));
  EXPECT_LE(*std::max_element(owners.begin(), owners.end()), 1) << "two parameters at one place";
  // Orthogonal rows of length 1, other ones for each head: 4 of 9 numbers each.
  const Numbers p = s.numbers();
  const std::vector<double>& weight = p.at("latent_head.weight");
  for (std::size_t a = 0; a < 4; ++a) {
    for (std::size_t b = 0; b < 4; ++b) {
      double product = 0;
      for (std::size_t i = 0; i < 9; ++i) product += weight[a * 9 + i] * weight[b * 9 + i];
      EXPECT_NEAR(product, a == b ? 1.0 : 0.0, 1e-6);
    }
  }
  EXPECT_NE(std::vector<double>(weight.begin(), weight.begin() + 9),
            std::vector<double>(p.at("scan_head.weight").begin(), p.at("scan_head.weight").begin() + 9));
}

}  // namespace
}  // namespace stampede::testing
