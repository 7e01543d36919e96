#pragma once
/// \file The learning half of the trainer: networks, normalisers, optimiser, and the update from a rollout.
///
/// An update makes `epochs` passes over the rollout in shuffled minibatches; for each: gather, networks forward, loss
/// (kernels/ppo.hpp), networks backward, clip, Adam (kernels/adam.hpp). It is a fixed sequence of launches; what varies lies in
/// `Control` on the device.

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/engine.hpp"
#include "host/learn/options.hpp"
#include "host/nets/initialise.hpp"
#include "host/nets/networks.hpp"
#include "kernels/adam.hpp"

namespace stampede {

/// Extent of a rollout. Its arrays are [horizon][stride], and only the first `envs` of each row count.
struct RolloutShape {
  Index envs, stride, horizon;
  Index samples() const { return envs * horizon; }
  Index rows() const { return stride * horizon; }
};

/// What the update reads of a rollout, on the device.
struct RolloutView {
  const float* observation;         ///< [horizon][stride][observations]
  const float* critic_observation;  ///< the critic's own; null where it sees the policy's
  const float* output;              ///< [horizon][stride][actions]: the actions as drawn, before scaling
  const float* mean;                ///< [horizon][stride][actions]: of the policy that drew them
  const float* log_std;             ///< [actions]: of the same
  const float* log_prob;
  const float* value;
  const float* advantage;
  const float* returns;
};

template <class Backend>
class Learner {
 public:
  using Context = typename Backend::Context;
  using Mlp = typename Backend::Mlp;
  using Normaliser = ObservationNormaliser<Backend>;
  using Mirror = MirrorBuffer<Backend>;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  Learner(Backend& backend, const TrainingRequest& request, const RolloutShape& shape)
      : backend_(backend),
        algorithm_(request.algorithm),
        network_(request.network),
        seed_(request.seed),
        iterations_(request.train.iterations),
        estimator_(estimator_of(request.algorithm)),
        shape_(shape),
        actions_(request.task->action.size()),
        minibatches_(minibatches_of(shape.samples(), request.algorithm.minibatch)),
        minibatch_((shape.samples() + minibatches_ - 1) / minibatches_),
        normaliser_(backend, request.task->policy().size(),
                    network_.normalise_observations ? kObservationClip : std::numeric_limits<float>::max()) {
    const int observations = request.task->policy().size(), actions = actions_;
    const int of_critic = request.task->critic_size(), critic_inputs = of_critic > 0 ? of_critic : observations;
    const Activation activation = activation_of(network_.activation);
    const Index most_rows = std::max(shape.stride, padded(minibatch_));
    const std::vector<int> actor_sizes = layer_sizes(observations, network_.actor, actions);
    const std::vector<int> critic_sizes = layer_sizes(critic_inputs, network_.critic, 1);
    // Parameters: the log standard deviations, the actor, the critic.
    Index next = padded(actions);
    actor_ = std::make_unique<Mlp>(backend, actor_sizes, activation, next, most_rows);
    next = actor_->parameters().end;
    if (estimator_.use_values) {
      critic_ = std::make_unique<Mlp>(backend, critic_sizes, activation, next, most_rows);
      next = critic_->parameters().end;
    }
    size_ = next;
    for (auto& [name, buffer] : parameter_sets()) *buffer = backend.template make_buffer<float>(size_);
    gradient_ = typename Backend::Gradient(backend, size_, minibatch_);
    rows_ = typename Backend::Scratch(backend, most_rows, normaliser_.stride());
    if (critic_ && of_critic > 0) {
      critic_normaliser_ = std::make_unique<Normaliser>(backend, critic_inputs, normaliser_.clip());
      critic_rows_ = typename Backend::Scratch(backend, most_rows, critic_normaliser_->stride());
    }
    if (request.task->mirror.present()) {
      const MirrorSpec& images = request.task->mirror;
      mirror_ = Mirror(backend, images.policy);
      if (critic_normaliser_) critic_mirror_ = Mirror(backend, images.critic);
      action_mirror_ = Mirror(backend, images.action);
    }
    order_ = backend.template make_buffer<std::uint32_t>(shape.samples());
    column_stride_ = padded(minibatch_);
    columns_ = floats((kLossColumns + actions) * column_stride_);
    const int most_observations = std::max(observations, critic_inputs);
    sums_ = floats(padded(2 * most_observations + kLossColumns + actions));
    advantage_sums_ = floats(2);
    advantage_scale_ = backend.template make_buffer<AdvantageScale>(1);
    means_ = floats(2);
    return_sums_ = floats(4);
    squared_norm_ = floats(1);
    control_ = backend.template make_buffer<Control>(1);
    backend.reserve_sums(std::max(most_observations, kLossColumns + actions));

    std::vector<float> values(static_cast<std::size_t>(size_), 0.0f);
    std::fill_n(values.begin(), actions, std::log(network_.initial_std));
    actor_->write(initial_network(actor_sizes, 0.01, seed_, 0), values.data());
    if (critic_) critic_->write(initial_network(critic_sizes, 1.0, seed_, 1), values.data());
    backend.upload(parameters_, values.data(), size_);
    Control control{};
    control.learning_rate = algorithm_.learning_rate;
    control.beta1_power = control.beta2_power = 1.0f;
    control.values = {0.0f, 0.0f, 1.0f};
    backend.upload(control_, &control, 1);
    weights_changed();
  }

