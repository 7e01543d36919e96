#pragma once
/// \file Evaluation of a deterministic policy, and the benchmark of an environment, on any backend.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/engine.hpp"
#include "host/learn/acting_policy.hpp"
#include "host/simulate/environments.hpp"

namespace stampede {

/// Stores return, length and metric of each environment's first finished episode.
struct KeepFirstEpisode {
  EnvironmentView view;
  float* kept;  ///< [4][stride]: whether there was one, return, length, metric

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const auto now =
        load_uint<Real>(view.count(kFinished) + first) == UintOf<Real>(1u) && load<Real>(kept + first) == Real(0.0f);
    store(kept + first, select(now, Real(1.0f), load<Real>(kept + first)));
    const float* const source[3] = {view.finished_return, view.finished_length, view.finished_metric};
    STAMPEDE_UNROLL
    for (int i = 0; i < 3; ++i) {
      float* to = kept + (i + 1) * view.stride + first;
      store(to, select(now, load<Real>(source[i] + first), load<Real>(to)));
    }
  }
};

/// The largest column of each constraint, floored at 0; kNotApplied where the constraint does not apply.
struct LargestColumns {
  const float* violation;  ///< [columns][violation_stride]
  const int* begin;        ///< [constraints + 1]
  int constraints;
  Index violation_stride, stride;
  float* largest;  ///< [constraints][stride]

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    STAMPEDE_NO_UNROLL
    for (int c = 0; c < constraints; ++c) {
      Real most = Real(kNotApplied);
      STAMPEDE_NO_UNROLL
      for (int i = begin[c]; i < begin[c + 1]; ++i)
        most = max(most, load<Real>(violation + i * violation_stride + first));
      store(largest + c * stride + first, select(most > Real(kNotApplied), max(most, Real(0.0f)), most));
    }
  }
};

/// One evaluation: its buffers, its episodes and its results.
template <class Backend>
class PolicyEvaluation {
 public:
  using Context = typename Backend::Context;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  /// Throws Error where policy and task do not fit.
  PolicyEvaluation(Backend& backend, const EvaluationRequest& request, const Policy& policy)
      : backend_(backend),
        request_(request),
        environments_(make_environments(
            backend, {request.task, static_cast<Index>(request.episodes), request.commands, request.external})),
        count_(environments_->count()),
        stride_(environments_->stride()),
        observations_(request.task->policy().size()),
        actions_(request.task->action.size()),
        states_(request.task->states),
        steps_(request.task->max_steps) {
    check_fit(policy, *request.task);
    // Without a trace every step overwrites the one before.
    const Index kept_steps = request.trace ? steps_ : 1;
    observation_ = floats((kept_steps + 1) * stride_ * observations_);
    final_observation_ = floats(stride_ * observations_);
    action_ = floats(kept_steps * stride_ * actions_);
    reward_ = floats(kept_steps * stride_);
    ended_ = floats(kept_steps * stride_);
    if (request.trace) state_ = floats(steps_ * states_ * stride_);
    const ConstraintsSpec& constraints = request.task->constraints;
    constraints_ = static_cast<Index>(constraints.list.size());
    finished_ = floats(by_step() ? steps_ * stride_ : stride_);
    kept_ = floats(4 * stride_);
    figures_ = floats(steps_ * environments_->figures() * stride_);
    if (constraints_ > 0) {
      violation_ = floats(static_cast<Index>(constraints.columns.size()) * stride_);
      largest_ = floats(steps_ * constraints_ * stride_);
      std::vector<int> begin;
      for (const ConstraintSpec& constraint : constraints.list) begin.push_back(constraint.begin);
      begin.push_back(static_cast<int>(constraints.columns.size()));
      begin_ = backend.template make_buffer<int>(constraints_ + 1);
      backend.upload(begin_, begin.data(), constraints_ + 1);
    }
  }

  Evaluation run(const Policy& policy) {
    run_episodes(policy);
    Evaluation result;
    sum_up(result);
    if (by_step()) sum_up_steps(result);
    if (request_.trace) keep_trace(result);
    return result;
  }

 private:
  /// Whether single steps are evaluated or stored.
  bool by_step() const { return request_.trace || constraints_ > 0 || environments_->figures() > 0; }

  Buffer<float> floats(Index size) { return backend_.template make_buffer<float>(size); }

  std::vector<float> downloaded(const Buffer<float>& buffer) {
    std::vector<float> values(static_cast<std::size_t>(buffer.size()));
    backend_.download(buffer, values.data(), buffer.size());
    return values;
  }

