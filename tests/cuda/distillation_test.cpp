/// \file Students on the GPU: what they learn is what they learn on a CPU, the same bits again, and they go on.

#include <cmath>

#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

/// Students that look, remember, or both; one of a walking task with a depth camera; one with auxiliary losses.
std::vector<PlannedTask> students() {
  const std::vector<std::string> small = {
      "seed=3",           "train.num_envs=101",    "train.horizon=9", "train.iterations=8", "network.actor=[33]",
      "network.window=3", "distill.minibatch=250", "distill.epochs=3"};
  const auto plan = [&](std::vector<std::string> set) {
    set.insert(set.end(), small.begin(), small.end());
    SettingsSources sources;
    sources.set = std::move(set);
    return plan_task(resolve_settings(sources));
  };
  return {plan({"task=pendulum", "algo=dagger", "network.modules=[\"gru\", \"dense\"]", "network.gru=20"}),
          plan({"task=pendulum-pixels", "algo=online", "pixels.height=8", "pixels.width=10",
                "network.modules=[\"convolution\", \"gru\", \"dense\"]", "network.gru=20", "network.channels=[16, 16]",
                "network.kernels=[3, 2]", "network.strides=[2, 1]"}),
          plan_task(seeing_settings({"algo=online", "distill.observations=[\"height_scan\", \"joint_position\"]",
                                     "distill.minibatch=120", "distill.epochs=2"})),
          plan_task(rough_settings({"algo=dagger", "observations.policy=[\"joint_position\", \"command\"]",
                                    "distill.observations=[\"height_scan\", \"joint_position\"]", "distill.latent=0.5",
                                    "distill.reconstruct=2", "distill.minibatch=120", "distill.epochs=2"}))};
}

std::unique_ptr<Stage> stage_of(Engine& engine, const PlannedTask& task) {
  Policy teacher = still_policy(*teacher_spec(task));
  std::vector<DenseLayer> layers = teacher.layers();
  for (std::size_t i = 0; i < layers[0].weight.size(); ++i) {
    layers[0].weight[i] = 0.2f * std::sin(static_cast<float>(2 * i + 1));
  }
  teacher.set_layers(layers);
  teacher.log_std.assign(layers[0].bias.size(), -0.5f);
  if (task.settings.distill->latent > 0) teacher = policy_with_hidden_layer(*teacher_spec(task));
  return engine.make_trainer(distillation_request(task, teacher));
}

TEST(CudaDistillation, LearnsWhatACpuLearns) {
  for (const PlannedTask& task : students()) {
    SCOPED_TRACE(task.settings.task);
    const auto engine = make_engine("cuda", 1), cpu = engine_for(best_instruction_set(), 2);
    const Report ours = iterate(*stage_of(*engine, task), 1).back(), theirs = iterate(*stage_of(*cpu, task), 1).back();
    EXPECT_EQ(ours["nonfinite"], 0);
    EXPECT_NEAR(ours["loss"], theirs["loss"], 0.02 * std::fabs(theirs["loss"]));
    EXPECT_NEAR(ours["action_error"], theirs["action_error"], 0.02 * theirs["action_error"]);
    if (task.settings.distill->latent == 0) continue;
    for (const char* loss : {"latent_loss", "reconstruction_loss"}) {
      EXPECT_NEAR(ours[loss], theirs[loss], 0.02 * theirs[loss]) << loss;
    }
  }
}

TEST(CudaDistillation, RepeatsBitForBitAndGoesOn) {
  const auto engine = make_engine("cuda", 1);
  for (const PlannedTask& task : students()) {
    SCOPED_TRACE(task.settings.task);
    const auto whole = stage_of(*engine, task), half = stage_of(*engine, task), resumed = stage_of(*engine, task);
    iterate(*whole, 4);
    iterate(*half, 2);
    resumed->restore(half->state());
    iterate(*resumed, 2);
    EXPECT_TRUE(same_state(whole->state(), resumed->state()));
  }
}

}  // namespace
}  // namespace stampede::testing
