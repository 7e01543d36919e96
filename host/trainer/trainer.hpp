#pragma once
/// \file The one trainer: rollout, advantages, update, for every algorithm of the family and on every backend.
///
/// An iteration is a fixed sequence of launches on data that never leaves the device:
///
///     rollout    for each tile of environments, `horizon` times: normalise, actor, sample, critic, step;
///                then advantages (kernels/returns.hpp)
///     update     passes over the rollout in shuffled minibatches (learner.hpp)
///     report     some twenty numbers, copied asynchronously
///
/// Rollout storage is time-major: [step][environment][feature], one array a quantity.

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "envs/environments.hpp"
#include "host/trainer/learner.hpp"
#include "host/trainer/phase.hpp"
#include "kernels/returns.hpp"

namespace stampede {

/// Totals over the environments, for the report: episodes ended, their returns and lengths, non-finite states.
struct EnvironmentTotals {
  EnvironmentView view;
  template <class Real>
  STAMPEDE_FN void operator()(Index first, int column, Array<Real, 1>& out) const {
    const float* quantity = column == 0   ? view.finished
                            : column == 1 ? view.finished_return
                            : column == 2 ? view.finished_length
                                          : view.nonfinite;
    out[0] = load<Real>(quantity + first);
  }
};
inline constexpr int kEnvironmentTotals = 4;

/// Gathers what an iteration reports into one row of floats.
struct WriteReport {
  const Control* control;
  const float* totals;          ///< [kEnvironmentTotals]
  const float* return_moments;  ///< [2][2]
  const float* log_std;
  int actions;
  float* report;

  enum Entry : int {
    kEpisodes,
    kReturns,
    kLengths,
    kNonfinite,
    kPolicy,
    kValue,
    kDivergence,
    kClip,
    kNorm,
    kRate,
    kStd,
    kLogStd,
    kReturnSum,
    kReturnSquares,
    kAdvantageSum,
    kAdvantageSquares,
    kEntries
  };

  STAMPEDE_FN void operator()() const {
    const Control& c = *control;
    const float share = 1.0f / c.minibatches;
    for (int i = 0; i < kEnvironmentTotals; ++i) report[kEpisodes + i] = totals[i];
    report[kPolicy] = c.policy_loss * share;
    report[kValue] = c.value_loss * share;
    report[kDivergence] = c.kl * share;
    report[kClip] = c.clip_fraction * share;
    report[kNorm] = c.gradient_norm * share;
    report[kRate] = c.learning_rate;
    float deviation = 0.0f, logarithm = 0.0f;
    for (int a = 0; a < actions; ++a) {
      deviation += exp(log_std[a]);
      logarithm += log_std[a];
    }
    report[kStd] = deviation / static_cast<float>(actions);
    report[kLogStd] = logarithm;
    for (int i = 0; i < 4; ++i) report[kReturnSum + i] = return_moments[i];
  }
};

template <class Backend>
class PolicyTrainer final : public Trainer {
 public:
  using Context = typename Backend::Context;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  /// The backend is the trainer's own, as recordings, time stamps and reports belong to one training. Throws Error where
  /// the task is unknown.
  PolicyTrainer(std::unique_ptr<Backend> backend, const Settings& settings, bool timing)
      : owned_(std::move(backend)),
        backend_(*owned_),
        settings_(settings),
        environments_(make_environments(backend_, settings.task, settings.train.num_envs, settings.environment)) {
    if (!environments_) throw Error("task '" + settings.task + "' is unknown to this engine");
    shape_ = {environments_->count(), environments_->stride(), settings.train.horizon};
    observations_ = environments_->observations();
    actions_ = environments_->actions();
    check_sizes();
    backend_.set_timing(timing);

    const auto floats = [&](Index count) { return backend_.template make_buffer<float>(count); };
    const Index rows = shape_.rows(), stride = shape_.stride;
    observation_ = floats((rows + stride) * observations_);
    final_observation_ = floats(stride * observations_);
    output_ = floats(rows * actions_);
    action_ = floats(stride * actions_);
    log_prob_ = floats(rows);
    reward_ = floats(rows);
    ended_ = floats(rows);
    value_ = floats(rows + stride);
    final_value_ = floats(rows);
    advantage_ = floats(rows);
    returns_ = floats(rows);
    totals_ = floats(kEnvironmentTotals);
    report_ = floats(WriteReport::kEntries);
    learner_ = std::make_unique<Learner<Backend>>(backend_, settings_, static_cast<int>(observations_),
                                                  static_cast<int>(actions_), shape_);
    std::vector<float> low, high;
    environments_->action_bounds(low, high);
    for (std::size_t a = 0; a < low.size(); ++a) {
      centre_.push_back(0.5f * (low[a] + high[a]));
      scale_.push_back(0.5f * (high[a] - low[a]));
    }
    bounds_ = std::make_unique<ActionBounds<Backend>>(backend_, centre_, scale_, low, high);
    start();
  }

