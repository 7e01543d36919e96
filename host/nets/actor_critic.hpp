#pragma once
/// \file A policy's and a critic's networks with the normalisers of what they see, on a device: one flat array of parameters, passes
/// forward for whole ranges of environments, and everything saved by name.
///
/// The parameters [size()]: the log standard deviations of the actions, the actor's, the critic's. What is laid out alike, gradients and
/// an optimiser's moments, is read and written by `to_tensors` and `from_tensors` as well.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/communicator.hpp"
#include "host/engine/training_request.hpp"
#include "host/nets/initialise.hpp"
#include "host/nets/networks.hpp"

namespace stampede {

template <class Backend>
class ActorCritic {
 public:
  using Context = typename Backend::Context;
  using Mlp = typename Backend::Mlp;
  using Normaliser = ObservationNormaliser<Backend>;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  /// `most_rows`: samples that one pass may have.
  ActorCritic(Backend& backend, const TaskSpec& task, const NetworkSettings& settings, std::uint64_t seed,
              bool with_critic, Index most_rows)
      : backend_(backend),
        settings_(settings),
        actions_(task.action.size()),
        normaliser_(backend, task.policy().size(),
                    settings.normalise_observations ? kObservationClip : std::numeric_limits<float>::max()) {
    const int observations = task.policy().size(), of_critic = task.critic_size();
    const int critic_inputs = of_critic > 0 ? of_critic : observations;
    const Activation activation = activation_of(settings.activation);
    const std::vector<int> actor_sizes = layer_sizes(observations, settings.actor, actions_);
    const std::vector<int> critic_sizes = layer_sizes(critic_inputs, settings.critic, 1);
    actor_ = std::make_unique<Mlp>(backend, actor_sizes, activation, padded(actions_), most_rows);
    size_ = actor_->parameters().end;
    if (with_critic) {
      critic_ = std::make_unique<Mlp>(backend, critic_sizes, activation, size_, most_rows);
      size_ = critic_->parameters().end;
    }
    parameters_ = backend.template make_buffer<float>(size_);
    rows_ = typename Backend::Scratch(backend, most_rows, normaliser_.stride());
    if (critic_ && of_critic > 0) {
      critic_normaliser_ = std::make_unique<Normaliser>(backend, critic_inputs, normaliser_.clip());
      critic_rows_ = typename Backend::Scratch(backend, most_rows, critic_normaliser_->stride());
    }
    sums_ = backend.template make_buffer<float>(padded(2 * std::max(observations, critic_inputs)));
    backend.reserve_sums(std::max(observations, critic_inputs));

    std::vector<float> values(static_cast<std::size_t>(size_), 0.0f);
    std::fill_n(values.begin(), actions_, std::log(settings.initial_std));
    actor_->write(initial_network(actor_sizes, 0.01, seed, 0), values.data());
    if (critic_) critic_->write(initial_network(critic_sizes, 1.0, seed, 1), values.data());
    backend.upload(parameters_, values.data(), size_);
    parameters_changed();
  }

  Index size() const { return size_; }
  int actions() const { return actions_; }
  float* parameters() { return parameters_.data(); }
  /// [actions].
  const float* log_std() { return parameters_.data(); }
  Mlp& actor() { return *actor_; }
  bool has_critic() const { return critic_ != nullptr; }
  Mlp& critic() { return *critic_; }
  /// Whether the critic sees observations of its own.
  bool critic_sees_more() const { return critic_normaliser_ != nullptr; }
  Normaliser& normaliser() { return normaliser_; }
  Normaliser& critic_normaliser() { return critic_normaliser_ ? *critic_normaliser_ : normaliser_; }

  /// To be called once the parameters have changed, before the next pass.
  void parameters_changed() {
    actor_->weights_changed(backend_, parameters_.data());
    if (critic_) critic_->weights_changed(backend_, parameters_.data());
  }

  /// Floating-point operations of a sample, forward and backward.
  double training_flops() const { return actor_->training_flops() + (critic_ ? critic_->training_flops() : 0.0); }

  // ------------------------------------------------------------------------------------------ inference