  const Estimator& estimator() const { return estimator_; }
  Control* control() { return control_.data(); }
  const float* log_std() { return parameters_.data(); }
  /// [2][2]: sum and sum of squares of the returns and of the advantages, about their means in the rollout.
  const float* return_sums() { return return_sums_.data(); }

  /// Operations of one update's dense layers.
  double update_flops() const {
    const double sample = actor_->training_flops() + (critic_ ? critic_->training_flops() : 0.0);
    return sample * static_cast<double>(shape_.samples()) * algorithm_.epochs;
  }

  // ------------------------------------------------------------------------------------------ inference

  /// The network's output for the observations of a range's environments; the row of environment e is e - range.begin.
  /// Valid until the next call on the same context.
  const float* mean(const Context& context, Range range, const float* observation) {
    return actor_->forward(context, parameters_.data(), normalised(context, range, observation, normaliser_),
                           normaliser_.stride(), range.size());
  }
  Index mean_stride() const { return actor_->output_stride(); }

  /// Stores the values of what the critic sees of a range's environments. Does nothing where no values are learned.
  void estimate(const Context& context, Range range, const float* observation, float* value) {
    if (!critic_) return;
    Normaliser& normaliser = of_critic();
    const float* output =
        critic_->forward(context, parameters_.data(), normalised(context, range, observation, normaliser),
                         normaliser.stride(), range.size());
    context.launch(range, StoreValues{output, critic_->output_stride(), range.begin, control_.data(), value});
  }
  bool has_critic() const { return critic_ != nullptr; }

  // ------------------------------------------------------------------------------------------ learning

  void begin_iteration() {
    backend_.launch_single(BeginIteration{control_.data(), schedule_of(algorithm_.schedule), algorithm_.learning_rate,
                                          static_cast<float>(iterations_)});
  }

  void update(const RolloutView& rollout) {
    const auto count = static_cast<float>(shape_.samples());
    ReturnSums sums{rollout.returns, rollout.advantage, nullptr, shape_.envs, shape_.stride};
    backend_.template sum<1>(shape_.rows(), 2, sums, return_sums_.data());
    backend_.launch_single(ReturnMeans{return_sums_.data(), count, means_.data()});
    sums.centre = means_.data();
    backend_.template sum<2>(shape_.rows(), 2, sums, return_sums_.data());
    if (critic_ && network_.normalise_values) {
      backend_.launch_single(MergeReturnMoments{control_.data(), means_.data(), return_sums_.data(), count,
                                                parameters_.data() + critic_->head_weight(),
                                                parameters_.data() + critic_->head_bias(), critic_->head_inputs()});
      critic_->weights_changed(backend_, parameters_.data());
    }
    const Index samples = shape_.samples();
    for (int epoch = 0; epoch < algorithm_.epochs; ++epoch) {
      backend_.launch(padded(samples), Shuffle{order_.data(), static_cast<std::uint32_t>(samples),
                                               static_cast<std::uint32_t>(shape_.envs),
                                               static_cast<std::uint32_t>(shape_.stride), seed_, pass_of(epoch)});
      for (Index i = 0; i < minibatches_; ++i) {
        const Index begin = i * samples / minibatches_, end = (i + 1) * samples / minibatches_;
        compute_gradient(rollout, order_.data() + begin, end - begin, epoch);
        step();
      }
    }
  }

