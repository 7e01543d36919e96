#pragma once
/// \file Evaluation of a deterministic policy, and the benchmark of an environment, on any backend.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/engine.hpp"
#include "host/nets/networks.hpp"
#include "host/simulate/environments.hpp"

namespace stampede {

/// Keeps the figures of each environment's first finished episode.
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

/// One evaluation: its buffers, the episodes, and the figures that come of them.
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
    if (policy.observations() != observations_ || policy.actions() != actions_ || policy.actor.layers.empty()) {
      throw Error("policy: it maps " + std::to_string(policy.observations()) + " observations to " +
                  std::to_string(policy.actions()) + " actions, task '" + request.task->name + "' has " +
                  std::to_string(observations_) + " and " + std::to_string(actions_));
    }
    // Without a trace every step overwrites the last.
    const Index kept_steps = request.trace ? steps_ : 1;
    observation_ = floats((kept_steps + 1) * stride_ * observations_);
    final_observation_ = floats(stride_ * observations_);
    action_ = floats(kept_steps * stride_ * actions_);
    reward_ = floats(kept_steps * stride_);
    ended_ = floats(kept_steps * stride_);
    if (request.trace) state_ = floats(steps_ * states_ * stride_);
    finished_ = floats(request.trace || request.task->legged ? steps_ * stride_ : stride_);
    kept_ = floats(4 * stride_);
    if (request.task->legged) {
      const ConstraintsSpec& constraints = request.task->constraints;
      figures_ = floats(steps_ * environments_->figures() * stride_);
      constraints_ = static_cast<Index>(constraints.list.size());
      violation_ = floats(std::max<Index>(1, static_cast<Index>(constraints.columns.size()) * stride_));
      largest_ = floats(steps_ * std::max<Index>(1, constraints_) * stride_);
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
    if (request_.task->legged) sum_up_legged(result.legged);
    if (request_.trace) keep_trace(result);
    return result;
  }

 private:
  Buffer<float> floats(Index size) { return backend_.template make_buffer<float>(size); }

  std::vector<float> downloaded(const Buffer<float>& buffer) {
    std::vector<float> values(static_cast<std::size_t>(buffer.size()));
    backend_.download(buffer, values.data(), buffer.size());
    return values;
  }