  void run_episodes(const Policy& policy) {
    ActingPolicy<Backend> actor(backend_, policy, stride_);
    auto control = backend_.template make_buffer<Control>(1);
    const Control start{};
    backend_.upload(control, &start, 1);
    environments_->reset(backend_, request_.seed, false, {observation_.data()});
    const EnvironmentView view = environments_->view();

    backend_.for_tiles(stride_, [&](const Context& context, Range range) {
      for (Index t = 0; t < steps_; ++t) {
        const Index at = request_.trace ? t * stride_ : 0;
        const Index next = request_.trace ? at + stride_ : 0;
        if (request_.trace) environments_->copy_states(context, range, state_.data() + t * states_ * stride_);
        if (by_step()) {
          context.launch(range, CopyElements{kept_.data(), finished_.data() + t * stride_});
        }
        actor.act(context, range, observation_.data() + at * observations_, action_.data() + at * actions_);
        StepOutput out{reward_.data() + at, ended_.data() + at, observation_.data() + next * observations_,
                       final_observation_.data()};
        if (constraints_ > 0) {
          out.violation = violation_.data();
          out.violation_stride = stride_;
        }
        if (environments_->figures() > 0) out.figures = figures_.data() + t * environments_->figures() * stride_;
        environments_->step(context, range, request_.seed, control.data(), static_cast<int>(t),
                            action_.data() + at * actions_, out);
        if (constraints_ > 0) {
          context.launch(range, LargestColumns{violation_.data(), begin_.data(), static_cast<int>(constraints_),
                                               stride_, stride_, largest_.data() + t * constraints_ * stride_});
        }
        actor.forget(context, range, ended_.data() + at);
        context.launch(range, KeepFirstEpisode{view, kept_.data()});
      }
    });
    backend_.synchronise();
  }

  void sum_up(Evaluation& result) {
    const std::vector<float> kept = downloaded(kept_);
    const auto figure = [&](int which, Index env) {
      return static_cast<double>(kept[static_cast<std::size_t>(which * stride_ + env)]);
    };
    result.episodes = static_cast<int>(count_);
    double square = 0;
    const double n = static_cast<double>(count_);
    for (Index env = 0; env < count_; ++env) {
      const double value = figure(1, env);
      result.returns.push_back(value);
      result.return_mean += value / n;
      result.episode_length_mean += figure(2, env) / n;
      result.metric += figure(3, env) / n;
      result.steps += static_cast<std::int64_t>(figure(2, env));
    }
    for (const double value : result.returns) square += (value - result.return_mean) * (value - result.return_mean) / n;
    result.return_std = std::sqrt(square);
    result.nonfinite = environments_->total(backend_, kNonfinite);
    result.contacts_over_slots = environments_->total(backend_, kOverSlots);
  }

  /// Results from single steps: how often constraints were violated, and what the task's family computes, such as
  /// tracking errors (Environments::sum_up).
  void sum_up_steps(Evaluation& result) {
    const std::vector<float> figures = downloaded(figures_), finished = downloaded(finished_), kept = downloaded(kept_);
    const auto row = [&](int which) {
      const auto begin = kept.begin() + which * stride_;
      return std::vector<float>(begin, begin + count_);
    };
    const EpisodeSteps steps{figures, finished, row(2), row(3), steps_, count_, stride_};
    sum_up_constraints(steps, result);
    environments_->sum_up(backend_, request_, steps, result);
  }

  void sum_up_constraints(const EpisodeSteps& steps, Evaluation& result) {
    if (constraints_ == 0) return;
    const std::vector<float> largest = downloaded(largest_);
    result.constraints.resize(static_cast<std::size_t>(constraints_));
    for (Index i = 0; i < constraints_; ++i) {
      ConstraintFigures& c = result.constraints[static_cast<std::size_t>(i)];
      std::vector<float> values;
      double violated = 0;
      steps.for_each([&](Index t, Index env) {
        const float of_step = largest[static_cast<std::size_t>((t * constraints_ + i) * stride_ + env)];
        if (of_step >= 0.0f) ++c.applied;
        if (of_step > 0.0f) ++violated;
        values.push_back(std::max(of_step, 0.0f));
      });
      const double count = std::max(1.0, static_cast<double>(values.size()));
      for (const float value : values) c.mean += static_cast<double>(value) / count;
      c.violated = violated / count;
      c.violated_when_applied = violated / c.applied;
      c.applied /= count;
      if (values.empty()) continue;
      const auto place = values.begin() + static_cast<std::ptrdiff_t>(0.99 * static_cast<double>(values.size() - 1));
      std::nth_element(values.begin(), place, values.end());
      c.p99 = static_cast<double>(*place);
    }
  }

  static float* floats_in(Tensor& tensor) { return reinterpret_cast<float*>(tensor.bytes.data()); }

