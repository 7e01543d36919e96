#pragma once
/// \file The trainer: rollouts of a task's environments, and an algorithm that learns from them, on every backend.
///
/// An iteration is a fixed sequence of launches on data that never leaves the device:
///
///     rollout    the collector's (collector.hpp): act and step, `horizon` times
///     judge      soft terminations (constraints.hpp) and the advantages with them, where the task has constraints
///     update     the algorithm's (algorithm.hpp, ppo.hpp)
///     report     one row of numbers, copied asynchronously (report.hpp)

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/engine/engine.hpp"
#include "host/engine/in_flight.hpp"
#include "host/learn/collector.hpp"

namespace stampede {

template <class Backend>
class TaskTrainer final : public Stage {
 public:
  using Context = typename Backend::Context;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  /// The trainer owns its backend, whose recordings, time stamps and reports belong to one training. Through the
  /// backend's communicator it learns together with the trainers of other ranks; with that of a single process it
  /// learns from its own rollouts only, whichever rank it is. Throws Error where the task or the algorithm is unknown,
  /// or the rank's index is not within its world.
  TaskTrainer(std::unique_ptr<Backend> backend, const TrainingRequest& request)
      : owned_(std::move(backend)),
        backend_(*owned_),
        request_(request),
        task_(*request_.task),
        environments_(make_environments(backend_, environments_of(request))),
        shape_{environments_->count(), environments_->stride(), request.train.horizon} {
    check_sizes();
    backend_.set_timing(times_phases());
    totals_ = backend_.template make_buffer<float>(kEnvironmentTotals + task_.metric_rows);
    counts_ = backend_.template make_buffer<std::uint64_t>(kEnvironmentCounts);
    if (!task_.constraints.list.empty()) {
      constraints_ =
          std::make_unique<Constraints<Backend>>(backend_, task_.constraints, shape_, request.train.iterations);
    }
    algorithm_ = make_algorithm(backend_, request_, shape_);
    request_.demonstrations.reset();  // the algorithm has a copy on the device
    if (request.initial != nullptr) algorithm_->networks().begin_with(*request.initial);
    rollout_ = std::make_unique<Rollout<Backend>>(backend_, task_, shape_, algorithm_->states());
    actor_ = algorithm_->make_actor(task_.action, request.seed, environments_->first_environment());
    collector_ = std::make_unique<Collector<Backend>>(backend_, *environments_, *algorithm_, *actor_,
                                                      constraints_.get(), request.seed);
    list_metrics();
    report_ = backend_.template make_buffer<float>(report_size());
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
      algorithm_->begin_iteration();
      collector_->collect(*rollout_);
    });
    backend_.stamp(slot, 1);
    if (constraints_) backend_.replay(1, [this] { judge(); });
    backend_.stamp(slot, 2);
    backend_.replay(2, [this] {
      algorithm_->update(*rollout_);
      merge_observations();
      sum_up_environments();
      algorithm_->end_iteration();
      write_report();
    });
    backend_.stamp(slot, 3);
    backend_.enqueue_report(slot, report_, report_size());
    for (int phase = 0; phase < kPhases; ++phase) {
      phase_seconds_[slot][phase] = backend_.phase_seconds(static_cast<Phase>(phase));
    }
    ++enqueued_;
  }

  bool fetch_report(Report& report, bool wait) override {
    if (fetched_ == enqueued_) return false;
    const int slot = slot_of(fetched_);
    if (!backend_.report_ready(slot, wait)) return false;
    ++fetched_;
    metrics_.read(backend_.report(slot), slot, report);
    report.iteration = fetched_;
    report.steps = fetched_ * samples_of_all_ranks();
    return true;
  }

  std::vector<Tensor> state() override {
    backend_.synchronise();
    std::vector<Tensor> tensors;
    algorithm_->save(tensors);
    const std::size_t common = tensors.size();
    environments_->save(backend_, tensors);
    for (const auto& [name, buffer, width, row] : last_rows()) {
      std::vector<float> values(static_cast<std::size_t>(shape_.stride * width));
      backend_.download(*buffer, values.data(), shape_.stride * width, row * width);
      tensors.push_back(make_tensor(name, {shape_.stride, width}, values));
    }
    for (std::size_t i = common; i < tensors.size(); ++i) tensors[i].of_rank = true;
    if (constraints_) constraints_->save(tensors);
    return tensors;
  }

  void restore(const std::vector<Tensor>& tensors) override {
    backend_.synchronise();
    algorithm_->load(tensors);
    environments_->load(backend_, tensors);
    for (const auto& [name, buffer, width, row] : last_rows()) {
      const auto values = floats_of(tensors, name, static_cast<std::size_t>(shape_.stride * width));
      backend_.upload(*buffer, values.data(), shape_.stride * width, row * width);
    }
    if (constraints_) constraints_->load(tensors);
    enqueued_ = fetched_ = algorithm_->read_control().iteration;
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
    algorithm_->networks().read_policy(policy);
    policy.action_centre = task_.action.centre;
    policy.action_scale = task_.action.scale;
    policy.action_low = task_.action.low;
    policy.action_high = task_.action.high;
    return policy;
  }

  std::vector<Tensor> last_finite() override {
    backend_.synchronise();
    return environments_->last_finite(backend_);
  }

  double update_flops() const override { return algorithm_->update_flops(); }
  std::shared_ptr<const MetricTable> metrics() const override { return metrics_.table(); }

 private:
  static_assert(kIterationsInFlight <= Backend::kReportSlots);
  /// The slot in which the backend keeps an iteration's report and time stamps until they are fetched.
  static int slot_of(std::int64_t iteration) { return static_cast<int>(iteration % kIterationsInFlight); }

  /// Random numbers are keyed by a lane's number of 32 bits, and an environment takes up to eight lanes.
  static constexpr std::int64_t kMostEnvironments = std::int64_t{1} << 29;

  /// The environments of this rank. Throws Error where its index is not within its world, or there are too many
  /// environments.
  static EnvironmentsRequest environments_of(const TrainingRequest& request) {
    const Rank& rank = request.rank;
    if (rank.index < 0 || rank.index >= rank.world_size) {
      throw Error("rank " + std::to_string(rank.index) + " of " + std::to_string(rank.world_size) +
                  ": ranks are counted from 0 to one less than there are");
    }
    if (rank.first_environment(request.train.num_envs) + request.train.num_envs > kMostEnvironments) {
      throw Error("train.num_envs = " + std::to_string(request.train.num_envs) + " on " +
                  std::to_string(rank.world_size) +
                  " ranks are more than 2^29 environments, which random numbers cannot tell apart; choose fewer");
    }
    EnvironmentsRequest environments;
    environments.task = request.task;
    environments.count = request.train.num_envs;
    environments.first_environment = rank.first_environment(request.train.num_envs);
    return environments;
  }

  bool times_phases() const { return request_.timing || Backend::kTimesWithoutWaiting; }

  /// Samples of one iteration, over all ranks.
  std::int64_t samples_of_all_ranks() const { return shape_.samples() * backend_.communicator().ranks(); }

  /// Kernels index the rollout's values with 31 bits. Throws Error where they would not suffice.
  void check_sizes() const {
    const Index widest =
        std::max(padded(std::max(task_.policy().size(), task_.privileged_size())), padded(task_.action.size()));
    if (shape_.rows() <= std::numeric_limits<std::int32_t>::max() / widest) return;
    throw Error("train.num_envs = " + std::to_string(shape_.envs) + " with train.horizon = " +
                std::to_string(shape_.horizon) + " make a rollout of more than 2^31 values; choose a smaller product");
  }

  /// An array with which the next rollout begins, and which a checkpoint therefore holds: [environment][width], from
  /// the row `row` of its buffer on, behind the rows of the last rollout's steps.
  struct LastRow {
    std::string name;
    Buffer<float>* buffer;
    Index width, row;
  };
  std::vector<LastRow> last_rows() {
    std::vector<LastRow> rows = {{"observation", &rollout_->observation, rollout_->observations, shape_.rows()}};
    if (rollout_->privileged_observations > 0) {
      rows.push_back({task_.privileged()->name + "_observation", &rollout_->privileged_observation,
                      rollout_->privileged_observations, shape_.rows()});
    }
    if (const StateShape& states = rollout_->states; states.width > 0) {
      rows.push_back({"network_state", &rollout_->state, states.width, rollout_->windows() * shape_.stride});
    }
    return rows;
  }
  int constraint_count() const { return constraints_ ? constraints_->count() : 0; }
  Index report_size() const {
    return WriteReport::kEntries + task_.metric_rows + kConstraintTotals * constraint_count();
  }

  /// Lists all metrics, a line each: those of every training here, the algorithm's in its own list_metrics, the task's
  /// in TaskSpec::metrics.
  void list_metrics() {
    using W = WriteReport;
    using enum Reduce;
    const double n = static_cast<double>(samples_of_all_ranks());
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

    metrics_.add({.name = "episodes", .reduce = kSum, .integer = true}, count(kFinished));
    metrics_.add({.name = "return_mean", .tag = "episode/return_mean", .label = "return"}, of_episodes(W::kReturns));
    metrics_.add({.name = "episode_length_mean", .tag = "episode/length_mean", .unit = "control steps"},
                 of_episodes(W::kLengths));
    algorithm_->list_metrics(metrics_, n);
    metrics_.add({.name = "nonfinite",
                  .tag = "environment/nonfinite",
                  .unit = "states since the start",
                  .reduce = kLast,
                  .integer = true},
                 count(kNonfinite));
    metrics_.add({.name = "contacts_over_slots",
                  .tag = "environment/contacts_over_slots",
                  .unit = "since the start",
                  .reduce = kLast,
                  .integer = true},
                 count(kOverSlots));
    metrics_.add({.name = "seconds_rollout", .tag = "time/seconds_rollout", .unit = "s", .reduce = kSum},
                 seconds(0, 2));
    metrics_.add({.name = "seconds_update", .tag = "time/seconds_update", .unit = "s", .reduce = kSum}, seconds(2, 3));
    if (constraints_)
      metrics_.add({.name = "seconds_constraints", .unit = "s of the rollout's", .reduce = kSum}, seconds(1, 2));
    const auto add_phase = [this](const std::string& name, Phase phase) {
      metrics_.add(
          {.name = "seconds_" + name, .tag = "time/seconds_" + name, .unit = "s of the rollout's", .reduce = kSum},
          [this, phase](const float*, int slot) { return phase_seconds_[slot][static_cast<int>(phase)]; });
    };
    if (times_phases()) {
      add_phase("physics", Phase::kPhysics);
      if (task_.policy().pixels() > 0) add_phase("pictures", Phase::kPictures);
      if (request_.teacher != nullptr) add_phase("teacher", Phase::kTeacher);
      add_phase("inference", Phase::kInference);
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

  /// Starts the environments. Where observations are normalised, it first collects a rollout, untrained as the policy
  /// is, from which their means and variances begin, and starts the environments anew.
  void start() {
    collector_->reset(*rollout_, request_.train.random_initial_phase);
    if (!request_.network.normalise_observations) return;
    collector_->collect(*rollout_);
    algorithm_->networks().begin_moments(rollout_->observation.data(), rollout_->own_privileged_observation());
    merge_observations();
    algorithm_->end_iteration();
    backend_.synchronise();
    Control control = algorithm_->read_control();
    control.iteration = 0;
    algorithm_->set_control(control);
    collector_->reset(*rollout_, request_.train.random_initial_phase);
    if (constraints_) constraints_->forget(backend_);
  }

  /// Turns the rollout's violations into soft terminations, from which advantages and returns are computed.
  void judge() { algorithm_->judge(*rollout_, constraints_->apply(backend_, algorithm_->control())); }

  void merge_observations() {
    algorithm_->networks().merge_observations(rollout_->observation.data(), rollout_->own_privileged_observation(),
                                              shape_.rows(), shape_.envs, shape_.stride);
  }

  void sum_up_environments() {
    backend_.template sum<1>(shape_.envs, kEnvironmentTotals + task_.metric_rows,
                             EnvironmentTotals{environments_->view(), environments_->metric_rows()}, totals_.data());
    backend_.count(shape_.envs, kEnvironmentCounts, EnvironmentCounts{environments_->view()}, counts_.data());
    Communicator<Backend>& all = backend_.communicator();
    all.sum(backend_, totals_.data(), kEnvironmentTotals + task_.metric_rows, Exchange::kStatistics);
    all.sum(backend_, counts_.data(), kEnvironmentCounts, Exchange::kStatistics);
  }

  void write_report() {
    backend_.launch_single(WriteReport{algorithm_->control(), counts_.data(), totals_.data(), task_.metric_rows,
                                       constraints_ ? constraints_->totals() : nullptr, constraint_count(),
                                       algorithm_->own_numbers(), algorithm_->networks().log_std(), task_.action.size(),
                                       report_.data()});
  }

  std::unique_ptr<Backend> owned_;
  Backend& backend_;
  TrainingRequest request_;
  const TaskSpec& task_;
  std::unique_ptr<Environments<Backend>> environments_;
  RolloutShape shape_;
  std::unique_ptr<Rollout<Backend>> rollout_;
  std::unique_ptr<Constraints<Backend>> constraints_;
  std::unique_ptr<Algorithm<Backend>> algorithm_;
  std::unique_ptr<Actor<Backend>> actor_;
  std::unique_ptr<Collector<Backend>> collector_;
  ReportReader metrics_;
  Buffer<float> totals_, report_;
  Buffer<std::uint64_t> counts_;
  std::int64_t enqueued_ = 0, fetched_ = 0;
  double phase_seconds_[kIterationsInFlight][kPhases] = {};
};

}  // namespace stampede