  void run_episodes(const Policy& policy) {
    std::vector<int> sizes = {policy.actor.layers.front().inputs};
    for (const DenseLayer& layer : policy.actor.layers) sizes.push_back(layer.outputs);
    typename Backend::Mlp actor(backend_, sizes, activation_of(policy.actor.activation), 0, stride_);
    const Index parameter_count = actor.parameters().end;
    auto parameters = floats(parameter_count);
    std::vector<float> values(static_cast<std::size_t>(parameter_count), 0.0f);
    actor.write(policy.actor.layers, values.data());
    backend_.upload(parameters, values.data(), parameter_count);
    actor.weights_changed(backend_, parameters.data());
    ObservationNormaliser<Backend> normaliser(backend_, static_cast<int>(observations_), policy.observation_clip);
    normaliser.write(backend_, std::vector<float>(policy.observation_mean.size(), 0.0f), policy.observation_mean,
                     policy.observation_variance);
    ActionBounds<Backend> bounds(backend_, policy.action_centre, policy.action_scale, policy.action_low,
                                 policy.action_high);
    typename Backend::Scratch scratch(backend_, stride_, normaliser.stride());
    auto control = backend_.template make_buffer<Control>(1);
    const Control start{};
    backend_.upload(control, &start, 1);
    environments_->reset(backend_, request_.seed, false, {observation_.data()});
    const EnvironmentView view = environments_->view();

    backend_.for_tiles(stride_, [&](const Context& context, Range range) {
      float* rows = scratch.at(context);
      for (Index t = 0; t < steps_; ++t) {
        const Index at = request_.trace ? t * stride_ : 0;
        const Index next = request_.trace ? at + stride_ : 0;
        if (request_.trace) environments_->copy_states(context, range, state_.data() + t * states_ * stride_);
        if (request_.trace || request_.task->legged) {
          context.launch(range, CopyElements{kept_.data(), finished_.data() + t * stride_});
        }
        const float* now = observation_.data() + (at + range.begin) * observations_;
        normaliser.apply(context, now, nullptr, range.size(), rows);
        const float* mean = actor.forward(context, parameters.data(), rows, normaliser.stride(), range.size());
        context.launch(range, MeanActions{mean, actor.output_stride(), range.begin, static_cast<int>(actions_),
                                          bounds.scaling(), action_.data() + at * actions_});
        StepOutput out{reward_.data() + at, ended_.data() + at, observation_.data() + next * observations_,
                       final_observation_.data()};
        if (request_.task->legged) {
          out.violation = violation_.data();
          out.violation_stride = stride_;
          out.figures = figures_.data() + t * environments_->figures() * stride_;
        }
        environments_->step(context, range, request_.seed, control.data(), static_cast<int>(t),
                            action_.data() + at * actions_, out);
        if (request_.task->legged) {
          context.launch(range, LargestColumns{violation_.data(), begin_.data(), static_cast<int>(constraints_),
                                               stride_, stride_, largest_.data() + t * constraints_ * stride_});
        }
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

  void sum_up_legged(LeggedEvaluation& result) {
    const std::vector<float> figures = downloaded(figures_), finished = downloaded(finished_),
                             largest = downloaded(largest_), kept = downloaded(kept_);
    const LeggedSpec& legged = *request_.task->legged;
    const double weight = static_cast<double>(legged.constants.weight);
    const auto skipped =
        static_cast<float>(1.0f / legged.constants.control_dt);  // the first second after a command changed
    double tracked = 0, travelling = 0, steps = 0;
    std::vector<std::vector<float>> violations(static_cast<std::size_t>(constraints_));
    result.constraints.resize(violations.size());
    for (Index t = 0; t < steps_; ++t) {
      for (Index env = 0; env < count_; ++env) {
        if (finished[static_cast<std::size_t>(t * stride_ + env)] != 0.0f) continue;
        const auto figure = [&](LeggedFigure which) {
          return static_cast<double>(
              figures[static_cast<std::size_t>((t * kLeggedFigures + static_cast<Index>(which)) * stride_ + env)]);
        };
        ++steps;
        const double x = figure(LeggedFigure::kVelocityX), y = figure(LeggedFigure::kVelocityY);
        const double wanted_x = figure(LeggedFigure::kCommandX), wanted_y = figure(LeggedFigure::kCommandY);
        if (figure(LeggedFigure::kCommandAge) > static_cast<double>(skipped)) {
          ++tracked;
          result.tracking_error_linear += std::hypot(x - wanted_x, y - wanted_y);
          result.tracking_error_angular +=
              std::fabs(figure(LeggedFigure::kYawRate) - figure(LeggedFigure::kCommandYaw));
        }
        if (const double speed = std::hypot(x, y); std::hypot(wanted_x, wanted_y) > 0.3 && speed > 0.01) {
          ++travelling;
          result.cost_of_transport += figure(LeggedFigure::kPower) / (weight * speed);
        }
        for (Index c = 0; c < constraints_; ++c) {
          const float of_step = largest[static_cast<std::size_t>((t * constraints_ + c) * stride_ + env)];
          if (of_step >= 0.0f) ++result.constraints[static_cast<std::size_t>(c)].applied;
          violations[static_cast<std::size_t>(c)].push_back(std::max(of_step, 0.0f));
        }
      }
    }
    // Where no step counts, there is no figure: NaN.
    result.tracking_error_linear /= tracked;
    result.tracking_error_angular /= tracked;
    result.cost_of_transport /= travelling;
    double survivors = 0;
    for (Index env = 0; env < count_; ++env) {
      const float fell = kept[static_cast<std::size_t>(3 * stride_ + env)];
      result.fall_rate += static_cast<double>(fell) / static_cast<double>(count_);
      const bool to_the_end =
          fell == 0.0f && kept[static_cast<std::size_t>(2 * stride_ + env)] >= static_cast<float>(steps_);
      if (to_the_end) ++survivors;
    }
    result.survival = survivors / static_cast<double>(count_);
    if (legged.constants.levels > 0 && !request_.commands.empty()) count_crossings(figures, finished, result);
    for (std::size_t i = 0; i < violations.size(); ++i) {
      std::vector<float>& values = violations[i];
      LeggedEvaluation::Constraint& c = result.constraints[i];
      double violated = 0;
      for (const float value : values) {
        if (value > 0.0f) ++violated;
        c.mean += static_cast<double>(value) / std::max(1.0, steps);
      }
      c.violated = violated / std::max(1.0, steps);
      c.violated_when_applied = violated / c.applied;
      c.applied /= std::max(1.0, steps);
      if (!values.empty()) {
        const auto place = values.begin() + static_cast<std::ptrdiff_t>(0.99 * static_cast<double>(values.size() - 1));
        std::nth_element(values.begin(), place, values.end());
        c.p99 = static_cast<double>(*place);
      }
    }
  }

  /// Counts the episodes that were told to walk straight and far enough to leave the tile, and those that left it, also where they fell on
  /// the next one.
  void count_crossings(const std::vector<float>& figures, const std::vector<float>& finished,
                       LeggedEvaluation& result) {
    const LeggedSpec& legged = *request_.task->legged;
    const LeggedConstants& c = legged.constants;
    const float half = 0.5f * c.tile, seconds = c.control_dt * static_cast<float>(c.max_steps);
    result.crossings.resize(legged.spawn.size() / 3);
    for (Index env = 0; env < count_; ++env) {
      const float* const command = request_.commands.data() + 3 * env;
      if (command[2] != 0.0f || std::hypot(command[0], command[1]) * seconds < 1.2f * half) continue;
      LeggedEvaluation::Crossing& crossing = result.crossings[static_cast<std::size_t>(legged.tile_of(env))];
      ++crossing.trials;
      float farthest = 0;
      for (Index t = 0; t < steps_ && finished[static_cast<std::size_t>(t * stride_ + env)] == 0.0f; ++t) {
        const Index row = t * kLeggedFigures + static_cast<Index>(LeggedFigure::kDistance);
        farthest = std::max(farthest, figures[static_cast<std::size_t>(row * stride_ + env)]);
      }
      if (farthest > half) ++crossing.crossed;
    }
  }

  static float* floats_in(Tensor& tensor) { return reinterpret_cast<float*>(tensor.bytes.data()); }

  void keep_trace(Evaluation& result) {
    // Device rows hold surplus environments behind the last one; the trace does not.
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
    if (!request_.task->legged) return;
    columns_of("figures", figures_, environments_->figures());
    columns_of("violation", largest_, constraints_);
    // What does not apply is not violated.
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

/// Runs `request.episodes` environments until each has finished an episode. Throws Error where policy and task do not fit.
template <class Backend>
Evaluation evaluate_policy(Backend& backend, const EvaluationRequest& request, const Policy& policy) {
  return PolicyEvaluation<Backend>(backend, request, policy).run(policy);
}

/// Random actions, drawn in the kernel, resets included.
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

  // Some four million steps at a time (of walking robots fewer): long enough to hide the start, short enough to stop in
  // time. A multiple of four, as the kernel draws four actions at once.
  const Index at_once = request.task->legged != nullptr ? Index{1} << 15 : Index{1} << 22;
  const int steps = static_cast<int>(std::clamp<Index>(at_once / stride / 4 * 4, 4, 512));
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
