#pragma once
/// \file Proximal policy optimisation (Schulman et al., 2017) and its older relatives, which differ in the estimator of
/// the advantage and in the surrogate (docs/algorithms.md): the update from a rollout.
///
/// An update makes `epochs` passes over the rollout in shuffled minibatches; for each: gather, networks forward, loss
/// (kernels/ppo.hpp), networks backward, clip, Adam. The sequence of launches is always the same; what varies lies in
/// `Control` on the device.

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/learn/algorithm.hpp"
#include "host/learn/gradient_sums.hpp"
#include "host/learn/minibatches.hpp"
#include "host/learn/options.hpp"
#include "kernels/returns.hpp"

namespace stampede {

template <class Backend>
class Ppo final : public Algorithm<Backend> {
  using Base = Algorithm<Backend>;
  using Base::backend_, Base::settings_, Base::shape_, Base::networks_, Base::optimiser_, Base::control_;

 public:
  using Context = typename Backend::Context;
  using Mirror = MirrorBuffer<Backend>;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  /// Learns from the rollouts of all ranks that the backend's communicator connects. All rollouts have the same shape.
  Ppo(Backend& backend, const TrainingRequest& request, const RolloutShape& shape)
      : Base(backend, request, shape, estimator_of(request.algorithm).use_values,
             Minibatches<Backend>::most_samples(shape, request.algorithm)),
        normalise_values_(request.network.normalise_values),
        estimator_(estimator_of(request.algorithm)),
        actions_(request.task->action.size()),
        minibatches_(backend, shape, networks_.window(), request.algorithm, request.seed,
                     static_cast<std::uint32_t>(request.rank.index)),
        gradient_(backend, networks_, minibatches_.most()) {
    const auto floats = [&](Index count) { return backend.template make_buffer<float>(count); };
    if (const MirrorSpec& images = request.task->mirror; images.present()) {
      if (networks_.states() > 0) {
        throw Error(
            "symmetry.mirror = true: what network.modules carry from step to step has no mirror image; set it to "
            "false");
      }
      const Index first = request.rank.first_environment(shape.envs);
      mirror_ = Mirror(backend, images.policy, first);
      if (networks_.critic_sees_more()) critic_mirror_ = Mirror(backend, images.critic, first);
      action_mirror_ = Mirror(backend, images.action, first);
    }
    advantage_sums_ = floats(2 * minibatches_.count());
    advantage_scale_ = backend.template make_buffer<AdvantageScale>(1);
    means_ = floats(2);
    return_sums_ = floats(WriteReport::kOwnNumbers);
    networks_.reserve_for_learning(gradient_.tiles());
  }

  /// [returns, advantages][sum, sum of squares]: over all ranks' rollouts, of the differences from their means.
  const float* own_numbers() override { return return_sums_.data(); }
  double update_flops() const override {
    return networks_.training_flops() * static_cast<double>(shape_.samples()) * settings_.epochs;
  }

  void judge(const Context& context, Range environments, Rollout<Backend>& rollout) override {
    context.launch(environments, advantages(rollout, nullptr));
  }
  void judge(Rollout<Backend>& rollout, const float* soft_terminations) override {
    backend_.launch(shape_.stride, advantages(rollout, soft_terminations));
  }

  void update(Rollout<Backend>& rollout) override { update(rollout.view()); }

  void update(const RolloutView& rollout) {
    Communicator<Backend>& all = backend_.communicator();
    const float count = of_all_ranks(shape_.samples());
    ReturnSums sums{rollout.returns, rollout.advantage, nullptr, shape_.envs, shape_.stride};
    backend_.template sum<1>(shape_.rows(), 2, sums, return_sums_.data());
    all.sum(backend_, return_sums_.data(), 2, Exchange::kMoments);
    backend_.launch_single(ReturnMeans{return_sums_.data(), count, means_.data()});
    sums.centre = means_.data();
    backend_.template sum<2>(shape_.rows(), 2, sums, return_sums_.data());
    all.sum(backend_, return_sums_.data(), 4, Exchange::kMoments);
    if (networks_.has_critic() && normalise_values_) {
      const Dense<Backend>& critic = networks_.critic_head();
      backend_.launch_single(MergeReturnMoments{control_.data(), means_.data(), return_sums_.data(), count,
                                                networks_.parameters() + critic.head_weight(),
                                                networks_.parameters() + critic.head_bias(), critic.head_inputs()});
      networks_.critic_changed();
    }
    for (int epoch = 0; epoch < settings_.epochs; ++epoch) {
      minibatches_.shuffle(pass_of(epoch));
      sum_advantages(rollout, minibatches_.order(), minibatches_.split());
      minibatches_.for_each([&](const Minibatch& minibatch) {
        compute_gradient(rollout, minibatch, epoch);
        if (prepares_at_once()) {
          optimiser_.take(gradient_.total(), control_.data());
        } else {
          optimiser_.step(gradient_.total(), gradient_.sums(), control_.data());
        }
      });
    }
  }