  void enqueue_iteration() override {
    const int slot = static_cast<int>(enqueued_ % 2);
    backend_.stamp(slot, 0);
    backend_.replay(0, [this] {
      learner_->begin_iteration();
      rollout();
    });
    backend_.stamp(slot, 1);
    backend_.replay(1, [this] {
      learner_->update(
          {observation_.data(), output_.data(), log_prob_.data(), value_.data(), advantage_.data(), returns_.data()});
      learner_->merge_observations(observation_.data());
      backend_.template sum<1>(shape_.envs, kEnvironmentTotals, EnvironmentTotals{environments_->view()},
                               totals_.data());
      learner_->end_iteration();
      backend_.launch_single(WriteReport{learner_->control(), totals_.data(), learner_->return_sums(),
                                         learner_->log_std(), static_cast<int>(actions_), report_.data()});
    });
    backend_.stamp(slot, 2);
    backend_.enqueue_report(slot, report_, WriteReport::kEntries);
    phase_seconds_[slot][0] = backend_.phase_seconds(Phase::kPhysics);
    phase_seconds_[slot][1] = backend_.phase_seconds(Phase::kInference);
    ++enqueued_;
  }

  bool fetch_report(Report& report, bool wait) override {
    if (fetched_ == enqueued_) return false;
    const int slot = static_cast<int>(fetched_ % 2);
    if (!backend_.report_ready(slot, wait)) return false;
    ++fetched_;
    report = read_report(backend_.report(slot));
    report.iteration = fetched_;
    report.steps = fetched_ * shape_.samples();
    report.seconds_rollout = backend_.seconds_between(slot, 0, 1);
    report.seconds_update = backend_.seconds_between(slot, 1, 2);
    report.seconds_physics = phase_seconds_[slot][0];
    report.seconds_inference = phase_seconds_[slot][1];
    return true;
  }

  std::vector<Tensor> state() override {
    backend_.synchronise();
    std::vector<Tensor> tensors;
    learner_->save(tensors);
    const std::int64_t arrays = EnvironmentView::arrays(environments_->states());
    std::vector<float> environments(static_cast<std::size_t>(arrays * shape_.stride));
    backend_.download(environments_->buffer(), environments.data(), arrays * shape_.stride);
    tensors.push_back(make_tensor("environments", {arrays, shape_.stride}, environments));
    std::vector<float> observation(static_cast<std::size_t>(last_row_size()));
    backend_.download(observation_, observation.data(), last_row_size(), last_row());
    tensors.push_back(make_tensor("observation", {shape_.stride, observations_}, observation));
    return tensors;
  }

  void restore(const std::vector<Tensor>& tensors) override {
    backend_.synchronise();
    const Index arrays = EnvironmentView::arrays(environments_->states());
    const auto environments = floats_of(tensors, "environments", static_cast<std::size_t>(arrays * shape_.stride));
    const auto observation = floats_of(tensors, "observation", static_cast<std::size_t>(last_row_size()));
    learner_->load(tensors);
    backend_.upload(environments_->buffer(), environments.data(), arrays * shape_.stride);
    backend_.upload(observation_, observation.data(), last_row_size(), last_row());
    enqueued_ = fetched_ = learner_->read_control().iteration;
  }

  Policy policy() override {
    backend_.synchronise();
    Policy policy;
    policy.task = settings_.task;
    learner_->read_policy(policy);
    environments_->action_bounds(policy.action_low, policy.action_high);
    policy.action_centre = centre_;
    policy.action_scale = scale_;
    return policy;
  }

  double update_flops() const override { return learner_->update_flops(); }

 private:
  /// Kernels index the rollout's values with 31 bits. Throws Error where they would not suffice.
  void check_sizes() const {
    const Index widest = std::max(padded(observations_), padded(actions_));
    if (shape_.rows() <= std::numeric_limits<std::int32_t>::max() / widest) return;
    throw Error("train.num_envs = " + std::to_string(shape_.envs) + " with train.horizon = " +
                std::to_string(shape_.horizon) + " make a rollout of more than 2^31 values; choose a smaller product");
  }

  /// The observations that the next rollout begins with: the row behind the last step.
  Index last_row() const { return shape_.rows() * observations_; }
  Index last_row_size() const { return shape_.stride * observations_; }

