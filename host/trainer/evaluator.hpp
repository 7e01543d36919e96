#pragma once
/// \file Evaluation of a deterministic policy, and the benchmark of an environment, on any backend.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "envs/environments.hpp"
#include "host/engine/engine.hpp"
#include "host/trainer/networks.hpp"
#include "host/trainer/tensors.hpp"

namespace stampede {

/// Keeps the figures of each environment's first finished episode.
struct KeepFirstEpisode {
  EnvironmentView view;
  float* kept;  ///< [4][stride]: whether there was one, return, length, metric

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const auto now = load<Real>(view.finished + first) == Real(1.0f) && load<Real>(kept + first) == Real(0.0f);
    const float* const source[4] = {view.finished, view.finished_return, view.finished_length, view.finished_metric};
    STAMPEDE_UNROLL
    for (int i = 0; i < 4; ++i) {
      float* to = kept + i * view.stride + first;
      store(to, select(now, load<Real>(source[i] + first), load<Real>(to)));
    }
  }
};

/// Runs `request.episodes` environments until each has finished an episode. Throws Error where policy and task do not fit.
template <class Backend>
Evaluation evaluate_policy(Backend& backend, const EvaluationRequest& request, const Policy& policy) {
  using Context = typename Backend::Context;
  const auto environments =
      make_environments(backend, request.task, static_cast<Index>(request.episodes), request.environment);
  if (!environments) throw Error("task '" + request.task + "' is unknown to this engine");
  const Index count = environments->count(), stride = environments->stride();
  const Index observations = environments->observations(), actions = environments->actions();
  if (policy.observations() != observations || policy.actions() != actions || policy.actor.layers.empty()) {
    throw Error("policy: it maps " + std::to_string(policy.observations()) + " observations to " +
                std::to_string(policy.actions()) + " actions, task '" + request.task + "' has " +
                std::to_string(observations) + " and " + std::to_string(actions));
  }

  std::vector<int> sizes = {policy.actor.layers.front().inputs};
  for (const DenseLayer& layer : policy.actor.layers) sizes.push_back(layer.outputs);
  typename Backend::Mlp actor(backend, sizes, activation_of(policy.actor.activation), 0, stride);
  const Index parameter_count = actor.parameters().end;
  auto parameters = backend.template make_buffer<float>(parameter_count);
  std::vector<float> values(static_cast<std::size_t>(parameter_count), 0.0f);
  actor.write(policy.actor.layers, values.data());
  backend.upload(parameters, values.data(), parameter_count);
  actor.weights_changed(backend, parameters.data());
  ObservationNormaliser<Backend> normaliser(backend, static_cast<int>(observations), policy.observation_clip);
  normaliser.write(backend, std::vector<float>(policy.observation_mean.size(), 0.0f), policy.observation_mean,
                   policy.observation_variance);
  ActionBounds<Backend> bounds(backend, policy.action_centre, policy.action_scale, policy.action_low,
                               policy.action_high);
  typename Backend::Scratch scratch(backend, stride, normaliser.stride());

  const Index steps = environments->max_steps(), states = environments->states();
  const Index kept_steps = request.trace ? steps : 1;  // without a trace every step overwrites the last
  const auto floats = [&](Index size) { return backend.template make_buffer<float>(size); };
  auto observation = floats((kept_steps + 1) * stride * observations),
       final_observation = floats(stride * observations);
  auto action = floats(kept_steps * stride * actions), reward = floats(kept_steps * stride),
       ended = floats(kept_steps * stride);
  auto state = floats(request.trace ? steps * states * stride : 1), active = floats(request.trace ? steps * stride : 1);
  auto kept = floats(4 * stride);
  auto control = backend.template make_buffer<Control>(1);
  const Control start{};
  backend.upload(control, &start, 1);
  environments->reset(backend, request.seed, false, observation.data());
  const EnvironmentView view = environments->view();

  backend.for_tiles(stride, [&](const Context& context, Range range) {
    float* rows = scratch.at(context);
    for (Index t = 0; t < steps; ++t) {
      const Index at = request.trace ? t * stride : 0;
      const Index next = request.trace ? at + stride : 0;
      if (request.trace) {
        for (Index s = 0; s < states; ++s) {
          context.launch(range, CopyElements{view.state + s * stride, state.data() + (t * states + s) * stride});
        }
        context.launch(range, CopyElements{kept.data(), active.data() + t * stride});
      }
      const float* now = observation.data() + (at + range.begin) * observations;
      normaliser.apply(context, now, nullptr, range.size(), rows);
      const float* mean = actor.forward(context, parameters.data(), rows, normaliser.stride(), range.size());
      context.launch(range, MeanActions{mean, actor.output_stride(), range.begin, static_cast<int>(actions),
                                        bounds.scaling(), action.data() + at * actions});
      environments->step(
          context, range, request.seed, control.data(), static_cast<int>(t), action.data() + at * actions,
          {reward.data() + at, ended.data() + at, observation.data() + next * observations, final_observation.data()});
      context.launch(range, KeepFirstEpisode{view, kept.data()});
    }
  });
  backend.synchronise();

  std::vector<float> figures(static_cast<std::size_t>(4 * stride));
  backend.download(kept, figures.data(), 4 * stride);
  const auto figure = [&](int which, Index env) {
    return static_cast<double>(figures[static_cast<std::size_t>(which * stride + env)]);
  };
  Evaluation result;
  result.episodes = static_cast<int>(count);
  double square = 0;
  const double n = static_cast<double>(count);
  for (Index env = 0; env < count; ++env) {
    const double value = figure(1, env);
    result.returns.push_back(value);
    result.return_mean += value / n;
    result.episode_length_mean += figure(2, env) / n;
    result.metric += figure(3, env) / n;
    result.steps += static_cast<std::int64_t>(figure(2, env));
  }
  for (const double value : result.returns) square += (value - result.return_mean) * (value - result.return_mean) / n;
  result.return_std = std::sqrt(square);
  std::vector<float> nonfinite(static_cast<std::size_t>(count));
  backend.download(environments->buffer(), nonfinite.data(), count, view.nonfinite - environments->buffer().data());
  for (const float caught : nonfinite) result.nonfinite += static_cast<std::int64_t>(caught);

  if (request.trace) {
    // Device rows hold surplus environments behind the last one; the trace does not.
    const auto rows_of = [&](const char* name, auto& buffer, Index width) {
      std::vector<float> all(static_cast<std::size_t>(steps * stride * width)), packed;
      backend.download(buffer, all.data(), steps * stride * width);
      for (Index t = 0; t < steps; ++t) {
        const auto row = all.begin() + t * stride * width;
        packed.insert(packed.end(), row, row + count * width);
      }
      result.trace.push_back(make_tensor(
          name, width > 1 ? std::vector<std::int64_t>{steps, count, width} : std::vector<std::int64_t>{steps, count},
          packed));
    };
    rows_of("observation", observation, observations);
    rows_of("action", action, actions);
    result.trace.back().shape = {steps, count, actions};
    rows_of("reward", reward, 1);
    std::vector<float> all(static_cast<std::size_t>(steps * states * stride)), by_episode;
    backend.download(state, all.data(), steps * states * stride);
    for (Index t = 0; t < steps; ++t) {
      for (Index env = 0; env < count; ++env) {
        for (Index s = 0; s < states; ++s)
          by_episode.push_back(all[static_cast<std::size_t>((t * states + s) * stride + env)]);
      }
    }
    result.trace.push_back(make_tensor("state", {steps, count, states}, by_episode));
    rows_of("active", active, 1);
    // `kept` is 1 once the episode is over; active is the opposite.
    auto* flags = reinterpret_cast<float*>(result.trace.back().bytes.data());
    for (Index i = 0; i < steps * count; ++i) flags[i] = 1.0f - flags[i];
  }
  return result;
}

