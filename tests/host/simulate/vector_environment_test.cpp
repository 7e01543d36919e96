/// \file Environments for callers' own actions: the same bits however they are run, the evaluator's numbers, ends,
/// refusals.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "kernels/constraints.hpp"
#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

using Arrays = std::map<std::string, std::vector<float>>;

constexpr int kEnvs = 101;  // a multiple of neither a pack nor a tile

std::shared_ptr<const TaskSpec> spec_of(const Settings& settings) { return plan_task(settings).spec; }

/// What lies in all arrays.
Arrays arrays_of(VectorEnvironment& environment) {
  Arrays all = {{"observations", environment.observations().to_host()},
                {"rewards", environment.rewards().to_host()},
                {"ended", environment.ended().to_host()},
                {"final observations", environment.final_observations().to_host()},
                {"violations", environment.violations().to_host()},
                {"states", environment.states().to_host()}};
  if (environment.task().privileged_size() > 0) all["critic"] = environment.observations("critic").to_host();
  return all;
}

/// Actions that go up and down, another way in each environment, and beyond their ranges now and then.
std::vector<float> actions_at(const VectorEnvironment& environment, int step) {
  const ActionSpec& action = environment.task().action;
  std::vector<float> given;
  for (std::int64_t env = 0; env < environment.num_envs(); ++env) {
    for (std::size_t a = 0; a < action.centre.size(); ++a) {
      const float wave = std::sin(0.37f * static_cast<float>(step) + 0.1f * static_cast<float>(env + 3 * a));
      given.push_back(action.centre[a] + 1.2f * action.scale[a] * wave);
    }
  }
  return given;
}

void walk(VectorEnvironment& environment, int from, int to) {
  for (int step = from; step < to; ++step) environment.step(actions_at(environment, step));
}

/// The states, [num_envs][states].
std::vector<float> of_each(VectorEnvironment& environment) {
  const DeviceArray states = environment.states();
  const std::vector<float> all = states.to_host();
  std::vector<float> turned(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t row = i / static_cast<std::size_t>(states.columns),
                      env = i % static_cast<std::size_t>(states.columns);
    turned[env * static_cast<std::size_t>(states.rows) + row] = all[i];
  }
  return turned;
}

struct Case {
  const char* name;
  Settings settings;
};
std::vector<Case> cases() {
  return {{"pendulum", awkward_settings()},
          {"go2-flat", walking_settings()},
          {"go2-rough", rough_settings()},
          {"go2-rough with a camera", seeing_settings()},
          {"groups that are read late", walking_settings({"policy_observation.history=2", "critic_observation.every=2",
                                                          "critic_observation.delay=3"})}};
}

TEST(VectorEnvironment, TheSameForAnyThreadsAndAfterAReset) {
  constexpr int kSteps = 40;  // of go2 more than two episodes
  for (const Case& each : cases()) {
    SCOPED_TRACE(each.name);
    const EnvironmentRequest request{spec_of(each.settings), kEnvs, 5, true};
    Arrays first;
    for (const int threads : {1, 2, 3}) {
      const auto environment = engine_for(best_instruction_set(), threads)->make_environment(request);
      const Arrays fresh = arrays_of(*environment);
      walk(*environment, 0, kSteps);
      const Arrays after = arrays_of(*environment);
      if (threads == 1) first = after;
      EXPECT_TRUE(after == first) << threads << " threads";
      EXPECT_FALSE(after == fresh);
      EXPECT_EQ(environment->counts().steps, kSteps * kEnvs);
      EXPECT_EQ(environment->counts().nonfinite, 0);
      environment->reset();
      EXPECT_EQ(environment->counts().steps, 0);
      EXPECT_EQ(environment->counts().episodes, 0);
      EXPECT_TRUE(arrays_of(*environment) == fresh);
      walk(*environment, 0, kSteps);
      EXPECT_TRUE(arrays_of(*environment) == first) << "after a reset";
    }
    const auto engine = engine_for(best_instruction_set(), 2);
    const auto other = engine->make_environment({request.task, kEnvs, 6, true});
    walk(*other, 0, kSteps);
    EXPECT_FALSE(arrays_of(*other)["observations"] == first["observations"]) << "another seed";
  }
}

