/// \file One minibatch's gradient as the trainer computes it, for the comparison with automatic differentiation.
///
///     dump_gradient key=value ... < input > output
///
/// Keys: observations, actions, samples, chosen, actor, critic (widths, with commas; critic empty: none), activation,
/// image, channels, kernels, strides (of convolutions; image empty: none), surrogate, clip_value, normalise_advantages,
/// clip_ratio, value_coefficient, entropy_coefficient, threads. Input, float32: actor and critic (weight
/// [outputs][inputs] and bias of each layer), log_std, observation mean and variance, the values' mean and variance,
/// then of all samples observation, output, log_prob, value, advantage, returns; at last, uint32, the chosen samples.
/// Output, float32: the gradient of actor, critic and log_std.

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "host/cpu/backend.hpp"
#include "host/learn/ppo.hpp"
#include "host/nets/convolution.hpp"
#include "tests/plain_task.hpp"
#include "tests/python/dump.hpp"

namespace stampede {
namespace {

[[maybe_unused]] const bool registered = register_network_module<Convolution, CpuBackend>(kConvolutionModule);

using dump::integers, dump::read_values;

void read_into(std::vector<Tensor>& tensors, const std::string& name) {
  for (Tensor& tensor : tensors) {
    if (tensor.name != name) continue;
    const auto values = read_values<float>(static_cast<Index>(tensor.bytes.size() / sizeof(float)));
    std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  }
}

void dump_gradient(const dump::Arguments& given) {
  const auto number = [&](const char* key) { return std::stoi(given.at(key)); };
  const int observations = number("observations"), actions = number("actions");
  const Index samples = number("samples"), chosen = number("chosen"), stride = padded(samples);
  TrainingRequest request;
  TaskSpec task = test::plain_task(observations, actions);
  if (const std::vector<int> image = integers(given.at("image")); !image.empty()) {
    task.observations.front().picture = {image.at(1), image.at(2)};
    task.observations.front().history = image.at(0);
    request.network.modules = {kConvolutionModule, kDenseModule};
    request.network.channels = integers(given.at("channels"));
    request.network.kernels = integers(given.at("kernels"));
    request.network.strides = integers(given.at("strides"));
  }
  request.task = std::make_shared<const TaskSpec>(std::move(task));
  request.network.actor = integers(given.at("actor"));
  request.network.critic = integers(given.at("critic"));
  request.network.activation = given.at("activation");
  request.algorithm.advantage = request.network.critic.empty() ? "return" : "gae";
  request.algorithm.surrogate = given.at("surrogate");
  request.algorithm.clip_value = number("clip_value") != 0;
  request.algorithm.normalise_advantages = number("normalise_advantages") != 0;
  request.algorithm.clip_ratio = std::stof(given.at("clip_ratio"));
  request.algorithm.value_coefficient = std::stof(given.at("value_coefficient"));
  request.algorithm.entropy_coefficient = std::stof(given.at("entropy_coefficient"));
  request.algorithm.minibatch = static_cast<int>(samples);
  CpuBackend backend(number("threads"));
  Ppo<CpuBackend> learner(backend, request, {samples, stride, 1});

  std::vector<Tensor> tensors;
  learner.save(tensors);
  std::vector<std::string> names;
  for (const Tensor& tensor : tensors) {
    // In the order of the layers: actor, critic, log_std, none of the optimiser's.
    if (tensor.name.rfind("actor.", 0) == 0 || tensor.name.rfind("critic.", 0) == 0) names.push_back(tensor.name);
  }
  for (const std::string& name : names) read_into(tensors, name);
  for (const char* name : {"log_std", "observation_mean", "observation_variance"}) read_into(tensors, name);
  learner.load(tensors);
  const auto moments = read_values<float>(2);
  Control control = learner.read_control();
  control.values.mean = moments[0];
  control.values.variance = moments[1];
  learner.set_control(control);

  const auto rows = [&](Index columns) {
    const auto values = read_values<float>(samples * columns);
    auto buffer = backend.make_buffer<float>(stride * columns);
    backend.upload(buffer, values.data(), samples * columns);
    return buffer;
  };
  const auto observation = rows(observations), output = rows(actions), log_prob = rows(1), value = rows(1);
  const auto advantage = rows(1), returns = rows(1);
  const auto picked = read_values<std::uint32_t>(chosen);
  auto order = backend.make_buffer<std::uint32_t>(chosen);
  backend.upload(order, picked.data(), chosen);
  // What the divergence is measured from has no part in the gradient.
  const auto old_mean = backend.make_buffer<float>(stride * actions), old_log_std = backend.make_buffer<float>(actions);
  const RolloutView rollout{observation.data(), nullptr,      output.data(),    old_mean.data(), old_log_std.data(),
                            log_prob.data(),    value.data(), advantage.data(), returns.data()};
  learner.sum_advantages(rollout, order.data(), {chosen, 1, 1});
  learner.compute_gradient(rollout, {order.data(), chosen, 0}, 0);
  for (const Parameter& parameter : learner.read_gradient()) {
    dump::write_floats(parameter.values.data(), static_cast<Index>(parameter.values.size()));
  }
}

}  // namespace
}  // namespace stampede

int main(int argc, char** argv) { return stampede::dump::run("dump_gradient", argc, argv, stampede::dump_gradient); }
