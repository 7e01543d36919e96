#pragma once
/// \file A policy and a critic on a device:
///
///     policy    normaliser -> network -> Gaussian    the network gives its means; the standard deviations are
///                                                    parameters that do not depend on the observation
///     critic    normaliser -> network -> value       the policy's normaliser, unless the critic has observations of
///                                                    its own
///
/// All parameters lie in one flat array (parameters.hpp). The networks run over ranges of environments while actions
/// are chosen, and over tiles, pieces of a minibatch, in an update. Everything is saved by name; arrays that are laid
/// out as the parameters are, such as a gradient or an optimiser's moments, pass through `to_tensors` and
/// `from_tensors` too.

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
#include "host/nets/network.hpp"
#include "host/nets/normaliser.hpp"
#include "host/nets/recurrence.hpp"

namespace stampede {

template <class Backend>
class ActorCritic {
 public:
  using Context = typename Backend::Context;
  using Normaliser = ObservationNormaliser<Backend>;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  /// `most_rows`: the largest number of samples in one pass; `horizon`: control steps of a rollout; `heads`: auxiliary
  /// ones of the actor. Throws Error where the settings' modules make no network, where one has a state and
  /// network.window does not divide the horizon, or where modules cannot learn in the precision that is asked for.
  ActorCritic(Backend& backend, const TaskSpec& task, const NetworkSettings& settings, std::uint64_t seed,
              bool with_critic, Index most_rows, Index horizon, const std::vector<AuxiliaryHead>& heads = {})
      : backend_(backend),
        settings_(settings),
        actions_(task.action.size()),
        normaliser_(backend, task.policy().size(),
                    settings.normalise_observations ? kObservationClip : std::numeric_limits<float>::max(),
                    task.policy().pixels()) {
    const int observations = task.policy().size(), of_critic = task.privileged_size();
    const int critic_inputs = of_critic > 0 ? of_critic : observations;
    actor_ =
        std::make_unique<Network<Backend>>(backend, plan(settings, "actor", settings.actor, task.policy(), actions_),
                                           observations, padded(actions_), most_rows, heads);
    size_ = actor_->place().end;
    if (with_critic) {
      const ObservationGroup& seen = of_critic > 0 ? *task.privileged() : task.policy();
      critic_ = std::make_unique<Network<Backend>>(backend, plan(settings, "critic", settings.critic, seen, 1),
                                                   critic_inputs, size_, most_rows);
      size_ = critic_->place().end;
    }
    store_.add("", actor_->store().places());
    store_.add("", actor_->head().head_parameters());
    if (critic_) store_.add("", critic_->store().places());
    store_.add("", {{"log_std", {actions_}, 0}});
    parameters_ = backend.template make_buffer<float>(size_);
    rows_ = typename Backend::Scratch(backend, most_rows, normaliser_.stride());
    if (critic_ && of_critic > 0) {
      critic_normaliser_ = std::make_unique<Normaliser>(backend, critic_inputs, normaliser_.clip());
      critic_rows_ = typename Backend::Scratch(backend, most_rows, critic_normaliser_->stride());
    }
    windows_ = Windows<Backend>(backend, states(), states() > 0 ? window_of(settings, horizon) : 1, most_rows);
    sums_ = backend.template make_buffer<float>(2 * padded(std::max(observations, critic_inputs)));
    backend.reserve_sums(std::max(observations, critic_inputs));

    std::vector<float> values(static_cast<std::size_t>(size_), 0.0f);
    std::fill_n(values.begin(), actions_, std::log(settings.initial_std));
    const double hidden = settings.initial_scale;
    actor_->initialise(seed, 0, {hidden, 0.01}, values.data());
    if (critic_) critic_->initialise(seed, 1, {hidden, 1.0}, values.data());
    backend.upload(parameters_, values.data(), size_);
    parameters_changed();
  }

  Index size() const { return size_; }
  int actions() const { return actions_; }
  float* parameters() { return parameters_.data(); }
  /// [actions]: logarithms of the Gaussian's standard deviations, in units of the network's output.
  const float* log_std() { return parameters_.data(); }
  bool has_critic() const { return critic_ != nullptr; }
  /// Whether the critic sees observations of its own.
  bool critic_sees_more() const { return critic_normaliser_ != nullptr; }
  Normaliser& normaliser() { return normaliser_; }
  Normaliser& critic_normaliser() { return critic_normaliser_ ? *critic_normaliser_ : normaliser_; }
  /// The dense layers at the end of the critic, which must be there.
  const Dense<Backend>& critic_head() const { return critic_->head(); }

  /// How many numbers the networks carry from step to step for each environment: the actor's, then the critic's, each a
  /// multiple of kMaxLanes. 0: they have no state.
  Index states() const { return actor_->states() + (critic_ ? critic_->states() : 0); }