  /// The moments of the advantages of each of a pass's minibatches, on all ranks, where advantages are normalised. They
  /// depend on the rollout and the order alone, so all are computed before the first minibatch is learned from.
  void sum_advantages(const RolloutView& rollout, const std::uint32_t* order, const Split& split) {
    if (!settings_.normalise_advantages) return;
    const int columns = static_cast<int>(split.minibatches);
    backend_.template sum_each<2>(split.most(), columns,
                                  AdvantageMoments{rollout.advantage, order, means_.data() + 1, split},
                                  advantage_sums_.data());
    backend_.communicator().sum(backend_, advantage_sums_.data(), 2 * columns, Exchange::kMoments);
  }

  /// Loss and gradient of a minibatch, on each rank of rows of its rollout, window after window where the networks have
  /// a state. sum_advantages() was called for its pass, whose index is `epoch`. With prepares_at_once() the optimiser's
  /// step is prepared too.
  void compute_gradient(const RolloutView& rollout, const Minibatch& minibatch, int epoch) {
    const std::uint32_t* const order = minibatch.order;
    const Index count = minibatch.count;
    const ScaleAdvantages scale{advantage_sums_.data() + 2 * minibatch.index, means_.data() + 1, of_all_ranks(count),
                                advantage_scale_.data()};
    const Pass pass = pass_of(epoch);
    if (networks_.learns_at_once()) {
      StepPreparation preparation{};
      if (prepares_at_once()) preparation = optimiser_.preparation(gradient_.sums(), control_.data());
      // Each rank takes its share of the entropy's gradient, which does not depend on samples.
      const float entropy = settings_.entropy_coefficient / static_cast<float>(backend_.communicator().ranks());
      const PpoLoss loss = loss_of(rollout, order, count, pass);
      backend_.for_samples(count, gradient_.tiles(), [&](const Context& context, Range range) {
        networks_.learn(context, rollout.seen(), order, range.size(), mirror_.in_pass(pass),
                        critic_mirror_.in_pass(pass), loss, scale, entropy, preparation, gradient_.tiles(),
                        gradient_.sums());
      });
      gradient_.add_ranks();
    } else {
      if (settings_.normalise_advantages) backend_.launch_single(scale);
      backend_.for_samples(count, gradient_.tiles(), [&](const Context& context, Range range) {
        add_tile(context, range, rollout, order, count, pass);
      });
      gradient_.collect(count, settings_.entropy_coefficient);
    }
  }

  void list_metrics(ReportReader& metrics, double samples) override {
    using W = WriteReport;
    using enum Reduce;
    const auto number = [](int entry) {
      return [entry](const float* row, int) { return static_cast<double>(row[entry]); };
    };
    const auto variance = [n = samples](double sum, double squares) { return squares / n - (sum / n) * (sum / n); };
    metrics.add({.name = "policy_loss", .tag = "loss/policy", .must_be_finite = true}, number(W::kPolicy));
    metrics.add({.name = "value_loss", .tag = "loss/value", .must_be_finite = true}, number(W::kValue));
    metrics.add({.name = "entropy", .tag = "loss/entropy", .unit = "nat", .reduce = kLast, .must_be_finite = true},
                [this](const float* row, int) {
                  return static_cast<double>(row[W::kLogStd]) + static_cast<double>(actions_) * (kLogSqrtTwoPi + 0.5);
                });
    metrics.add({.name = "kl", .tag = "update/kl", .unit = "nat"}, number(W::kDivergence));
    metrics.add({.name = "clip_fraction", .tag = "update/clip_fraction", .unit = "share"}, number(W::kClip));
    metrics.add({.name = "gradient_norm", .tag = "update/gradient_norm", .must_be_finite = true}, number(W::kNorm));
    metrics.add({.name = "learning_rate", .tag = "update/learning_rate", .reduce = kLast}, number(W::kRate));
    metrics.add({.name = "action_std", .tag = "policy/action_std", .unit = "half ranges", .reduce = kLast},
                number(W::kStd));
    metrics.add({.name = "explained_variance", .tag = "update/explained_variance", .unit = "share"},
                [this, variance](const float* row, int) {
                  const double spread = variance(row[W::kOwn], row[W::kOwn + 1]);
                  if (!networks_.has_critic() || !(spread > 0)) return 0.0;
                  return 1.0 - variance(row[W::kOwn + 2], row[W::kOwn + 3]) / spread;
                });
  }

