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

#include "host/engine/in_flight.hpp"
#include "host/engine/phase.hpp"
#include "host/learn/constraints.hpp"
#include "host/learn/learner.hpp"
#include "host/learn/report.hpp"
#include "host/simulate/environments.hpp"
#include "kernels/returns.hpp"

namespace stampede {

template <class Backend>
class PolicyTrainer final : public Trainer {
 public:
  using Context = typename Backend::Context;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  /// The backend is the trainer's own, as recordings, time stamps and reports belong to one training. Throws Error where
  /// the task is unknown.
  PolicyTrainer(std::unique_ptr<Backend> backend, const TrainingRequest& request)
      : owned_(std::move(backend)),
        backend_(*owned_),
        request_(request),
        task_(*request_.task),
        environments_(make_environments(backend_, {request.task, request.train.num_envs, {}, nullptr})) {
    shape_ = {environments_->count(), environments_->stride(), request.train.horizon};
    observations_ = task_.policy().size();
    actions_ = task_.action.size();
    critic_observations_ = task_.critic_size();
    check_sizes();
    backend_.set_timing(request.timing);

    const auto floats = [&](Index count) { return backend_.template make_buffer<float>(count); };
    const Index rows = shape_.rows(), stride = shape_.stride;
    observation_ = floats((rows + stride) * observations_);
    final_observation_ = floats(stride * (critic_observations_ > 0 ? critic_observations_ : observations_));
    observation_rows_ = {{"observation", &observation_, observations_}};
    if (critic_observations_ > 0) {
      critic_observation_ = floats((rows + stride) * critic_observations_);
      observation_rows_.push_back({"critic_observation", &critic_observation_, critic_observations_});
    }
    output_ = floats(rows * actions_);
    mean_ = floats(rows * actions_);
    log_std_ = floats(actions_);
    action_ = floats(stride * actions_);
    log_prob_ = floats(rows);
    reward_ = floats(rows);
    ended_ = floats(rows);
    value_ = floats(rows + stride);
    final_value_ = floats(rows);
    advantage_ = floats(rows);
    returns_ = floats(rows);
    totals_ = floats(kEnvironmentTotals + task_.metric_rows);
    counts_ = backend_.template make_buffer<std::uint64_t>(kEnvironmentCounts);
    if (!task_.constraints.list.empty()) {
      constraints_ =
          std::make_unique<Constraints<Backend>>(backend_, task_.constraints, shape_, request.train.iterations);
    }
    learner_ = std::make_unique<Learner<Backend>>(backend_, request_, shape_);
    const ActionSpec& action = task_.action;
    bounds_ = std::make_unique<ActionBounds<Backend>>(backend_, action.centre, action.scale, action.low, action.high);
    list_metrics();
    report_ = floats(report_size());
    start();
  }

  void enqueue_iteration() override {
    if (enqueued_ - fetched_ == kIterationsInFlight) {
      throw Error("trainer: iteration " + std::to_string(enqueued_ + 1) + " would overwrite the report of iteration " +
                      std::to_string(fetched_ + 1) + "; fetch it first, as at most " +
                      std::to_string(kIterationsInFlight) + " may wait",
                  Status::kFailed);
    }
    const int slot = slot_of(enqueued_);
    backend_.stamp(slot, 0);
    backend_.replay(0, [this] {
      learner_->begin_iteration();
      rollout();
    });
    backend_.stamp(slot, 1);
    if (constraints_) backend_.replay(1, [this] { judge(); });
    backend_.stamp(slot, 2);
    backend_.replay(2, [this] {
      learner_->update({observation_.data(), critic_observation(), output_.data(), mean_.data(), log_std_.data(),
                        log_prob_.data(), value_.data(), advantage_.data(), returns_.data()});
      learner_->merge_observations(observation_.data(), critic_observation());
      backend_.template sum<1>(shape_.envs, kEnvironmentTotals + task_.metric_rows,
                               EnvironmentTotals{environments_->view(), environments_->metric_rows()}, totals_.data());
      backend_.count(shape_.envs, kEnvironmentCounts, EnvironmentCounts{environments_->view()}, counts_.data());
      learner_->end_iteration();
      backend_.launch_single(WriteReport{learner_->control(), counts_.data(), totals_.data(), task_.metric_rows,
                                         constraints_ ? constraints_->totals() : nullptr, constraint_count(),
                                         learner_->return_sums(), learner_->log_std(), static_cast<int>(actions_),
                                         report_.data()});
    });
    backend_.stamp(slot, 3);
    backend_.enqueue_report(slot, report_, report_size());
    phase_seconds_[slot][0] = backend_.phase_seconds(Phase::kPhysics);
    phase_seconds_[slot][1] = backend_.phase_seconds(Phase::kInference);
    ++enqueued_;
  }