TEST(VectorEnvironment, GoesOnFromARestoredState) {
  for (const Case& each : cases()) {
    SCOPED_TRACE(each.name);
    const auto engine = engine_for(best_instruction_set(), 2);
    const auto task = spec_of(each.settings);
    const auto straight = engine->make_environment({task, kEnvs, 5, true});
    walk(*straight, 0, 23);
    const std::vector<Tensor> state = straight->state();
    const auto restored = engine->make_environment({task, kEnvs, 99, false});
    walk(*restored, 0, 4);
    restored->restore(state);
    EXPECT_TRUE(arrays_of(*restored) == arrays_of(*straight));
    walk(*straight, 23, 45);
    walk(*restored, 23, 45);
    EXPECT_TRUE(arrays_of(*restored) == arrays_of(*straight));
    EXPECT_TRUE(same_state(restored->state(), straight->state()));
    EXPECT_EQ(restored->counts().episodes, straight->counts().episodes);
    EXPECT_EQ(restored->counts().steps, 45 * kEnvs);
  }
}

/// A policy that does not look: each action is somewhere within its range.
Policy blind_policy(const TaskSpec& task) {
  Policy policy = still_policy(task);
  std::vector<DenseLayer> layers = policy.layers();
  std::vector<float>& bias = layers.front().bias;
  for (std::size_t a = 0; a < bias.size(); ++a) bias[a] = a % 2 == 0 ? 0.7f : -0.9f;
  policy.set_layers(layers);
  return policy;
}

TEST(VectorEnvironment, DoesWhatTheEvaluatorDoes) {
  for (const Case& each : cases()) {
    SCOPED_TRACE(each.name);
    const auto engine = engine_for(best_instruction_set(), 2);
    EvaluationRequest request;
    request.task = spec_of(each.settings);
    request.episodes = 37;
    request.seed = 4;
    request.trace = true;
    Evaluation evaluation = engine->evaluate(request, blind_policy(*request.task));
    const auto traced = [&](const char* name, int step) {
      const Tensor& tensor = find(evaluation.trace, name);
      const std::vector<float> all = floats_of(tensor);
      const auto size = static_cast<std::ptrdiff_t>(all.size()) / tensor.shape[0];
      return std::vector<float>(all.begin() + step * size, all.begin() + (step + 1) * size);
    };
    const auto environment = engine->make_environment({request.task, request.episodes, request.seed, false});
    const auto& constraints = request.task->constraints.list;
    int violated = 0;
    for (int step = 0; step < request.task->max_steps; ++step) {
      ASSERT_EQ(environment->observations().to_host(), traced("observation", step)) << "step " << step;
      ASSERT_EQ(of_each(*environment), traced("state", step)) << "step " << step;
      environment->step(traced("action", step));
      ASSERT_EQ(environment->rewards().to_host(), traced("reward", step)) << "step " << step;
      if (constraints.empty()) continue;
      // The trace has each constraint's largest column.
      const std::vector<float> columns = environment->violations().to_host();
      const std::vector<float> violation = traced("violation", step), applied = traced("applied", step);
      for (int env = 0; env < request.episodes; ++env) {
        for (std::size_t c = 0; c < constraints.size(); ++c) {
          float most = kNotApplied;
          for (int i = constraints[c].begin; i < constraints[c].begin + constraints[c].columns; ++i) {
            most = std::max(most, columns[static_cast<std::size_t>(i * request.episodes + env)]);
          }
          const std::size_t at = static_cast<std::size_t>(env) * constraints.size() + c;
          ASSERT_EQ(std::max(most, 0.0f), violation[at]) << constraints[c].name;
          ASSERT_EQ(most > kNotApplied, applied[at] == 1.0f) << constraints[c].name;
          violated += most > 0.0f;
        }
      }
    }
    EXPECT_EQ(environment->counts().nonfinite, evaluation.nonfinite);
    EXPECT_EQ(violated > 0, !constraints.empty());
  }
}

/// A policy that looks: every action follows some of what is seen.
Policy seeing_policy(const TaskSpec& task) {
  Policy policy = still_policy(task);
  std::vector<DenseLayer> layers = policy.layers();
  std::vector<float>& weight = layers.front().weight;
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = 0.3f * std::sin(1.7f * static_cast<float>(i));
  policy.set_layers(layers);
  return policy;
}