  /// The gradient that compute_gradient left, by the parameters' names: the actor's, the critic's, the log standard
  /// deviations'.
  std::vector<Parameter> read_gradient() {
    backend_.synchronise();
    return networks_.store().read(gradient_.tiles().read(backend_).data());
  }

 private:
  Advantages advantages(Rollout<Backend>& rollout, const float* soft_terminations) const {
    return {rollout.reward.data(),
            rollout.ended.data(),
            rollout.value.data(),
            rollout.final_value.data(),
            soft_terminations,
            rollout.advantage.data(),
            rollout.returns.data(),
            static_cast<int>(shape_.horizon),
            shape_.stride,
            settings_.gamma,
            estimator_.lambda,
            estimator_.use_values,
            static_cast<int>(rollout.final_steps)};
  }

  /// Whether the launches that make a minibatch's gradient also prepare the optimiser's step: where the gradient is
  /// not that of several ranks, which is there only once theirs are added.
  bool prepares_at_once() { return networks_.learns_at_once() && backend_.communicator().ranks() == 1; }

  /// What sums over all ranks are divided by: `count` samples of this rank, times the number of ranks.
  float of_all_ranks(Index count) const { return static_cast<float>(count * backend_.communicator().ranks()); }

  Pass pass_of(int epoch) {
    return {control_.data(), static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(settings_.epochs)};
  }

  /// The loss of a minibatch of `count` samples, with all but the networks' outputs and the place of its columns.
  PpoLoss loss_of(const RolloutView& rollout, const std::uint32_t* order, Index count, const Pass& pass) {
    PpoLoss loss{};
    loss.order = order;
    loss.rows = count;
    loss.actions = actions_;
    loss.output = rollout.output;
    loss.old_mean = rollout.mean;
    loss.old_log_std = rollout.log_std;
    loss.log_prob = rollout.log_prob;
    loss.advantage = rollout.advantage;
    loss.returns = rollout.returns;
    loss.value = rollout.value;
    loss.log_std = networks_.log_std();
    loss.control = control_.data();
    loss.advantage_scale = settings_.normalise_advantages ? advantage_scale_.data() : nullptr;
    loss.count = of_all_ranks(count);
    loss.surrogate = surrogate_of(settings_.surrogate);
    loss.clip_ratio = settings_.clip_ratio;
    loss.value_coefficient = settings_.value_coefficient;
    loss.clip_value = settings_.clip_value;
    loss.mirror = action_mirror_.in_pass(pass);
    return loss;
  }

  /// Gather, forward, loss, backward for one tile of a minibatch.
  void add_tile(const Context& context, Range range, const RolloutView& rollout, const std::uint32_t* order,
                Index count, const Pass& pass) {
    const Index rows = range.size();
    networks_.gather(context, rollout.seen(), order + range.begin, rows, mirror_.in_pass(pass),
                     critic_mirror_.in_pass(pass));
    PpoLoss loss = loss_of(rollout, order, count, pass);
    loss.order = order + range.begin;
    loss.rows = rows;
    loss.mean = networks_.actor_output(context, rows);
    loss.mean_gradient = networks_.mean_gradient(context);
    loss.mean_stride = networks_.mean_stride();
    if (networks_.has_critic()) {
      loss.critic = networks_.critic_output(context, rows);
      loss.critic_gradient = networks_.critic_gradient(context);
      loss.critic_stride = networks_.critic_stride();
    }
    loss.columns = gradient_.columns(range.begin);
    loss.column_stride = gradient_.column_stride();
    context.launch({0, rows}, loss);
    fetch_tile(context, rollout, order + range.end, std::min(rows, count - range.end));
    networks_.backward(context, rows, gradient_.tiles().of(context));
  }

  /// Prefetches what the next tile will gather: its rows are scattered over the rollout, and the backward pass, which
  /// comes next, takes long enough to load them.
  void fetch_tile(const Context& context, const RolloutView& rollout, const std::uint32_t* order, Index rows) {
    context.fetch_rows(rollout.observation, networks_.normaliser().observations(), order, rows);
    if (networks_.critic_sees_more()) {
      context.fetch_rows(rollout.privileged_observation, networks_.critic_normaliser().observations(), order, rows);
    }
    context.fetch_rows(rollout.output, actions_, order, rows);
    context.fetch_rows(rollout.mean, actions_, order, rows);
    for (const float* column : {rollout.log_prob, rollout.advantage, rollout.returns, rollout.value}) {
      context.fetch_rows(column, 1, order, rows);
    }
  }

  bool normalise_values_;
  Estimator estimator_;
  int actions_;
  Minibatches<Backend> minibatches_;
  GradientSums<Backend> gradient_;
  Buffer<float> advantage_sums_, means_, return_sums_;
  Buffer<AdvantageScale> advantage_scale_;
  Mirror mirror_, critic_mirror_, action_mirror_;
};

}  // namespace stampede