  /// The most rows that `estimate` may take at once; a multiple of kMaxLanes.
  Index rows_at_once() const {
    constexpr Index kAny = Index{1} << 40;  // one launch needs no room for what lies between the layers
    return critic_ && critic_->runs_at_once() ? kAny : rows_.rows();
  }

  /// Control steps through which an update takes the gradient back (network.window); 1 where they have no state.
  Index window() const { return windows_.steps(); }

  /// To be called whenever parameters have changed, before the next pass.
  void parameters_changed() {
    actor_->parameters_changed(parameters_.data());
    critic_changed();
  }
  /// The same where only the critic's have changed.
  void critic_changed() {
    if (critic_) critic_->parameters_changed(parameters_.data());
  }

  /// Floating-point operations of both networks for one sample, forward and backward.
  double training_flops() const { return actor_->training_flops() + (critic_ ? critic_->training_flops() : 0.0); }

  // ------------------------------------------------------------------------------------------ inference

  /// The Gaussian's means for the observations of the environments in `range`; the row of environment e is
  /// e - range.begin, and rows are mean_stride() apart. Valid until the next call on the same context. `state`
  /// [environment][states()] is advanced by one step; null where the networks have none.
  const float* mean(const Context& context, Range range, const float* observation, float* state) {
    return actor_->forward(context, parameters_.data(), normalised(context, range, observation, normaliser_, rows_),
                           normaliser_.stride(), one_step(range, state, states(), true));
  }
  Index mean_stride() const { return actor_->output_stride(); }
  /// Runs a kernel on the environments in `range` that reads these means (Network::run). `state` as above.
  template <class Tail>
  void act(const Context& context, Range range, const float* observation, float* state, const Tail& tail) {
    actor_->run(context, parameters_.data(), rows_to_normalise(context, range, observation, normaliser_, rows_), range,
                one_step(range, state, states(), true), tail);
  }

  /// Writes the critic's values of the environments in `range`, in units of the returns, to `value` [environment]. Does
  /// nothing where there is no critic. `state` as above, but the critic's part of it is advanced only if `goes_on` is
  /// true. Without a state, environments may as well be any rows of which observations and values are arrays.
  void estimate(const Context& context, Range range, const float* observation, const Control* control, float* value,
                float* state, bool goes_on) {
    if (!critic_) return;
    float* own_state = state != nullptr ? state + actor_->states() : nullptr;
    critic_->run(
        context, parameters_.data(),
        rows_to_normalise(context, range, observation, critic_normaliser(), critic_normaliser_ ? critic_rows_ : rows_),
        range, one_step(range, own_state, states(), goes_on), StoreValues{nullptr, 0, 0, control, value});
  }

  // ------------------------------------------------------------------------------------------ a tile of samples
  //
  // A minibatch is learned from in tiles (Backend::for_samples). For each of them, to be called in this order: gather,
  // actor_output, critic_output, backward. What they return lies in scratch memory of the tile.

  /// Copies a tile's observations, normalised, and what is needed of the states into scratch memory. `order` [rows]
  /// names the samples by their rows in the rollout: complete windows of window() consecutive steps, one after the
  /// other. Rows that are due in this pass are copied as mirror images (kernels/mirror.hpp).
  void gather(const Context& context, const SeenRows& seen, const std::uint32_t* order, Index rows,
              const MirrorView& mirror = {}, const MirrorView& critic_mirror = {}) {
    normaliser_.apply(context, seen.observation, order, rows, rows_.at(context), mirror);
    if (critic_normaliser_) {
      critic_normaliser_->apply(context, seen.privileged_observation, order, rows, critic_rows_.at(context),
                                critic_mirror);
    }
    windows_.gather(context, seen, order, rows);
  }
  const float* actor_output(const Context& context, Index rows) {
    return actor_->forward(context, parameters_.data(), rows_.at(context), normaliser_.stride(),
                           windows_.sequences(context, rows, 0));
  }
  const float* critic_output(const Context& context, Index rows) {
    return critic_->forward(context, parameters_.data(), critic_input(context), critic_normaliser().stride(),
                            windows_.sequences(context, rows, actor_->states()));
  }
  Index critic_stride() const { return critic_->output_stride(); }
  /// Where the caller writes d loss / d output before `backward`; rows and strides as those of the outputs. Behind the
  /// means' columns lie those of the auxiliary heads, in the outputs as here.
  float* mean_gradient(const Context& context) { return actor_->output_gradient(context); }
  float* critic_gradient(const Context& context) { return critic_->output_gradient(context); }
  /// Adds both networks' gradients to `gradient`, which is laid out as the parameters, or overwrites it, as
  /// NetworkModule::backward says.
  void backward(const Context& context, Index rows, float* gradient) {
    actor_->backward(context, parameters_.data(), rows_.at(context), normaliser_.stride(),
                     windows_.sequences(context, rows, 0), gradient);
    if (!critic_) return;
    critic_->backward(context, parameters_.data(), critic_input(context), critic_normaliser().stride(),
                      windows_.sequences(context, rows, actor_->states()), gradient);
  }