TEST(VectorEnvironment, APolicyActsInItAsInTheEvaluator) {
  for (const Case& each : cases()) {
    SCOPED_TRACE(each.name);
    const auto engine = engine_for(best_instruction_set(), 2);
    EvaluationRequest request;
    request.task = spec_of(each.settings);
    request.episodes = 37;
    request.seed = 4;
    request.trace = true;
    const Policy policy = seeing_policy(*request.task);
    Evaluation evaluation = engine->evaluate(request, policy);
    const std::vector<float> actions = floats_of(find(evaluation.trace, "action"));
    const auto environment = engine->make_environment({request.task, request.episodes, request.seed, false});
    const auto runner = environment->make_policy_runner(policy);
    const auto alone = engine->make_policy(policy, request.episodes);  // the same on rows that are passed to it
    std::vector<float> by_itself(static_cast<std::size_t>(request.episodes * policy.actions()));
    for (std::size_t step = 0; step < static_cast<std::size_t>(request.task->max_steps); ++step) {
      alone->act(environment->observations().to_host().data(), by_itself.data());
      const DeviceArray chosen = runner->act();
      const std::vector<float> values = chosen.to_host();
      ASSERT_EQ(by_itself, values) << "step " << step;
      ASSERT_TRUE(
          std::equal(values.begin(), values.end(), actions.begin() + static_cast<std::ptrdiff_t>(step * values.size())))
          << "step " << step;
      environment->step(chosen);
    }
    Policy other = policy;
    other.observation_mean.pop_back();
    EXPECT_THROW(environment->make_policy_runner(other), Error);
    EXPECT_THROW(engine->make_policy(policy, 0), Error);
  }
}

TEST(VectorEnvironment, RobotsAreToldWhatIsGivenAndPushed) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto task = spec_of(walking_settings(
      {"noise.base_angular_velocity=0", "randomise.push_velocity=0", "randomise.observation_delay=[0, 0]"}));
  std::vector<float> commands;
  for (int env = 0; env < kEnvs; ++env) {
    commands.insert(commands.end(), {0.01f * static_cast<float>(env), -0.5f, 0.3f});
  }
  const auto environment = engine->make_environment({task, kEnvs, 5, false, commands});
  const std::vector<std::string>& names = task->policy().names;
  const auto told = static_cast<std::size_t>(std::ranges::find(names, "command.x") - names.begin());
  ASSERT_LT(told, names.size());
  const auto expect_told = [&](const std::vector<float>& want) {
    const std::vector<float> seen = environment->observations().to_host();
    for (std::size_t env = 0; env < kEnvs; ++env) {
      for (std::size_t i = 0; i < 3; ++i) {
        // Commands below the dead zone are 0.
        const float w = want[3 * env + i];
        EXPECT_TRUE(seen[env * names.size() + told + i] == w || std::abs(w) < 0.2f) << env << " " << i;
      }
    }
  };
  expect_told(commands);
  walk(*environment, 0, 20);  // episodes last 15 steps
  expect_told(commands);
  for (float& number : commands) number = 0.9f - number;
  environment->set_commands(commands);
  walk(*environment, 20, 21);
  expect_told(commands);

  const std::vector<float> before = of_each(*environment);
  environment->push(17, 1.5f, -2.5f);
  const std::vector<float> after = of_each(*environment);
  constexpr std::size_t kStates = 37, kVelocity = 17 * kStates + 19;
  std::vector<float> want = before;
  want[kVelocity] = 1.5f, want[kVelocity + 1] = -2.5f;
  EXPECT_EQ(after, want);
  environment->step(actions_at(*environment, 21));
  EXPECT_NEAR(of_each(*environment)[17 * kStates] - before[17 * kStates], 1.5f * 0.02f, 0.015f);
}