/// Random actions, drawn in the kernel, resets included.
template <class Backend>
EnvironmentBenchmark drive_randomly(Backend& backend, const Settings& settings, double seconds) {
  using Clock = std::chrono::steady_clock;
  using Context = typename Backend::Context;
  const auto environments =
      make_environments(backend, settings.task, static_cast<Index>(settings.train.num_envs), settings.environment);
  if (!environments) throw Error("task '" + settings.task + "' is unknown to this engine");
  const Index stride = environments->stride(), observations = environments->observations();
  const auto floats = [&](Index size) { return backend.template make_buffer<float>(size); };
  auto observation = floats(stride * observations), final_observation = floats(stride * observations);
  auto reward = floats(stride), ended = floats(stride);
  environments->reset(backend, settings.seed, true, observation.data());
  const StepOutput out{reward.data(), ended.data(), observation.data(), final_observation.data()};

  // Some four million steps at a time: long enough to hide the start, short enough to stop in time. A multiple of four, as
  // the kernel draws four actions at once.
  const int steps = static_cast<int>(std::clamp<Index>((Index{1} << 22) / stride / 4 * 4, 4, 512));
  EnvironmentBenchmark result;
  std::uint32_t clock = 0;
  const auto run = [&] {
    backend.for_tiles(stride, [&](const Context& context, Range range) {
      environments->drive(context, range, settings.seed, clock, steps, out);
    });
    clock += static_cast<std::uint32_t>(steps);
  };
  run();
  backend.launch(stride, ClearStatistics{environments->view()});
  backend.synchronise();
  const auto begin = Clock::now();
  do {
    run();
    backend.synchronise();
    result.steps += steps * environments->count();
    result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  } while (result.seconds < seconds);

  const EnvironmentView view = environments->view();
  const auto total = [&](const float* quantity) {
    std::vector<float> values(static_cast<std::size_t>(environments->count()));
    backend.download(environments->buffer(), values.data(), environments->count(),
                     quantity - environments->buffer().data());
    double sum = 0;
    for (const float value : values) sum += static_cast<double>(value);
    return static_cast<std::int64_t>(sum);
  };
  result.episodes = total(view.finished);
  result.nonfinite = total(view.nonfinite);
  return result;
}

}  // namespace stampede