  /// Loss and gradient of the minibatch of the rollout's rows that `order` names, in the pass of that index over it.
  void compute_gradient(const RolloutView& rollout, const std::uint32_t* order, Index count, int epoch) {
    if (algorithm_.normalise_advantages) {
      backend_.template sum<2>(count, 1, AdvantageMoments{rollout.advantage, order, means_.data() + 1},
                               advantage_sums_.data());
      backend_.launch_single(ScaleAdvantages{advantage_sums_.data(), means_.data() + 1, static_cast<float>(count),
                                             advantage_scale_.data()});
    }
    backend_.for_samples(count, gradient_, [&](const Context& context, Range range) {
      add_tile(context, range, rollout, order, count, pass_of(epoch));
    });
    gradient_.collect(backend_, count);
    backend_.template sum<1>(count, kLossColumns + actions_, ColumnValues{columns_.data(), column_stride_},
                             sums_.data());
    backend_.launch_single(LogStdGradient{sums_.data(), gradient_.total(), actions_, algorithm_.entropy_coefficient});
  }

  /// Takes the rollout's observations into the normalisers. The critic's are null where it sees the policy's.
  void merge_observations(const float* observation, const float* critic_observation) {
    if (!network_.normalise_observations) return;
    merge(observation, normaliser_, actor_->inputs());
    if (critic_normaliser_) merge(critic_observation, *critic_normaliser_, critic_->inputs());
  }

  void end_iteration() {
    backend_.launch_single(EndIteration{control_.data(), static_cast<std::uint32_t>(shape_.horizon)});
  }

  // ------------------------------------------------------------------------------------------ on the host

  /// A copy of the device's counters; `set_control` replaces them.
  Control read_control() {
    Control control;
    backend_.download(control_, &control, 1);
    return control;
  }
  void set_control(const Control& control) { backend_.upload(control_, &control, 1); }

  void save(std::vector<Tensor>& tensors) {
    for (auto& [name, buffer] : parameter_sets()) {
      const std::vector<float> values = downloaded(*buffer);
      append_layers(tensors, name + "actor", actor_->read(values.data()));
      if (critic_) append_layers(tensors, name + "critic", critic_->read(values.data()));
      tensors.push_back(make_tensor(name + "log_std", {actions_}, values.data(), Tensor::Type::kF32));
    }
    for (const auto& [name, normaliser, features] : normalisers()) {
      std::vector<float> counts, mean, variance;
      normaliser->read(backend_, counts, mean, variance);
      tensors.push_back(make_tensor(name + "_count", {features}, counts));
      tensors.push_back(make_tensor(name + "_mean", {features}, mean));
      tensors.push_back(make_tensor(name + "_variance", {features}, variance));
    }
    const Control control = read_control();
    tensors.push_back(make_tensor("control", {sizeof(Control) / 4}, &control, Tensor::Type::kU32));
  }

  void load(const std::vector<Tensor>& tensors) {
    for (auto& [name, buffer] : parameter_sets()) {
      std::vector<float> values(static_cast<std::size_t>(size_), 0.0f);
      actor_->write(find_layers(tensors, name + "actor", actor_->read(values.data())), values.data());
      if (critic_) critic_->write(find_layers(tensors, name + "critic", critic_->read(values.data())), values.data());
      const auto log_std = floats_of(tensors, name + "log_std", static_cast<std::size_t>(actions_));
      std::copy(log_std.begin(), log_std.end(), values.begin());
      backend_.upload(*buffer, values.data(), size_);
    }
    for (const auto& [name, normaliser, features] : normalisers()) {
      const auto count = static_cast<std::size_t>(features);
      normaliser->write(backend_, floats_of(tensors, name + "_count", count), floats_of(tensors, name + "_mean", count),
                        floats_of(tensors, name + "_variance", count));
    }
    const auto words = tensor_values<std::uint32_t>(tensors, "control", Tensor::Type::kU32, sizeof(Control) / 4);
    Control control;
    std::memcpy(&control, words.data(), sizeof control);
    set_control(control);
    weights_changed();
  }