  bool fetch_report(Report& report, bool wait) override {
    if (fetched_ == enqueued_) return false;
    const int slot = slot_of(fetched_);
    if (!backend_.report_ready(slot, wait)) return false;
    ++fetched_;
    metrics_.read(backend_.report(slot), slot, report);
    report.iteration = fetched_;
    report.steps = fetched_ * shape_.samples();
    return true;
  }

  std::vector<Tensor> state() override {
    backend_.synchronise();
    std::vector<Tensor> tensors;
    learner_->save(tensors);
    environments_->save(backend_, tensors);
    for (const auto& [name, buffer, width] : observation_rows_) {
      std::vector<float> values(static_cast<std::size_t>(shape_.stride * width));
      backend_.download(*buffer, values.data(), shape_.stride * width, shape_.rows() * width);
      tensors.push_back(make_tensor(name, {shape_.stride, width}, values));
    }
    if (constraints_) constraints_->save(tensors);
    return tensors;
  }

  void restore(const std::vector<Tensor>& tensors) override {
    backend_.synchronise();
    learner_->load(tensors);
    environments_->load(backend_, tensors);
    for (const auto& [name, buffer, width] : observation_rows_) {
      const auto values = floats_of(tensors, name, static_cast<std::size_t>(shape_.stride * width));
      backend_.upload(*buffer, values.data(), shape_.stride * width, shape_.rows() * width);
    }
    if (constraints_) constraints_->load(tensors);
    enqueued_ = fetched_ = learner_->read_control().iteration;
  }

  std::vector<std::string> mended() const override {
    std::vector<std::string> lines;
    if (!constraints_) return lines;
    for (const std::string& name : constraints_->mended()) {
      lines.push_back("the checkpoint's running maximum of constraint '" + name +
                      "' is beyond anything that a violation can be; it starts anew");
    }
    return lines;
  }

  Policy policy() override {
    backend_.synchronise();
    Policy policy;
    policy.task = task_.name;
    learner_->read_policy(policy);
    policy.action_centre = task_.action.centre;
    policy.action_scale = task_.action.scale;
    policy.action_low = task_.action.low;
    policy.action_high = task_.action.high;
    return policy;
  }

  std::vector<Tensor> last_good() override {
    backend_.synchronise();
    return environments_->last_good(backend_);
  }

  double update_flops() const override { return learner_->update_flops(); }
  std::shared_ptr<const MetricTable> metrics() const override { return metrics_.table(); }

 private:
  static_assert(kIterationsInFlight <= Backend::kReportSlots);
  /// Where the backend keeps an iteration's report and time stamps until they are fetched.
  static int slot_of(std::int64_t iteration) { return static_cast<int>(iteration % kIterationsInFlight); }

  /// Kernels index the rollout's values with 31 bits. Throws Error where they would not suffice.
  void check_sizes() const {
    const Index widest = std::max(padded(std::max(observations_, critic_observations_)), padded(actions_));
    if (shape_.rows() <= std::numeric_limits<std::int32_t>::max() / widest) return;
    throw Error("train.num_envs = " + std::to_string(shape_.envs) + " with train.horizon = " +
                std::to_string(shape_.horizon) + " make a rollout of more than 2^31 values; choose a smaller product");
  }

  /// Whose last row, behind the last step, the next rollout begins with.
  struct ObservationRows {
    const char* name;
    Buffer<float>* buffer;
    Index width;
  };
  float* critic_observation() { return critic_observations_ > 0 ? critic_observation_.data() : nullptr; }
  /// What the critic sees, at row `row` of the rollout.
  const float* seen_by_critic(Index row) {
    return critic_observations_ > 0 ? critic_observation_.data() + row * critic_observations_
                                    : observation_.data() + row * observations_;
  }
  int constraint_count() const { return constraints_ ? constraints_->count() : 0; }
  Index report_size() const {
    return WriteReport::kEntries + task_.metric_rows + kConstraintTotals * constraint_count();
  }

