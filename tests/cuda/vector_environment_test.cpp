/// \file Environments for callers' own actions on the GPU: actions from either side are the same, and they go on from a
/// state.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>

#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

constexpr int kEnvs = 101;

std::vector<float> actions_at(const TaskSpec& task, int step) {
  std::vector<float> given;
  for (int env = 0; env < kEnvs; ++env) {
    for (std::size_t a = 0; a < task.action.centre.size(); ++a) {
      const float wave = std::sin(0.37f * static_cast<float>(step) + 0.1f * static_cast<float>(env + a));
      given.push_back(task.action.centre[a] + 1.2f * task.action.scale[a] * wave);
    }
  }
  return given;
}

TEST(CudaVectorEnvironment, ActionsFromEitherSideAndFromAState) {
  const auto engine = make_engine("cuda", 1);
  for (const Settings& settings : {awkward_settings(), walking_settings(), rough_settings(), seeing_settings()}) {
    SCOPED_TRACE(settings.task);
    const auto task = plan_task(settings).spec;
    const EnvironmentRequest request{task, kEnvs, 5, true};
    const auto from_host = engine->make_environment(request), on_device = engine->make_environment(request),
               restored = engine->make_environment(request);
    EXPECT_NE(from_host->stream(), nullptr);
    EXPECT_TRUE(from_host->rewards().on_device);
    for (int step = 0; step < 30; ++step) {
      const std::vector<float> actions = actions_at(*task, step);
      from_host->step(actions);
      const DeviceArray place = on_device->actions();
      on_device->wait();
      ASSERT_EQ(cudaMemcpy(place.data, actions.data(), actions.size() * sizeof(float), cudaMemcpyHostToDevice),
                cudaSuccess);
      on_device->step(place);
      if (step == 10) restored->restore(from_host->state());
      if (step > 10) restored->step(actions);
    }
    EXPECT_TRUE(same_state(from_host->state(), on_device->state()));
    EXPECT_TRUE(same_state(from_host->state(), restored->state()));
    EXPECT_EQ(from_host->counts().nonfinite, 0);
    EXPECT_EQ(from_host->counts().steps, 30 * kEnvs);
  }
}

/// A step of the pendulum is too short for rounding to grow.
TEST(CudaVectorEnvironment, AStepIsThatOfTheCpu) {
  const auto task = plan_task(awkward_settings()).spec;
  const EnvironmentRequest request{task, kEnvs, 5, false};
  const auto ours = make_engine("cuda", 1)->make_environment(request);
  const auto theirs = engine_for(best_instruction_set(), 1)->make_environment(request);
  for (const auto& environment : {ours.get(), theirs.get()}) environment->step(actions_at(*task, 0));
  const auto compare = [](const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4f + 1e-4f * std::fabs(b[i])) << i;
  };
  compare(ours->observations().to_host(), theirs->observations().to_host());
  compare(ours->rewards().to_host(), theirs->rewards().to_host());
  EXPECT_EQ(ours->ended().to_host(), theirs->ended().to_host());
}

TEST(CudaVectorEnvironment, CommandsPushesAndStatesAreThoseOfTheCpu) {
  const auto task = plan_task(walking_settings()).spec;
  const std::vector<float> commands(3 * kEnvs, 0.5f), others(3 * kEnvs, -0.6f);
  const EnvironmentRequest request{task, kEnvs, 5, false, commands};
  const auto ours = make_engine("cuda", 1)->make_environment(request);
  const auto theirs = engine_for(best_instruction_set(), 1)->make_environment(request);
  const auto compare_states = [&] {
    const std::vector<float> a = ours->states().to_host(), b = theirs->states().to_host();
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-4f + 1e-4f * std::fabs(b[i])) << i;
  };
  compare_states();
  for (const auto& environment : {ours.get(), theirs.get()}) environment->push(17, 1.5f, -2.5f);
  compare_states();
  const std::size_t velocity = 19 * kEnvs + 17;  // qpos has 19 rows
  EXPECT_EQ(ours->states().to_host()[velocity], 1.5f);
  EXPECT_EQ(ours->states().to_host()[velocity + kEnvs], -2.5f);
  for (const auto& environment : {ours.get(), theirs.get()}) {
    environment->set_commands(others);
    environment->step(actions_at(*task, 0));
  }
  const auto& names = task->policy().names;
  const auto told = static_cast<std::size_t>(std::find(names.begin(), names.end(), "command.x") - names.begin());
  for (int env = 0; env < kEnvs; ++env) {
    EXPECT_EQ(ours->observations().to_host()[static_cast<std::size_t>(env) * names.size() + told], -0.6f);
  }
}

TEST(CudaVectorEnvironment, FormulasAreThoseOfTheCpu) {
  const auto task =
      plan_task(
          walking_settings({"rewards.f.formula='exp(-velocity_x^2) - 0.1 * sum(abs(foot_velocity_z))'",
                            "constraints.f.formula='foot_height - 0.02'", "constraints.f.when='command_speed > 0.1'",
                            "constraints.apart.formula='0.1 - limb_distance'",
                            "constraints.ground.formula='largest(abs(scan_height * scan_x)) - mean(scan_clearance)'",
                            "terminations.f.formula='base_height < -1'", "state.phase.start='uniform(0, 1)'",
                            "state.phase.next='fract(phase + 2 * control_dt)'",
                            "observations.terms.clock.formula=['sin(2 * pi * phase)', 'phase']",
                            "symmetry.mirror=false", "observations.policy=['clock', 'joint_position', 'command']",
                            "observations.critic=['base_linear_velocity', 'joint_position', 'command', 'clock']"}))
          .spec;
  const EnvironmentRequest request{task, kEnvs, 5, false};
  const auto ours = make_engine("cuda", 1)->make_environment(request);
  const auto theirs = engine_for(best_instruction_set(), 1)->make_environment(request);
  const auto compare = [](const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-3f + 1e-3f * std::fabs(b[i])) << i;
  };
  for (int step = 0; step < 3; ++step) {
    for (const auto& environment : {ours.get(), theirs.get()}) environment->step(actions_at(*task, step));
    compare(ours->observations().to_host(), theirs->observations().to_host());
    compare(ours->observations("critic").to_host(), theirs->observations("critic").to_host());
    compare(ours->rewards().to_host(), theirs->rewards().to_host());
    compare(ours->violations().to_host(), theirs->violations().to_host());
    EXPECT_EQ(ours->ended().to_host(), theirs->ended().to_host());
  }
}

}  // namespace
}  // namespace stampede::testing