  /// Fills in what of the policy is learned.
  void read_policy(Policy& policy) {
    policy.actor.activation = network_.activation;
    const std::vector<float> values = downloaded(parameters_);
    policy.actor.layers = actor_->read(values.data());
    policy.log_std.assign(values.begin(), values.begin() + actions_);
    std::vector<float> counts;
    normaliser_.read(backend_, counts, policy.observation_mean, policy.observation_variance);
    policy.observation_clip = normaliser_.clip();
  }

  /// The gradient that compute_gradient left, as layers: actor, critic, log standard deviations.
  void read_gradient(std::vector<DenseLayer>& actor, std::vector<DenseLayer>& critic, std::vector<float>& log_std) {
    backend_.synchronise();
    const std::vector<float> values = gradient_.read(backend_);
    actor = actor_->read(values.data());
    if (critic_) critic = critic_->read(values.data());
    log_std.assign(values.begin(), values.begin() + actions_);
  }

 private:
  Buffer<float> floats(Index count) { return backend_.template make_buffer<float>(count); }

  std::vector<float> downloaded(Buffer<float>& from) {
    std::vector<float> values(static_cast<std::size_t>(size_));
    backend_.download(from, values.data(), size_);
    return values;
  }

  std::vector<std::pair<std::string, Buffer<float>*>> parameter_sets() {
    return {{"", &parameters_}, {"adam_first.", &first_moment_}, {"adam_second.", &second_moment_}};
  }

  void weights_changed() {
    actor_->weights_changed(backend_, parameters_.data());
    if (critic_) critic_->weights_changed(backend_, parameters_.data());
  }

  Normaliser& of_critic() { return critic_normaliser_ ? *critic_normaliser_ : normaliser_; }
  struct NamedNormaliser {
    std::string name;
    Normaliser* normaliser;
    std::int64_t features;
  };
  std::vector<NamedNormaliser> normalisers() {
    std::vector<NamedNormaliser> all = {{"observation", &normaliser_, actor_->inputs()}};
    if (critic_normaliser_) all.push_back({"critic_observation", critic_normaliser_.get(), critic_->inputs()});
    return all;
  }

  void merge(const float* observation, Normaliser& normaliser, Index features) {
    backend_.template sum<2>(
        shape_.rows(), static_cast<int>(features),
        ObservationMoments{observation, normaliser.counts(), normaliser.mean(), features, shape_.envs, shape_.stride},
        sums_.data());
    backend_.launch(padded(features), MergeObservationMoments{sums_.data(), static_cast<float>(shape_.samples()),
                                                              observation, normaliser.counts(), normaliser.mean(),
                                                              normaliser.variance(), normaliser.inverse()});
  }

  const float* normalised(const Context& context, Range range, const float* observation, Normaliser& normaliser) {
    float* rows = &normaliser == &normaliser_ ? rows_.at(context) : critic_rows_.at(context);
    normaliser.apply(context, observation + range.begin * normaliser.observations(), nullptr, range.size(), rows);
    return rows;
  }

  Pass pass_of(int epoch) {
    return {control_.data(), static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(algorithm_.epochs)};
  }