  void reset_environments() {
    environments_->reset(backend_, settings_.seed, settings_.train.random_initial_phase,
                         observation_.data() + last_row());
  }

  /// First states, and first moments of the observations from a rollout of the untrained policy.
  void start() {
    reset_environments();
    if (!settings_.network.normalise_observations) return;
    rollout();
    learner_->merge_observations(observation_.data());
    learner_->end_iteration();
    backend_.synchronise();
    Control control = learner_->read_control();
    control.iteration = 0;
    learner_->set_control(control);
    reset_environments();
  }

  void rollout() {
    backend_.launch(shape_.stride, ClearStatistics{environments_->view()});
    backend_.for_tiles(shape_.stride, [this](const Context& context, Range range) {
      const Index width = observations_, stride = shape_.stride, horizon = shape_.horizon;
      float* const start = observation_.data();
      context.launch({range.begin * width, range.end * width}, CopyElements{start + last_row(), start});
      for (Index t = 0; t < horizon; ++t) {
        const Index at = t * stride;
        const float* observation = start + at * width;
        const float* mean = learner_->mean(context, range, observation);
        context.launch(range, SampleActions{mean, learner_->mean_stride(), range.begin, learner_->log_std(),
                                            static_cast<int>(actions_), settings_.seed, learner_->control(),
                                            static_cast<std::uint32_t>(t), bounds_->scaling(),
                                            output_.data() + at * actions_, action_.data(), log_prob_.data() + at});
        learner_->estimate(context, range, observation, value_.data() + at);
        context.mark(Phase::kInference);
        environments_->step(
            context, range, settings_.seed, learner_->control(), static_cast<int>(t), action_.data(),
            {reward_.data() + at, ended_.data() + at, start + (at + stride) * width, final_observation_.data()});
        context.mark(Phase::kPhysics);
        if (learner_->has_critic() && context.any_set(ended_.data() + at, range)) {
          learner_->estimate(context, range, final_observation_.data(), final_value_.data() + at);
        }
      }
      learner_->estimate(context, range, start + last_row(), value_.data() + shape_.rows());
      const Estimator& estimator = learner_->estimator();
      context.launch(range, Advantages{reward_.data(), ended_.data(), value_.data(), final_value_.data(),
                                       advantage_.data(), returns_.data(), static_cast<int>(horizon), stride,
                                       settings_.algorithm.gamma, estimator.lambda, estimator.use_values});
      context.mark(Phase::kInference);
    });
  }

  Report read_report(const float* row) const {
    using W = WriteReport;
    Report report;
    report.episodes = static_cast<std::int64_t>(row[W::kEpisodes]);
    report.return_mean = row[W::kReturns] / row[W::kEpisodes];
    report.episode_length_mean = row[W::kLengths] / row[W::kEpisodes];
    report.nonfinite = static_cast<std::int64_t>(row[W::kNonfinite]);
    report.policy_loss = row[W::kPolicy];
    report.value_loss = row[W::kValue];
    report.kl = row[W::kDivergence];
    report.clip_fraction = row[W::kClip];
    report.gradient_norm = row[W::kNorm];
    report.learning_rate = row[W::kRate];
    report.action_std = row[W::kStd];
    report.entropy = row[W::kLogStd] + static_cast<double>(actions_) * (kLogSqrtTwoPi + 0.5);
    const double n = static_cast<double>(shape_.samples());
    const auto variance = [&](double sum, double squares) { return squares / n - (sum / n) * (sum / n); };
    const double spread = variance(row[W::kReturnSum], row[W::kReturnSquares]);
    report.explained_variance = learner_->has_critic() && spread > 0
                                    ? 1.0 - variance(row[W::kAdvantageSum], row[W::kAdvantageSquares]) / spread
                                    : 0.0;
    return report;
  }

  std::unique_ptr<Backend> owned_;
  Backend& backend_;
  Settings settings_;
  std::unique_ptr<Environments<Backend>> environments_;
  RolloutShape shape_{};
  Index observations_ = 0, actions_ = 0;
  std::vector<float> centre_, scale_;
  std::unique_ptr<Learner<Backend>> learner_;
  std::unique_ptr<ActionBounds<Backend>> bounds_;
  Buffer<float> observation_, final_observation_, output_, action_, log_prob_, reward_, ended_;
  Buffer<float> value_, final_value_, advantage_, returns_, totals_, report_;
  std::int64_t enqueued_ = 0, fetched_ = 0;
  double phase_seconds_[2][2] = {};
};

}  // namespace stampede