  /// The actor's output for the observations of a range's environments; the row of environment e is e - range.begin.
  /// Valid until the next call on the same context.
  const float* mean(const Context& context, Range range, const float* observation) {
    return actor_->forward(context, parameters_.data(), normalised(context, range, observation, normaliser_, rows_),
                           normaliser_.stride(), range.size());
  }
  Index mean_stride() const { return actor_->output_stride(); }

  /// Stores the values of what the critic sees of a range's environments. Does nothing where there is no critic.
  void estimate(const Context& context, Range range, const float* observation, const Control* control, float* value) {
    if (!critic_) return;
    Normaliser& normaliser = critic_normaliser();
    const float* output =
        critic_->forward(context, parameters_.data(),
                         normalised(context, range, observation, normaliser, critic_normaliser_ ? critic_rows_ : rows_),
                         normaliser.stride(), range.size());
    context.launch(range, StoreValues{output, critic_->output_stride(), range.begin, control, value});
  }

  // ------------------------------------------------------------------------------------------ a tile of samples

  /// What the actor sees of the samples that `order` names, normalised, in the tile's own memory.
  float* actor_input(const Context& context, const float* observation, const std::uint32_t* order, Index rows,
                     const MirrorView& mirror = {}) {
    float* input = rows_.at(context);
    normaliser_.apply(context, observation, order, rows, input, mirror);
    return input;
  }
  /// The same of the critic's own observations.
  float* critic_input(const Context& context, const float* observation, const std::uint32_t* order, Index rows,
                      const MirrorView& mirror = {}) {
    float* input = critic_rows_.at(context);
    critic_normaliser_->apply(context, observation, order, rows, input, mirror);
    return input;
  }

  // ------------------------------------------------------------------------------------------ normalisers

  /// To be called once, before the first `merge_observations`: the running means begin at the first observation of rank 0, because
  /// moments taken about a value near the data lose no digits.
  void begin_moments(const float* observation, const float* critic_observation) {
    if (!settings_.normalise_observations) return;
    begin_at(observation, normaliser_);
    if (critic_normaliser_) begin_at(critic_observation, *critic_normaliser_);
  }

  /// Takes the rollouts' observations, of all ranks, into the normalisers: rows [horizon][stride], of which the first `envs` of each step count. The critic's
  /// are null where it sees the policy's.
  void merge_observations(const float* observation, const float* critic_observation, Index rows, Index envs,
                          Index stride) {
    if (!settings_.normalise_observations) return;
    merge(observation, normaliser_, rows, envs, stride);
    if (critic_normaliser_) merge(critic_observation, *critic_normaliser_, rows, envs, stride);
  }

  // ------------------------------------------------------------------------------------------ on the host

  /// What is laid out as the parameters are, as tensors: prefix + "actor.0.weight", ..., prefix + "log_std".
  void to_tensors(const Buffer<float>& from, const std::string& prefix, std::vector<Tensor>& tensors) {
    const std::vector<float> values = downloaded(from);
    append_layers(tensors, prefix + "actor", actor_->read(values.data()));
    if (critic_) append_layers(tensors, prefix + "critic", critic_->read(values.data()));
    tensors.push_back(make_tensor(prefix + "log_std", {actions_}, values.data(), Tensor::Type::kF32));
  }
  /// The reverse. Throws Error naming the tensor that is missing or of another shape.
  void from_tensors(const std::vector<Tensor>& tensors, const std::string& prefix, Buffer<float>& to) {
    std::vector<float> values(static_cast<std::size_t>(size_), 0.0f);
    actor_->write(find_layers(tensors, prefix + "actor", actor_->read(values.data())), values.data());
    if (critic_) {
      critic_->write(find_layers(tensors, prefix + "critic", critic_->read(values.data())), values.data());
    }
    const auto log_std = floats_of(tensors, prefix + "log_std", static_cast<std::size_t>(actions_));
    std::copy(log_std.begin(), log_std.end(), values.begin());
    backend_.upload(to, values.data(), size_);
  }

  void save_parameters(std::vector<Tensor>& tensors) { to_tensors(parameters_, "", tensors); }
  void load_parameters(const std::vector<Tensor>& tensors) {
    from_tensors(tensors, "", parameters_);
    parameters_changed();
  }