  /// What an iteration reports: a line each, and nowhere else.
  void list_metrics() {
    using W = WriteReport;
    using enum Reduce;
    const double n = static_cast<double>(shape_.samples());
    const auto number = [](int entry) {
      return [entry](const float* row, int) { return static_cast<double>(row[entry]); };
    };
    const auto count = [](EnvironmentCount which) {
      return [which](const float* row, int) { return static_cast<double>(W::count_in(row, which)); };
    };
    const auto of_episodes = [](int entry) {  // no episode ended: NaN
      return [entry](const float* row, int) {
        return static_cast<double>(row[entry]) / static_cast<double>(W::count_in(row, kFinished));
      };
    };
    const auto seconds = [this](int from, int to) {
      return [this, from, to](const float*, int slot) { return backend_.seconds_between(slot, from, to); };
    };
    const auto variance = [n](double sum, double squares) { return squares / n - (sum / n) * (sum / n); };

    metrics_.add({.name = "episodes", .reduce = kSum, .whole = true}, count(kFinished));
    metrics_.add({.name = "return_mean", .tag = "episode/return_mean", .label = "return"}, of_episodes(W::kReturns));
    metrics_.add({.name = "episode_length_mean", .tag = "episode/length_mean", .unit = "control steps"},
                 of_episodes(W::kLengths));
    metrics_.add({.name = "policy_loss", .tag = "loss/policy", .must_be_finite = true}, number(W::kPolicy));
    metrics_.add({.name = "value_loss", .tag = "loss/value", .must_be_finite = true}, number(W::kValue));
    metrics_.add({.name = "entropy", .tag = "loss/entropy", .unit = "nat", .reduce = kLast, .must_be_finite = true},
                 [this](const float* row, int) {
                   return static_cast<double>(row[W::kLogStd]) + static_cast<double>(actions_) * (kLogSqrtTwoPi + 0.5);
                 });
    metrics_.add({.name = "kl", .tag = "update/kl", .unit = "nat"}, number(W::kDivergence));
    metrics_.add({.name = "clip_fraction", .tag = "update/clip_fraction", .unit = "share"}, number(W::kClip));
    metrics_.add({.name = "gradient_norm", .tag = "update/gradient_norm", .must_be_finite = true}, number(W::kNorm));
    metrics_.add({.name = "learning_rate", .tag = "update/learning_rate", .reduce = kLast}, number(W::kRate));
    metrics_.add({.name = "action_std", .tag = "policy/action_std", .unit = "half ranges", .reduce = kLast},
                 number(W::kStd));
    metrics_.add({.name = "explained_variance", .tag = "update/explained_variance", .unit = "share"},
                 [this, variance](const float* row, int) {
                   const double spread = variance(row[W::kReturnSum], row[W::kReturnSquares]);
                   if (!learner_->has_critic() || !(spread > 0)) return 0.0;
                   return 1.0 - variance(row[W::kAdvantageSum], row[W::kAdvantageSquares]) / spread;
                 });
    metrics_.add({.name = "nonfinite",
                  .tag = "environment/nonfinite",
                  .unit = "states since the start",
                  .reduce = kLast,
                  .whole = true},
                 count(kNonfinite));
    metrics_.add({.name = "contacts_over_slots",
                  .tag = "environment/contacts_over_slots",
                  .unit = "since the start",
                  .reduce = kLast,
                  .whole = true},
                 count(kOverSlots));
    metrics_.add({.name = "seconds_rollout", .tag = "time/seconds_rollout", .unit = "s", .reduce = kSum},
                 seconds(0, 2));
    metrics_.add({.name = "seconds_update", .tag = "time/seconds_update", .unit = "s", .reduce = kSum}, seconds(2, 3));
    if (constraints_)
      metrics_.add({.name = "seconds_constraints", .unit = "s of the rollout's", .reduce = kSum}, seconds(1, 2));
    if (request_.timing) {
      metrics_.add({.name = "seconds_physics", .unit = "s of the rollout's", .reduce = kSum},
                   [this](const float*, int slot) { return phase_seconds_[slot][0]; });
      metrics_.add({.name = "seconds_inference", .unit = "s of the rollout's", .reduce = kSum},
                   [this](const float*, int slot) { return phase_seconds_[slot][1]; });
    }
    for (const TaskMetric& metric : task_.metrics) {
      metrics_.add(metric.info, [n, metric](const float* row, int) {
        return static_cast<double>(row[W::kEntries + metric.row]) / n / metric.divisor;
      });
    }
    for (int i = 0; i < constraint_count(); ++i) {
      const std::string name = "constraints/" + task_.constraints.list[static_cast<std::size_t>(i)].name;
      const int first = W::kEntries + task_.metric_rows + kConstraintTotals * i;
      const auto of_steps = [n, first](int which) {
        return [n, place = first + which](const float* row, int) { return static_cast<double>(row[place]) / n; };
      };
      metrics_.add({.name = name + "/violated",
                    .tag = name + "_violated",
                    .unit = "share of steps",
                    .panel = "steps that violate a constraint [%]",
                    .panel_scale = 100},
                   of_steps(0));
      metrics_.add({.name = name + "/mean", .tag = name + "_mean", .unit = "largest column, floored at 0"},
                   of_steps(1));
      metrics_.add({.name = name + "/delta", .tag = name + "_delta", .unit = "soft termination by it alone"},
                   of_steps(2));
      metrics_.add(
          {.name = name + "/applied", .tag = name + "_applied", .unit = "share of steps to which its `when` applies"},
          of_steps(3));
    }
  }