  void keep_trace(Evaluation& result) {
    // Rows on the device are padded with surplus environments, which the trace leaves out.
    const auto rows_of = [&](const char* name, const Buffer<float>& buffer, Index width, bool flat) {
      const std::vector<float> all = downloaded(buffer);
      std::vector<float> packed;
      for (Index t = 0; t < steps_; ++t) {
        const auto row = all.begin() + t * stride_ * width;
        packed.insert(packed.end(), row, row + count_ * width);
      }
      result.trace.push_back(make_tensor(
          name, flat ? std::vector<std::int64_t>{steps_, count_} : std::vector<std::int64_t>{steps_, count_, width},
          packed));
    };
    // [step][row][environment] becomes [step, environment, row].
    const auto columns_of = [&](const char* name, const Buffer<float>& buffer, Index width) {
      const std::vector<float> all = downloaded(buffer);
      std::vector<float> packed;
      for (Index t = 0; t < steps_; ++t) {
        for (Index env = 0; env < count_; ++env) {
          for (Index r = 0; r < width; ++r)
            packed.push_back(all[static_cast<std::size_t>((t * width + r) * stride_ + env)]);
        }
      }
      result.trace.push_back(make_tensor(name, {steps_, count_, width}, packed));
    };
    rows_of("observation", observation_, observations_, false);
    rows_of("action", action_, actions_, false);
    rows_of("reward", reward_, 1, true);
    columns_of("state", state_, states_);
    rows_of("active", finished_, 1, true);
    // `finished` is 1 once the episode is over; active is the opposite.
    auto* over = floats_in(result.trace.back());
    for (Index i = 0; i < steps_ * count_; ++i) over[i] = 1.0f - over[i];
    if (environments_->figures() > 0) columns_of("figures", figures_, environments_->figures());
    if (constraints_ == 0 && environments_->figures() == 0) return;
    columns_of("violation", largest_, constraints_);
    // Where a constraint does not apply, `violation` is 0 and `applied` is 0.
    Tensor& violation = result.trace.back();
    Tensor applied = violation;
    applied.name = "applied";
    const auto values = floats_in(violation), flags = floats_in(applied);
    for (std::size_t i = 0; i < violation.bytes.size() / sizeof(float); ++i) {
      flags[i] = values[i] >= 0.0f ? 1.0f : 0.0f;
      values[i] = std::max(values[i], 0.0f);
    }
    result.trace.push_back(std::move(applied));
  }

  Backend& backend_;
  const EvaluationRequest& request_;
  std::unique_ptr<Environments<Backend>> environments_;
  Index count_, stride_, observations_, actions_, states_, steps_, constraints_ = 0;
  Buffer<float> observation_, final_observation_, action_, reward_, ended_, state_, finished_, kept_;
  Buffer<float> figures_, violation_, largest_;
  Buffer<int> begin_;
};

/// Runs `request.episodes` environments until each has finished an episode. Throws Error where policy and task do not
/// fit.
template <class Backend>
Evaluation evaluate_policy(Backend& backend, const EvaluationRequest& request, const Policy& policy) {
  return PolicyEvaluation<Backend>(backend, request, policy).run(policy);
}

/// Measures the speed of environments with random actions, which the kernel draws, and resets, for about
/// request.seconds.
template <class Backend>
EnvironmentBenchmark drive_randomly(Backend& backend, const BenchmarkRequest& request) {
  using Clock = std::chrono::steady_clock;
  using Context = typename Backend::Context;
  const auto environments = make_environments(backend, {request.task, request.num_envs, {}, nullptr});
  const Index stride = environments->stride(), observations = request.task->policy().size();
  const auto floats = [&](Index size) { return backend.template make_buffer<float>(size); };
  auto observation = floats(stride * observations), final_observation = floats(stride * observations);
  auto reward = floats(stride), ended = floats(stride);
  environments->reset(backend, request.seed, true, {observation.data()});
  const StepOutput out{reward.data(), ended.data(), observation.data(), final_observation.data()};

  // Steps of a launch: so many that starting it costs little, so few that the time asked for is not exceeded by much. A
  // multiple of four, as the kernel draws four actions at once.
  const int steps = static_cast<int>(std::clamp<Index>(environments->worth_a_launch() / stride / 4 * 4, 4, 512));
  EnvironmentBenchmark result;
  std::uint32_t clock = 0;
  const auto run = [&] {
    backend.for_tiles(stride, [&](const Context& context, Range range) {
      environments->drive(context, range, request.seed, clock, steps, out);
    });
    clock += static_cast<std::uint32_t>(steps);
  };
  run();
  environments->clear_statistics(backend);
  backend.synchronise();
  const auto begin = Clock::now();
  do {
    run();
    backend.synchronise();
    result.steps += steps * environments->count();
    result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  } while (result.seconds < request.seconds);

  result.episodes = environments->total(backend, kFinished);
  result.nonfinite = environments->total(backend, kNonfinite);
  result.contacts_over_slots = environments->total(backend, kOverSlots);
  return result;
}

}  // namespace stampede
