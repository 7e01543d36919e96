/// \file A network of gated recurrent units and dense layers, for the comparison with automatic differentiation.
///
///     dump_network key=value ... < input > output
///
/// Keys: modules (with commas), inputs, outputs, gru, hidden (widths, with commas), sequences, steps.
/// Input, float32: the parameters in their order (each module's, the first one's first), the rows
/// [sequence][step][inputs], goes_on [sequence][step], the states [sequence][states of all modules],
/// d loss / d output [sequence][step][outputs].
/// Output, float32: the outputs, the states after the last step, the parameters' gradient; each as above.

#include <algorithm>
#include <string>
#include <vector>

#include "host/cpu/backend.hpp"
#include "host/nets/gru.hpp"
#include "host/nets/network.hpp"
#include "tests/python/dump.hpp"

namespace stampede {
namespace {

using dump::integers, dump::words, dump::write_floats;

std::vector<float> read_floats(Index count) { return dump::read_values<float>(count); }

void dump_network(const dump::Arguments& given) {
  const auto number = [&](const char* key) { return std::stoi(given.at(key)); };
  const int inputs = number("inputs"), outputs = number("outputs");
  const Index count = number("sequences"), steps = number("steps"), rows = count * steps;
  ModuleOptions options{"tanh", integers(given.at("hidden")), number("gru")};
  register_network_module<Gru, CpuBackend>("gru");
  CpuBackend backend(1);
  const CpuBackend::Context context{&backend, 0, 0, true};
  Network<CpuBackend> network(backend, plan_network(words(given.at("modules")), "actor", options, outputs), inputs, 0,
                              rows);
  const auto size = static_cast<std::size_t>(padded(network.place().end));

  std::vector<float> parameters(size), gradient(size);
  network.store().write([](const ParameterPlace& place) { return read_floats(place.rows() * place.columns()); },
                        parameters.data());
  network.parameters_changed(parameters.data());

  const Index stride = padded(inputs), width = network.states();
  std::vector<float> x(static_cast<std::size_t>(rows * stride + kMaxLanes));
  for (Index row = 0; row < rows; ++row) {
    const std::vector<float> numbers = read_floats(inputs);
    std::copy(numbers.begin(), numbers.end(), x.begin() + row * stride);
  }
  const std::vector<float> goes_on = read_floats(rows);
  std::vector<int> states;
  for (const ModuleWeights& part : network.weights(parameters.data())) {
    if (part.states > 0) states.push_back(part.states);
  }
  std::vector<float> state(static_cast<std::size_t>(count * width));
  const auto for_states = [&](const auto& body) {
    for (Index sequence = 0; sequence < count; ++sequence) {
      Index at = sequence * width;
      for (const int numbers : states) {
        body(at, numbers);
        at += padded(numbers);
      }
    }
  };
  for_states([&](Index at, int numbers) {
    const std::vector<float> first = read_floats(numbers);
    std::copy(first.begin(), first.end(), state.begin() + at);
  });

  std::vector<float> next = state;
  const Sequences sequences{rows, steps, goes_on.data(), state.data(), next.data(), width};
  const float* y = network.forward(context, parameters.data(), x.data(), stride, sequences);
  for (Index row = 0; row < rows; ++row) write_floats(y + row * network.output_stride(), outputs);
  for_states([&](Index at, int numbers) { write_floats(next.data() + at, numbers); });
  for (Index row = 0; row < rows; ++row) {
    const std::vector<float> delta = read_floats(outputs);
    std::copy(delta.begin(), delta.end(), network.output_gradient(context) + row * network.output_stride());
  }
  network.backward(context, parameters.data(), x.data(), stride, sequences, gradient.data());
  for (const Parameter& parameter : network.store().read(gradient.data())) {
    write_floats(parameter.values.data(), static_cast<Index>(parameter.values.size()));
  }
}

}  // namespace
}  // namespace stampede

int main(int argc, char** argv) { return stampede::dump::run("dump_network", argc, argv, stampede::dump_network); }