TEST(VectorEnvironment, EpisodesEndAtTheTimeLimit) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto task = spec_of(awkward_settings());
  for (const bool random_phase : {false, true}) {
    const auto environment = engine->make_environment({task, kEnvs, 5, random_phase});
    std::vector<int> ends(kEnvs, 0);
    int steps_with_ends = 0;
    for (int step = 0; step < task->max_steps; ++step) {
      environment->step(actions_at(*environment, step));
      const std::vector<float> ended = environment->ended().to_host();
      const std::vector<float> last = environment->final_observations().to_host();
      const std::vector<float> next = environment->observations().to_host();
      bool any = false;
      for (std::size_t env = 0; env < kEnvs; ++env) {
        if (ended[env] == 0.0f) continue;
        any = true;
        ++ends[env];
        EXPECT_EQ(ended[env], 2.0f);
        // Cosine and sine of the angle before the reset, which is another than after it.
        EXPECT_NEAR(std::hypot(last[3 * env], last[3 * env + 1]), 1.0f, 1e-5f);
        EXPECT_NE(last[3 * env], next[3 * env]);
      }
      steps_with_ends += any;
      EXPECT_TRUE(random_phase || any == (step == task->max_steps - 1)) << "step " << step;
    }
    EXPECT_EQ(std::count(ends.begin(), ends.end(), 1), kEnvs);
    EXPECT_EQ(steps_with_ends > 1, random_phase);
    // Episodes that began at a random age are not counted.
    const std::int64_t episodes = environment->counts().episodes;
    EXPECT_TRUE(random_phase ? episodes < kEnvs / 4 : episodes == kEnvs) << episodes;
  }
}

TEST(VectorEnvironment, ArraysAreAsLargeAsTheTaskSays) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const auto task = spec_of(walking_settings());
  const auto environment = engine->make_environment({task, kEnvs, 5, false});
  EXPECT_EQ(environment->num_envs(), kEnvs);
  EXPECT_EQ(&environment->task(), task.get());
  EXPECT_EQ(environment->stream(), nullptr);
  const auto shape_of = [](const DeviceArray& array) {
    EXPECT_FALSE(array.on_device);
    EXPECT_EQ(static_cast<std::int64_t>(array.to_host().size()), array.rows * array.columns);
    return std::vector<std::int64_t>{array.rows, array.columns};
  };
  using Shape = std::vector<std::int64_t>;
  EXPECT_EQ(shape_of(environment->actions()), (Shape{kEnvs, 12}));
  EXPECT_EQ(shape_of(environment->observations()), (Shape{kEnvs, 45}));
  EXPECT_EQ(shape_of(environment->observations("critic")), (Shape{kEnvs, task->privileged_size()}));
  EXPECT_EQ(shape_of(environment->final_observations()), (Shape{kEnvs, task->privileged_size()}));
  EXPECT_EQ(shape_of(environment->rewards()), (Shape{kEnvs, 1}));
  EXPECT_EQ(shape_of(environment->ended()), (Shape{kEnvs, 1}));
  EXPECT_EQ(shape_of(environment->violations()),
            (Shape{static_cast<std::int64_t>(task->constraints.columns.size()), kEnvs}));
  EXPECT_GT(task->constraints.columns.size(), 0u);
  // On a CPU the numbers may be read where they lie.
  const DeviceArray violations = environment->violations();
  walk(*environment, 0, 3);
  EXPECT_EQ(violations.data[5 * violations.stride + 7], violations.to_host()[5 * kEnvs + 7]);
}

TEST(VectorEnvironment, ActionsInPlaceAndBeyondTheirRanges) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto task = spec_of(awkward_settings());
  const EnvironmentRequest request{task, kEnvs, 5, false};
  const auto limit = engine->make_environment(request), beyond = engine->make_environment(request),
             in_place = engine->make_environment(request), still = engine->make_environment(request),
             centre = engine->make_environment(request);
  std::vector<float> large(kEnvs, 100.0f);
  limit->step(std::vector<float>(kEnvs, task->action.high[0]));
  beyond->step(DeviceArray{large.data(), kEnvs, 1, false});
  std::copy(large.begin(), large.end(), in_place->actions().data);
  in_place->step(in_place->actions());
  EXPECT_TRUE(arrays_of(*beyond) == arrays_of(*limit));
  EXPECT_TRUE(arrays_of(*in_place) == arrays_of(*limit));
  EXPECT_EQ(large[0], 100.0f) << "the caller's own array stays as it is";
  still->step(still->actions());
  centre->step(std::vector<float>(kEnvs, task->action.centre[0]));
  EXPECT_TRUE(arrays_of(*still) == arrays_of(*centre));
  EXPECT_FALSE(arrays_of(*still) == arrays_of(*limit));
}

