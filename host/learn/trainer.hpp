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
#include "host/simulate/environments.hpp"
#include "kernels/returns.hpp"

namespace stampede {

/// Totals over the environments, for the report: returns and lengths of the episodes that ended.
struct EnvironmentTotals {
  EnvironmentView view;
  const float* more;  ///< [columns - kEnvironmentTotals][stride]: rows of the task's own
  template <class Real>
  STAMPEDE_FN void operator()(Index first, int column, Array<Real, 1>& out) const {
    const float* quantity = column == 0   ? view.finished_return
                            : column == 1 ? view.finished_length
                                          : more + (column - kTotals) * view.stride;
    out[0] = load<Real>(quantity + first);
  }
  static constexpr int kTotals = 2;
};
inline constexpr int kEnvironmentTotals = EnvironmentTotals::kTotals;

/// The environments' counts, for `Backend::count`.
struct EnvironmentCounts {
  EnvironmentView view;
  STAMPEDE_FN std::uint32_t operator()(Index env, int column) const { return view.counts[column * view.stride + env]; }
};

/// Gathers what an iteration reports into one row of floats. A count takes two, with which it is exact up to 2^48.
struct WriteReport {
  const Control* control;
  const std::uint64_t* counts;     ///< [kEnvironmentCounts]
  const float* totals;             ///< [kEnvironmentTotals + own]
  int own;                         ///< totals of the task's own rows
  const float* constraint_totals;  ///< [constraints][kConstraintTotals]
  int constraints;
  const float* return_moments;  ///< [2][2]
  const float* log_std;
  int actions;
  float* report;

  enum Entry : int {
    kCounts,
    kReturns = kCounts + 2 * kEnvironmentCounts,
    kLengths,
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
  static constexpr int kLowBits = 24;

  /// A count of a report.
  static std::int64_t count_in(const float* report, EnvironmentCount which) {
    const float* const halves = report + kCounts + 2 * which;
    return (static_cast<std::int64_t>(halves[0]) << kLowBits) + static_cast<std::int64_t>(halves[1]);
  }

  STAMPEDE_FN void operator()() const {
    const Control& c = *control;
    const float share = 1.0f / static_cast<float>(c.minibatches);
    for (int i = 0; i < kEnvironmentCounts; ++i) {
      report[kCounts + 2 * i] = static_cast<float>(counts[i] >> kLowBits);
      report[kCounts + 2 * i + 1] = static_cast<float>(counts[i] & ((std::uint64_t{1} << kLowBits) - 1));
    }
    for (int i = 0; i < kEnvironmentTotals; ++i) report[kReturns + i] = totals[i];
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
    for (int i = 0; i < own; ++i) report[kEntries + i] = totals[kEnvironmentTotals + i];
    for (int i = 0; i < kConstraintTotals * constraints; ++i) report[kEntries + own + i] = constraint_totals[i];
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
    own_totals_ = environments_->own_totals();
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
    totals_ = floats(kEnvironmentTotals + own_totals_);
    counts_ = backend_.template make_buffer<std::uint64_t>(kEnvironmentCounts);
    if (!task_.constraints.list.empty()) {
      constraints_ =
          std::make_unique<Constraints<Backend>>(backend_, task_.constraints, shape_, request.train.iterations);
    }
    report_ = floats(report_size());
    learner_ = std::make_unique<Learner<Backend>>(backend_, request_, shape_);
    const ActionSpec& action = task_.action;
    bounds_ = std::make_unique<ActionBounds<Backend>>(backend_, action.centre, action.scale, action.low, action.high);
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
      backend_.template sum<1>(shape_.envs, kEnvironmentTotals + own_totals_,
                               EnvironmentTotals{environments_->view(), environments_->own_rows()}, totals_.data());
      backend_.count(shape_.envs, kEnvironmentCounts, EnvironmentCounts{environments_->view()}, counts_.data());
      learner_->end_iteration();
      backend_.launch_single(WriteReport{learner_->control(), counts_.data(), totals_.data(), own_totals_,
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
    read_report(backend_.report(slot), report);
    report.iteration = fetched_;
    report.steps = fetched_ * shape_.samples();
    report.seconds_rollout = backend_.seconds_between(slot, 0, 2);
    report.seconds_constraints = constraints_ ? backend_.seconds_between(slot, 1, 2) : 0;
    report.seconds_update = backend_.seconds_between(slot, 2, 3);
    report.seconds_physics = phase_seconds_[slot][0];
    report.seconds_inference = phase_seconds_[slot][1];
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
  Index report_size() const { return WriteReport::kEntries + own_totals_ + kConstraintTotals * constraint_count(); }

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

  void read_report(const float* row, Report& report) const {
    using W = WriteReport;
    report.rewards.clear();  // their memory stays
    report.constraints.clear();
    report.episodes = W::count_in(row, kFinished);
    const auto episodes = static_cast<double>(report.episodes);  // none: NaN
    report.return_mean = static_cast<double>(row[W::kReturns]) / episodes;
    report.episode_length_mean = static_cast<double>(row[W::kLengths]) / episodes;
    report.nonfinite = W::count_in(row, kNonfinite);
    report.contacts_over_slots = W::count_in(row, kOverSlots);
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
    const float* own = row + W::kEntries;
    const double seconds = task_.legged != nullptr ? task_.control_dt : 1.0;
    for (int i = 0; i < std::min(own_totals_, kRewardTermCount); ++i) {
      report.rewards.push_back(static_cast<double>(own[i]) / n / seconds);
    }
    if (task_.legged != nullptr && task_.legged->constants.levels > 0) {
      report.terrain_level = static_cast<double>(own[kLevelTotal]) / n;
    }
    for (int i = 0; i < constraint_count(); ++i) {
      const float* figures = own + own_totals_ + kConstraintTotals * i;
      report.constraints.push_back({static_cast<double>(figures[0]) / n, static_cast<double>(figures[1]) / n,
                                    static_cast<double>(figures[2]) / n, static_cast<double>(figures[3]) / n});
    }
  }

  std::unique_ptr<Backend> owned_;
  Backend& backend_;
  TrainingRequest request_;
  const TaskSpec& task_;
  std::unique_ptr<Environments<Backend>> environments_;
  RolloutShape shape_{};
  Index observations_ = 0, critic_observations_ = 0, actions_ = 0;
  int own_totals_ = 0;  ///< rows of the task's own that are summed for the report
  std::unique_ptr<Learner<Backend>> learner_;
  std::unique_ptr<ActionBounds<Backend>> bounds_;
  std::unique_ptr<Constraints<Backend>> constraints_;
  std::vector<ObservationRows> observation_rows_;
  Buffer<float> observation_, critic_observation_, final_observation_, output_, mean_, log_std_, action_, log_prob_;
  Buffer<float> reward_, ended_, value_, final_value_, advantage_, returns_, totals_, report_;
  Buffer<std::uint64_t> counts_;
  std::int64_t enqueued_ = 0, fetched_ = 0;
  double phase_seconds_[kIterationsInFlight][2] = {};
};

}  // namespace stampede