  void reset_environments() {
    FirstObservations first{observation_.data() + shape_.rows() * observations_};
    if (critic_observations_ > 0) first.critic = critic_observation_.data() + shape_.rows() * critic_observations_;
    environments_->reset(backend_, request_.seed, request_.train.random_initial_phase, first);
  }

  /// First states, and first moments of the observations from a rollout of the untrained policy.
  void start() {
    reset_environments();
    if (!request_.network.normalise_observations) return;
    rollout();
    learner_->merge_observations(observation_.data(), critic_observation());
    learner_->end_iteration();
    backend_.synchronise();
    Control control = learner_->read_control();
    control.iteration = 0;
    learner_->set_control(control);
    reset_environments();
    if (constraints_) constraints_->forget(backend_);
  }

  void rollout() {
    environments_->clear_statistics(backend_);
    backend_.launch(actions_, CopyElements{learner_->log_std(), log_std_.data()});
    backend_.for_tiles(shape_.stride, [this](const Context& context, Range range) {
      const Index stride = shape_.stride, horizon = shape_.horizon;
      for (const auto& [name, buffer, width] : observation_rows_) {
        context.launch({range.begin * width, range.end * width},
                       CopyElements{buffer->data() + shape_.rows() * width, buffer->data()});
      }
      for (Index t = 0; t < horizon; ++t) {
        const Index at = t * stride;
        const float* mean = learner_->mean(context, range, observation_.data() + at * observations_);
        context.launch(range,
                       SampleActions{mean, learner_->mean_stride(), range.begin, learner_->log_std(),
                                     static_cast<int>(actions_), request_.seed, learner_->control(),
                                     static_cast<std::uint32_t>(t), bounds_->scaling(), output_.data() + at * actions_,
                                     action_.data(), log_prob_.data() + at, mean_.data() + at * actions_});
        learner_->estimate(context, range, seen_by_critic(at), value_.data() + at);
        context.mark(Phase::kInference);
        StepOutput out{reward_.data() + at, ended_.data() + at, observation_.data() + (at + stride) * observations_,
                       final_observation_.data()};
        if (critic_observations_ > 0) {
          out.critic_observation = critic_observation_.data() + (at + stride) * critic_observations_;
        }
        if (constraints_) {
          out.violation = constraints_->violation(t);
          out.violation_stride = constraints_->stride();
        }
        environments_->step(context, range, request_.seed, learner_->control(), static_cast<int>(t), action_.data(),
                            out);
        context.mark(Phase::kPhysics);
        if (learner_->has_critic() && context.any_set(ended_.data() + at, range)) {
          learner_->estimate(context, range, final_observation_.data(), final_value_.data() + at);
        }
      }
      learner_->estimate(context, range, seen_by_critic(shape_.rows()), value_.data() + shape_.rows());
      if (!constraints_) context.launch(range, advantages(nullptr));
      context.mark(Phase::kInference);
    });
  }

  /// Turns the rollout's violations into soft terminations, which the advantages wait for.
  void judge() { backend_.launch(shape_.stride, advantages(constraints_->apply(backend_, learner_->control()))); }

  /// Soft terminations are null for none.
  Advantages advantages(const float* delta) {
    const Estimator& estimator = learner_->estimator();
    return {reward_.data(),
            ended_.data(),
            value_.data(),
            final_value_.data(),
            delta,
            advantage_.data(),
            returns_.data(),
            static_cast<int>(shape_.horizon),
            shape_.stride,
            request_.algorithm.gamma,
            estimator.lambda,
            estimator.use_values};
  }

  std::unique_ptr<Backend> owned_;
  Backend& backend_;
  TrainingRequest request_;
  const TaskSpec& task_;
  std::unique_ptr<Environments<Backend>> environments_;
  RolloutShape shape_{};
  Index observations_ = 0, critic_observations_ = 0, actions_ = 0;
  std::unique_ptr<Learner<Backend>> learner_;
  std::unique_ptr<ActionBounds<Backend>> bounds_;
  std::unique_ptr<Constraints<Backend>> constraints_;
  std::vector<ObservationRows> observation_rows_;
  ReportReader metrics_;
  Buffer<float> observation_, critic_observation_, final_observation_, output_, mean_, log_std_, action_, log_prob_;
  Buffer<float> reward_, ended_, value_, final_value_, advantage_, returns_, totals_, report_;
  Buffer<std::uint64_t> counts_;
  std::int64_t enqueued_ = 0, fetched_ = 0;
  double phase_seconds_[kIterationsInFlight][2] = {};
};

}  // namespace stampede