  /// Gather, forward, loss, backward for one tile of a minibatch.
  void add_tile(const Context& context, Range range, const RolloutView& rollout, const std::uint32_t* order,
                Index count, const Pass& pass) {
    const Index rows = range.size(), stride = normaliser_.stride();
    float* input = rows_.at(context);
    float* critic_input = input;
    const float* parameters = parameters_.data();
    normaliser_.apply(context, rollout.observation, order + range.begin, rows, input, mirror_.in_pass(pass));
    PpoLoss loss{};
    loss.order = order + range.begin;
    loss.rows = rows;
    loss.actions = actions_;
    loss.output = rollout.output;
    loss.old_mean = rollout.mean;
    loss.old_log_std = rollout.log_std;
    loss.log_prob = rollout.log_prob;
    loss.advantage = rollout.advantage;
    loss.returns = rollout.returns;
    loss.value = rollout.value;
    loss.mean = actor_->forward(context, parameters, input, stride, rows);
    loss.mean_gradient = actor_->output_gradient(context);
    loss.mean_stride = actor_->output_stride();
    if (critic_) {
      if (critic_normaliser_) {
        critic_input = critic_rows_.at(context);
        critic_normaliser_->apply(context, rollout.critic_observation, order + range.begin, rows, critic_input,
                                  critic_mirror_.in_pass(pass));
      }
      loss.critic = critic_->forward(context, parameters, critic_input, of_critic().stride(), rows);
      loss.critic_gradient = critic_->output_gradient(context);
      loss.critic_stride = critic_->output_stride();
    }
    loss.log_std = parameters;
    loss.columns = columns_.data() + range.begin;
    loss.column_stride = column_stride_;
    loss.control = control_.data();
    loss.advantage_scale = algorithm_.normalise_advantages ? advantage_scale_.data() : nullptr;
    loss.count = static_cast<float>(count);
    loss.surrogate = surrogate_of(algorithm_.surrogate);
    loss.clip_ratio = algorithm_.clip_ratio;
    loss.value_coefficient = algorithm_.value_coefficient;
    loss.clip_value = algorithm_.clip_value;
    loss.mirror = action_mirror_.in_pass(pass);
    context.launch({0, rows}, loss);
    fetch_tile(context, rollout, order + range.end, std::min(rows, count - range.end));
    float* gradient = gradient_.of(context);
    actor_->backward(context, parameters, input, stride, rows, gradient);
    if (critic_) critic_->backward(context, parameters, critic_input, of_critic().stride(), rows, gradient);
  }

  /// Asks for what the next tile will gather: shuffled rows lie anywhere in memory, and the way backward takes long enough for them to come.
  void fetch_tile(const Context& context, const RolloutView& rollout, const std::uint32_t* order, Index rows) {
    context.fetch_rows(rollout.observation, normaliser_.observations(), order, rows);
    if (critic_normaliser_) {
      context.fetch_rows(rollout.critic_observation, critic_normaliser_->observations(), order, rows);
    }
    context.fetch_rows(rollout.output, actions_, order, rows);
    context.fetch_rows(rollout.mean, actions_, order, rows);
    for (const float* column : {rollout.log_prob, rollout.advantage, rollout.returns, rollout.value}) {
      context.fetch_rows(column, 1, order, rows);
    }
  }

  /// Clips the gradient and takes Adam's step.
  void step() {
    backend_.template sum<1>(size_, 1, Squares{gradient_.total()}, squared_norm_.data());
    backend_.launch_single(PrepareStep{control_.data(), sums_.data(), squared_norm_.data(),
                                       algorithm_.max_gradient_norm, schedule_of(algorithm_.schedule),
                                       algorithm_.target_kl});
    backend_.launch(size_, AdamStep{parameters_.data(), first_moment_.data(), second_moment_.data(), gradient_.total(),
                                    control_.data()});
    weights_changed();
  }

  Backend& backend_;
  AlgorithmSettings algorithm_;
  NetworkSettings network_;
  std::uint64_t seed_;
  int iterations_;
  Estimator estimator_;
  RolloutShape shape_;
  int actions_;
  Index minibatches_, minibatch_, size_ = 0, column_stride_ = 0;
  Normaliser normaliser_;
  std::unique_ptr<Normaliser> critic_normaliser_;  ///< where the critic sees something else
  std::unique_ptr<Mlp> actor_, critic_;
  typename Backend::Gradient gradient_;
  typename Backend::Scratch rows_, critic_rows_;
  Buffer<float> parameters_, first_moment_, second_moment_;
  Buffer<float> columns_, sums_, advantage_sums_, means_, return_sums_, squared_norm_;
  Buffer<AdvantageScale> advantage_scale_;
  Buffer<std::uint32_t> order_;
  Mirror mirror_, critic_mirror_, action_mirror_;
  Buffer<Control> control_;
};

}  // namespace stampede