  // ------------------------------------------------------------------------------------------ a whole minibatch

  /// Whether `learn` may be called, instead of what a tile of samples takes: on a GPU, where both networks are small.
  bool learns_at_once() const { return actor_->learns_at_once() && (!critic_ || critic_->learns_at_once()); }
  /// Makes room for `learn` in the gradient. Does nothing where `learn` may not be called.
  void reserve_for_learning(typename Backend::Gradient& gradient) {
    if constexpr (Backend::kNetworksInOneLaunch) {
      if (learns_at_once()) Backend::Mlp::reserve_for_learning(actor_->head().layers(), critic_layers(), gradient);
    }
  }
  /// Takes `rows` samples through both networks, `loss` (kernels/ppo.hpp) and back. The arguments are as of `gather`.
  /// Sets the whole gradient, and the sums of the loss's columns; `loss` has all but the networks' outputs and the
  /// columns' place. `scale`: what computes its advantages' scale, unless it has none; `entropy_coefficient` as of
  /// LogStdGradient; `preparation`: of the step that the gradient is for, which is then prepared too, if it is to be.
  template <class Loss, class Scale, class Preparation>
  void learn(const Context& context, const SeenRows& seen, const std::uint32_t* order, Index rows,
             const MirrorView& mirror, const MirrorView& critic_mirror, const Loss& loss, const Scale& scale,
             float entropy_coefficient, const Preparation& preparation, typename Backend::Gradient& gradient,
             float* sums) {
    if constexpr (Backend::kNetworksInOneLaunch) {
      typename Backend::Minibatch minibatch{};
      minibatch.input[0] = minibatch.input[1] = normaliser_.rows_of(seen.observation, order, nullptr, mirror);
      if (critic_normaliser_) {
        minibatch.input[1] = critic_normaliser_->rows_of(seen.privileged_observation, order, nullptr, critic_mirror);
      }
      minibatch.loss = loss;
      minibatch.scale = scale;
      minibatch.entropy_coefficient = entropy_coefficient;
      minibatch.samples = rows;
      minibatch.parameters = parameters_.data();
      minibatch.gradient = gradient.total();
      minibatch.parts = gradient.parts();
      minibatch.preparation = preparation;
      minibatch.squares = gradient.squares();
      minibatch.arrived = gradient.arrived();
      minibatch.sums = sums;
      Backend::Mlp::learn_at_once(context, actor_->head().layers(), critic_layers(), minibatch);
    }
  }

  // ------------------------------------------------------------------------------------------ normalisers

  /// To be called once, before the first `merge_observations`: the running means begin at the first observation of
  /// rank 0, unless the policy's were given (begin_with). Squares are summed about the running mean, and the nearer
  /// that is to the data, the more digits a float keeps.
  void begin_moments(const float* observation, const float* privileged_observation) {
    if (!settings_.normalise_observations) return;
    if (!moments_given_) begin_at(observation, normaliser_);
    if (critic_normaliser_) begin_at(privileged_observation, *critic_normaliser_);
  }

  /// Updates the normalisers, but for one that was given, with the observations of all ranks' rollouts. `rows` is
  /// horizon x `stride`; of the `stride` rows of a step the first `envs` count. `privileged_observation` is null where
  /// the critic sees the policy's.
  void merge_observations(const float* observation, const float* privileged_observation, Index rows, Index envs,
                          Index stride) {
    if (!settings_.normalise_observations) return;
    if (!moments_given_) merge(observation, normaliser_, rows, envs, stride);
    if (critic_normaliser_) merge(privileged_observation, *critic_normaliser_, rows, envs, stride);
  }

  // ------------------------------------------------------------------------------------------ on the host