  void save_normalisers(std::vector<Tensor>& tensors) {
    for (const auto& [name, normaliser] : normalisers()) {
      std::vector<float> counts, mean, variance;
      normaliser->read(backend_, counts, mean, variance);
      const std::int64_t features = normaliser->observations();
      tensors.push_back(make_tensor(name + "_count", {features}, counts));
      tensors.push_back(make_tensor(name + "_mean", {features}, mean));
      tensors.push_back(make_tensor(name + "_variance", {features}, variance));
    }
  }
  void load_normalisers(const std::vector<Tensor>& tensors) {
    for (const auto& [name, normaliser] : normalisers()) {
      const auto count = static_cast<std::size_t>(normaliser->observations());
      normaliser->write(backend_, floats_of(tensors, name + "_count", count), floats_of(tensors, name + "_mean", count),
                        floats_of(tensors, name + "_variance", count));
    }
  }

  /// Fills in what of the policy is learned.
  void read_policy(Policy& policy) {
    policy.actor.activation = settings_.activation;
    const std::vector<float> values = downloaded(parameters_);
    policy.actor.layers = actor_->read(values.data());
    policy.log_std.assign(values.begin(), values.begin() + actions_);
    std::vector<float> counts;
    normaliser_.read(backend_, counts, policy.observation_mean, policy.observation_variance);
    policy.observation_clip = normaliser_.clip();
  }

  /// What lies as the parameters do on the host, as layers: actor, critic, log standard deviations.
  void as_layers(const std::vector<float>& values, std::vector<DenseLayer>& actor, std::vector<DenseLayer>& critic,
                 std::vector<float>& log_std) const {
    actor = actor_->read(values.data());
    if (critic_) critic = critic_->read(values.data());
    log_std.assign(values.begin(), values.begin() + actions_);
  }

 private:
  struct NamedNormaliser {
    std::string name;
    Normaliser* normaliser;
  };
  std::vector<NamedNormaliser> normalisers() {
    std::vector<NamedNormaliser> all = {{"observation", &normaliser_}};
    if (critic_normaliser_) all.push_back({"critic_observation", critic_normaliser_.get()});
    return all;
  }

  std::vector<float> downloaded(const Buffer<float>& from) {
    std::vector<float> values(static_cast<std::size_t>(size_));
    backend_.download(from, values.data(), size_);
    return values;
  }

  void begin_at(const float* observation, Normaliser& normaliser) {
    const Index features = normaliser.observations();
    backend_.launch(padded(features), CopyElements{observation, normaliser.mean()});
    backend_.communicator().broadcast(backend_, normaliser.mean(), features, Exchange::kMoments);
  }

  void merge(const float* observation, Normaliser& normaliser, Index rows, Index envs, Index stride) {
    const Index features = normaliser.observations();
    backend_.template sum<2>(rows, static_cast<int>(features),
                             ObservationMoments{observation, normaliser.mean(), features, envs, stride}, sums_.data());
    Communicator<Backend>& all = backend_.communicator();
    all.sum(backend_, sums_.data(), 2 * features, Exchange::kMoments);
    const auto samples = static_cast<float>(rows / stride * envs * all.ranks());
    backend_.launch(padded(features),
                    MergeObservationMoments{sums_.data(), samples, normaliser.counts(), normaliser.mean(),
                                            normaliser.variance(), normaliser.inverse()});
  }

  const float* normalised(const Context& context, Range range, const float* observation, Normaliser& normaliser,
                          typename Backend::Scratch& scratch) {
    float* rows = scratch.at(context);
    normaliser.apply(context, observation + range.begin * normaliser.observations(), nullptr, range.size(), rows);
    return rows;
  }

  Backend& backend_;
  NetworkSettings settings_;
  int actions_;
  Index size_ = 0;
  Normaliser normaliser_;
  std::unique_ptr<Normaliser> critic_normaliser_;  ///< where the critic sees something else
  std::unique_ptr<Mlp> actor_, critic_;
  typename Backend::Scratch rows_, critic_rows_;
  Buffer<float> parameters_, sums_;
};

}  // namespace stampede