TEST(VectorEnvironment, WhatIsNotFiniteEndsItsEpisodeAndIsCounted) {
  const auto engine = engine_for(best_instruction_set(), 2);
  for (const Settings& settings : {awkward_settings(), walking_settings()}) {
    const auto environment = engine->make_environment({spec_of(settings), kEnvs, 5, false});
    std::vector<float> actions = actions_at(*environment, 0);
    const std::size_t width = actions.size() / kEnvs;
    actions[17 * width] = actions[100 * width] = std::numeric_limits<float>::quiet_NaN();
    environment->step(actions);
    const std::vector<float> ended = environment->ended().to_host();
    for (std::size_t env = 0; env < kEnvs; ++env) EXPECT_EQ(ended[env], env == 17 || env == 100 ? 1.0f : 0.0f) << env;
    for (const float x : environment->observations().to_host()) ASSERT_TRUE(std::isfinite(x));
    EXPECT_EQ(environment->counts().nonfinite, 2);
    EXPECT_EQ(environment->counts().episodes, 2);
  }
}

template <class Body>
std::string refusal(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kBadInput);
    return error.what();
  }
  return "not refused";
}

TEST(VectorEnvironment, WhatDoesNotFitIsRefused) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const auto task = spec_of(awkward_settings());
  const auto make = [&](int envs) { return engine->make_environment({task, envs, 5, false}); };
  EXPECT_EQ(refusal([&] { make(0); }), "num_envs 0 is out of range; it must be at least 1");
  EXPECT_NE(refusal([&] { make(1 << 30); }).find("it must be at most "), std::string::npos);
  EXPECT_NE(refusal([&] { engine->make_environment({}); }).find("need a task"), std::string::npos);

  EXPECT_EQ(refusal([&] {
              engine->make_environment({task, 2, 5, false, {1, 2, 3}});
            }),
            "task 'pendulum' has no commands: no robot walks in it");
  const auto walkers = spec_of(walking_settings());
  EXPECT_EQ(refusal([&] {
              engine->make_environment({walkers, 2, 5, false, {1, 2, 3}});
            }),
            "commands: 3 values are given; [2][3], forward, sideways and turning, would be right");
  const auto drawn = engine->make_environment({walkers, 2, 5, false});
  EXPECT_NE(refusal([&] { drawn->set_commands({1, 2, 3, 4, 5, 6}); }).find("draw their commands"), std::string::npos);
  EXPECT_EQ(refusal([&] { drawn->push(2, 0, 0); }), "environment 2 is out of range; it must be from 0 to 1");
  EXPECT_NE(refusal([&] { make(5)->push(0, 0, 0); }).find("no robot walks in it"), std::string::npos);

  const auto environment = make(5);
  std::vector<float> actions(6, 0.0f);
  const auto step = [&](const DeviceArray& array) { return refusal([&] { environment->step(array); }); };
  EXPECT_EQ(refusal([&] { environment->step(actions); }),
            "actions: 6 values are given; [5][1], environments and actions, would be right");
  EXPECT_EQ(step({actions.data(), 1, 5, false}),
            "actions: [1][5] are given; [5][1], environments and actions, would be right");
  EXPECT_EQ(step({actions.data(), 5, 1, false, 2}),
            "actions: rows are 2 floats apart; 1, without gaps, would be right");
  EXPECT_EQ(step({nullptr, 5, 1, false}), "actions: the array has no data");
  EXPECT_NE(step({actions.data(), 5, 1, true}).find("lies on a GPU"), std::string::npos);
  EXPECT_EQ(refusal([&] { environment->observations("critic"); }),
            "task 'pendulum' has no group of observations 'critic'; it has: policy");
  EXPECT_EQ(refusal([&] { (void)environment->violations().to_host(); }), "not refused") << "none";
  DeviceArray foreign{actions.data(), 5, 1, false, 1, environment.get()};
  EXPECT_NE(refusal([&] { (void)foreign.to_host(); }).find("none of these"), std::string::npos);

  const Arrays before = arrays_of(*environment);
  EXPECT_NE(refusal([&] { environment->restore(make(50)->state()); }).find("tensor"), std::string::npos);
  std::vector<Tensor> state = environment->state();
  state.pop_back();
  EXPECT_NE(refusal([&] { environment->restore(state); }).find("is missing"), std::string::npos);
  EXPECT_TRUE(arrays_of(*environment) == before);
  EXPECT_EQ(environment->counts().steps, 0);
  environment->step(std::vector<float>(5, 0.0f));
  EXPECT_EQ(environment->counts().steps, 5);
}

}  // namespace
}  // namespace stampede::testing