  /// Appends an array that is laid out as the parameters are, as tensors: prefix + "actor.0.weight", ...,
  /// prefix + "log_std".
  void to_tensors(const Buffer<float>& from, const std::string& prefix, std::vector<Tensor>& tensors) {
    store_.to_tensors(downloaded(from).data(), prefix, tensors);
  }
  /// The reverse. Throws Error naming the tensor that is missing or of another size.
  void from_tensors(const std::vector<Tensor>& tensors, const std::string& prefix, Buffer<float>& to) {
    std::vector<float> values(static_cast<std::size_t>(size_), 0.0f);
    store_.from_tensors(tensors, prefix, values.data());
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

  /// Begins with a policy that has the same modules: with its parameters, standard deviations and normalisation of
  /// observations, which stays as it is. Throws Error where its modules or their sizes differ.
  void begin_with(const Policy& policy) {
    std::vector<float> values = downloaded(parameters_);
    actor_->write(policy.actor, values.data());
    backend_.upload(parameters_, values.data(), size_);
    parameters_changed();
    set_log_std(policy.log_std);
    keep_moments(policy.observation_mean, policy.observation_variance);
  }
  /// Normalises the policy's observations by these numbers from now on, whatever is seen.
  void keep_moments(const std::vector<float>& mean, const std::vector<float>& variance) {
    const std::vector<float> never_moves(mean.size(), kMostWeight);
    normaliser_.write(backend_, never_moves, mean, variance);
    moments_given_ = true;
  }
  /// `log_std` [actions()].
  void set_log_std(const std::vector<float>& log_std) { backend_.upload(parameters_, log_std.data(), actions_); }

  /// Fills in the learned parts of a policy: actor, standard deviations, normalisation of the observations.
  void read_policy(Policy& policy) {
    const std::vector<float> values = downloaded(parameters_);
    policy.actor = actor_->weights(values.data());
    policy.log_std.assign(values.begin(), values.begin() + actions_);
    std::vector<float> counts;
    normaliser_.read(backend_, counts, policy.observation_mean, policy.observation_variance);
    policy.observation_clip = normaliser_.clip();
  }

  /// Names, shapes and places of all parameters: the actor's, its auxiliary heads', the critic's, the log standard
  /// deviations.
  const ParameterStore& store() const { return store_; }

 private:
  /// A network for what it sees. Convolutions are for pictures: a critic that sees numbers has none.
  static std::vector<ModuleWeights> plan(const NetworkSettings& settings, const char* name,
                                         const std::vector<int>& hidden, const ObservationGroup& seen, int outputs) {
    if (settings.precision == "bf16" && settings.modules != std::vector<std::string>{kDenseModule}) {
      throw Error(
          "network.precision = \"bf16\" is for networks of dense layers alone; with other network.modules \"tf32\" or "
          "\"fp32\" would be right");
    }
    ModuleOptions options{settings.activation, hidden, settings.gru};
    options.image = seen.image();
    options.channels = settings.channels;
    options.kernels = settings.kernels;
    options.strides = settings.strides;
    std::vector<std::string> kinds;
    for (const std::string& kind : settings.modules) {
      const bool blind = seen.picture.empty() && seen.name != kPolicyGroup;
      if (kind != kConvolutionModule || !blind) kinds.push_back(kind);
    }
    return plan_network(kinds, name, options, outputs);
  }

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
    const Index pixels = normaliser.pixels(), features = normaliser.observations() - pixels;
    if (features == 0) return;
    float* const mean = normaliser.mean() + pixels;
    backend_.launch(padded(features), CopyElements{observation + pixels, mean});
    backend_.communicator().broadcast(backend_, mean, features, Exchange::kMoments);
  }

  void merge(const float* observation, Normaliser& normaliser, Index rows, Index envs, Index stride) {
    const Index pixels = normaliser.pixels(), features = normaliser.observations() - pixels;
    if (features == 0) return;
    backend_.template sum<2>(
        rows, static_cast<int>(features),
        ObservationMoments{observation + pixels, normaliser.mean() + pixels, normaliser.observations(), envs, stride},
        sums_.data());
    Communicator<Backend>& all = backend_.communicator();
    all.sum(backend_, sums_.data(), 2 * features, Exchange::kMoments);
    const auto samples = static_cast<float>(rows / stride * envs * all.ranks());
    backend_.launch(
        padded(features),
        MergeObservationMoments{sums_.data(), samples, normaliser.counts() + pixels, normaliser.mean() + pixels,
                                normaliser.variance() + pixels, normaliser.inverse() + pixels});
  }

  const typename Backend::Mlp* critic_layers() const { return critic_ ? &critic_->head().layers() : nullptr; }

  float* critic_input(const Context& context) {
    return critic_normaliser_ ? critic_rows_.at(context) : rows_.at(context);
  }

  NormaliseRows rows_to_normalise(const Context& context, Range range, const float* observation, Normaliser& normaliser,
                                  typename Backend::Scratch& scratch) {
    return normaliser.rows_of(observation + range.begin * normaliser.observations(), nullptr, scratch.at(context));
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
  bool moments_given_ = false;  ///< whether the policy's normaliser was given its moments
  Normaliser normaliser_;
  std::unique_ptr<Normaliser> critic_normaliser_;  ///< null where the critic sees the policy's observations
  std::unique_ptr<Network<Backend>> actor_, critic_;
  ParameterStore store_;
  typename Backend::Scratch rows_, critic_rows_;
  Windows<Backend> windows_;
  Buffer<float> parameters_, sums_;
};

}  // namespace stampede
