/// \file Students with auxiliary losses: what their targets are, that they are learned, with the same bits whatever the
/// threads and after a checkpoint, that no policy has anything of them, and what is refused.

#include "host/learn/auxiliary.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/control.hpp"
#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

const std::vector<std::string> kBoth = {"distill.latent=0.5", "distill.reconstruct=2"};
const std::vector<std::string> kRemembers = {"network.modules=[\"gru\", \"dense\"]", "network.gru=20",
                                             "network.window=3"};

std::vector<std::string> joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A student of a small task, whose teacher has no scan.
PlannedTask student(const std::string& algo, const std::vector<std::string>& more = {}) {
  SettingsSources sources;
  sources.set = joined({"task=pendulum", "algo=" + algo, "seed=3", "train.num_envs=101", "train.horizon=9",
                        "train.iterations=8", "network.actor=[33]", "distill.minibatch=250", "distill.epochs=3"},
                       more);
  return plan_task(resolve_settings(sources));
}

/// A student of rough ground that sees its joints; its teacher sees the ground too, twice.
PlannedTask blind_student(const std::string& algo, const std::vector<std::string>& more = {}) {
  return plan_task(rough_settings(joined(
      {"algo=" + algo, "policy_observation.history=3", "observations.policy=[\"joint_position\"]",
       "distill.observations=[\"joint_position\", \"height_scan\", \"command\"]", "distill.history=2",
       "scan.x=[-0.3, 0.3]", "scan.y=[-0.2, 0.2]", "scan.spacing=0.1", "distill.minibatch=120", "distill.epochs=2"},
      more)));
}

/// A student that sees a depth camera's pictures, and remembers.
PlannedTask seeing_student(const std::vector<std::string>& more) {
  return plan_task(seeing_settings(joined({"algo=online", "distill.observations=[\"height_scan\", \"joint_position\"]",
                                           "distill.minibatch=120", "distill.epochs=2"},
                                          more)));
}

std::unique_ptr<Stage> make_distillation(Engine& engine, const PlannedTask& task) {
  return engine.make_trainer(distillation_request(task, policy_with_hidden_layer(*teacher_spec(task))));
}

bool has(const std::vector<Tensor>& state, const std::string& name) {
  return std::any_of(state.begin(), state.end(), [&](const Tensor& tensor) { return tensor.name == name; });
}

TEST(Auxiliary, TheNewestScanIsFoundByItsNames) {
  ObservationGroup group;
  group.names = {"a.0@-1", "height_scan.0@-1", "height_scan.1@-1", "a.0", "height_scan.0", "height_scan.1", "b"};
  EXPECT_EQ(scan_columns(group).first, 4);
  EXPECT_EQ(scan_columns(group).count, 2);
  group.names = {"height_scan.0", "height_scan.1", "height_scan.2"};
  EXPECT_EQ(scan_columns(group).first, 0);
  EXPECT_EQ(scan_columns(group).count, 3);
  group.names = {"height", "scan.0", "height_scanner"};
  EXPECT_EQ(scan_columns(group).count, 0);
}

/// With rollouts of one step, what the teacher saw in the last one is what the state before it held.
TEST(Auxiliary, TargetsAreWhatTheTeacherSeesAndItsHiddenLayer) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const PlannedTask task = blind_student("dagger", joined(kBoth, {"train.horizon=1", "train.iterations=4"}));
  const Policy teacher = policy_with_hidden_layer(*teacher_spec(task));
  const auto stage = engine->make_trainer(distillation_request(task, teacher));
  iterate(*stage, 2);
  std::vector<Tensor> before = stage->state();
  iterate(*stage, 1);
  std::vector<Tensor> after = stage->state();
  const auto observation = floats_of(find(before, "teacher_observation"));
  const auto target = floats_of(find(after, "rollout-2/target"));
  const auto spec = distillation_spec(task);
  const ObservationGroup& seen = *spec->privileged();
  const auto names = seen.names.size(), stride = observation.size() / names;
  const DenseLayer hidden = teacher.layers().front();
  const auto latent = static_cast<std::size_t>(hidden.outputs);
  const std::size_t place = (latent + kMaxLanes - 1) / kMaxLanes * kMaxLanes, width = target.size() / stride;
  const std::size_t points = 7 * 5, first = static_cast<std::size_t>(scan_columns(seen).first);
  ASSERT_EQ(static_cast<std::size_t>(scan_columns(seen).count), points);
  EXPECT_EQ(first, 12 + points + 3 + 12) << "of the newest of two readings";
  ASSERT_EQ(width, place + 48);
  double largest = 0;
  for (std::size_t env = 0; env < 37; ++env) {
    std::vector<double> x;
    for (std::size_t i = 0; i < names; ++i) {
      const double raw = static_cast<double>(observation[env * names + i] - teacher.observation_mean[i]);
      x.push_back(std::clamp(raw * static_cast<double>(inverse_deviation(teacher.observation_variance[i])), -10., 10.));
    }
    for (std::size_t i = 0; i < points; ++i) {
      const auto got = static_cast<double>(target[env * width + place + i]);
      EXPECT_NEAR(got, x[first + i], 1e-5);
      largest = std::max(largest, std::fabs(got));
    }
    for (std::size_t o = 0; o < latent; ++o) {
      double sum = static_cast<double>(hidden.bias[o]);
      for (std::size_t i = 0; i < names; ++i) sum += static_cast<double>(hidden.weight[o * names + i]) * x[i];
      EXPECT_NEAR(static_cast<double>(target[env * width + o]), sum > 0 ? sum : std::expm1(sum), 2e-5);
    }
  }
  EXPECT_GT(largest, 0.1) << "the ground is flat: this shows nothing";
}

TEST(Auxiliary, LossesFall) {
  for_each_instruction_set([&](const std::string& instruction_set) {
    const auto engine = engine_for(instruction_set, 2);
    for (const char* algo : {"online", "dagger", "bc"}) {
      SCOPED_TRACE(algo);
      const std::vector<std::string> more = {"train.iterations=40", "distill.epochs=10"};
      const auto reports = iterate(*make_distillation(*engine, student(algo, joined(more, {"distill.latent=1"}))), 40);
      EXPECT_GT(reports.front()["latent_loss"], 0.02);
      EXPECT_LT(reports.back()["latent_loss"], 0.1 * reports.front()["latent_loss"]);
      EXPECT_LT(reports.back()["action_error"], 0.2 * reports.front()["action_error"]);
    }
    // One that sees the ground itself can tell it.
    const PlannedTask open =
        blind_student("online", {"observations.policy=[\"height_scan\"]", "distill.reconstruct=1",
                                 "policy_observation.history=1", "train.iterations=40", "distill.epochs=10"});
    const auto reports = iterate(*make_distillation(*engine, open), 40);
    EXPECT_GT(reports.front()["reconstruction_loss"], 0.01);
    EXPECT_LT(reports.back()["reconstruction_loss"], 0.2 * reports.front()["reconstruction_loss"]);
  });
}

/// They change what the hidden layer learns, and with weight 0 there is nothing of them.
TEST(Auxiliary, LossesShapeTheStudentAndAreNotThereWithoutWeight) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto hidden_after = [&](const std::vector<std::string>& more) {
    const auto stage = make_distillation(*engine, blind_student("online", more));
    const auto reports = iterate(*stage, 2);
    std::set<std::string> names;
    for (const auto& metric : *reports.back().table) names.insert(metric.name);
    EXPECT_EQ(names.count("latent_loss"), more.empty() ? 0u : 1u);
    EXPECT_EQ(names.count("reconstruction_loss"), more.empty() ? 0u : 1u);
    const std::vector<Tensor> state = stage->state();
    for (const char* head :
         {"latent_head.weight", "scan_head.bias", "adam_first.latent_head.bias", "adam_second.scan_head.weight"}) {
      EXPECT_EQ(has(state, head), !more.empty()) << head;
    }
    EXPECT_FALSE(has(state, "rollout-1/target")) << "one rollout is not kept";
    const Policy policy = stage->policy();
    EXPECT_EQ(policy.actor.size(), 1u);
    EXPECT_EQ(policy.actor.front().outputs, 12);
    EXPECT_EQ(policy.layers().back().outputs, 12);
    EXPECT_EQ(policy.actor.front().parameters.size(), 6u);
    return policy.layers().front().weight;
  };
  EXPECT_EQ(hidden_after({}), hidden_after({}));
  EXPECT_NE(hidden_after({}), hidden_after(kBoth));
}

std::vector<PlannedTask> students() {
  return {student("online", {"distill.latent=0.5", "policy_observation.history=3"}),
          student("dagger", joined(kRemembers, {"distill.latent=0.5"})),
          student("bc", {"distill.latent=0.5", "distill.rollouts_kept=3", "distill.action_noise=0.1"}),
          blind_student("online", {"distill.reconstruct=2"}),
          blind_student("dagger", joined(kBoth, {"train.iterations=6"})),
          seeing_student(kBoth)};
}

TEST(Auxiliary, TheSameBitsForAnyNumberOfThreadsAndResumed) {
  for (const PlannedTask& task : students()) {
    SCOPED_TRACE(task.settings.task + ", " + task.settings.algo);
    std::vector<Tensor> straight;
    for (const int threads : {1, 2, 3}) {
      const auto engine = engine_for(best_instruction_set(), threads);
      const auto stage = make_distillation(*engine, task);
      iterate(*stage, 6);
      if (threads == 1) straight = stage->state();
      EXPECT_TRUE(same_state(stage->state(), straight)) << threads << " threads";
    }
    const auto engine = engine_for(best_instruction_set(), 2);
    const auto first = make_distillation(*engine, task);
    iterate(*first, 2);
    const auto second = make_distillation(*engine, task);
    second->restore(first->state());
    const auto resumed = iterate(*second, 4), whole = iterate(*first, 4);
    EXPECT_TRUE(same_state(second->state(), straight)) << "resumed";
    for (const AuxiliaryTarget& target :
         auxiliary_targets(distillation_request(task, policy_with_hidden_layer(*teacher_spec(task))))) {
      EXPECT_EQ(resumed.back()[target.metric], whole.back()[target.metric]);
    }
  }
}

#ifdef STAMPEDE_PARITY
TEST(Auxiliary, TheSameBitsForEveryPackWidth) {
  for (const PlannedTask& task : students()) {
    SCOPED_TRACE(task.settings.task + ", " + task.settings.algo);
    std::vector<Tensor> best;
    for_each_instruction_set([&](const std::string& instruction_set) {
      const auto engine = engine_for(instruction_set, 2);
      const auto stage = make_distillation(*engine, task);
      iterate(*stage, 4);
      if (best.empty()) best = stage->state();
      EXPECT_EQ(hash_of_parameters(stage->state()), hash_of_parameters(best));
    });
  }
}
#endif

TEST(Auxiliary, RefusesWhatCannotBeTold) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const auto refusal = [&](const TrainingRequest& request) -> std::string {
    try {
      engine->make_trainer(request);
    } catch (const Error& error) {
      return error.what();
    }
    return "taken";
  };
  const auto taught = [&](const PlannedTask& task) {
    return distillation_request(task, policy_with_hidden_layer(*teacher_spec(task)));
  };
  const PlannedTask latent = student("online", {"distill.latent=1"});
  EXPECT_EQ(refusal(taught(latent)), "taken");
  EXPECT_NE(refusal(distillation_request(latent, still_policy(*teacher_spec(latent)))).find("no hidden layer; 0"),
            std::string::npos);
  EXPECT_NE(refusal(taught(student("online", {"distill.reconstruct=1"}))).find("does not see \"height_scan\"; 0"),
            std::string::npos);
  const auto blind = blind_student("online", {"distill.reconstruct=1", "distill.observations=[\"joint_position\"]"});
  EXPECT_NE(refusal(taught(blind)).find("does not see \"height_scan\"; 0"), std::string::npos);
  EXPECT_NE(refusal(taught(student("online", {"distill.latent=1", "network.actor=[]"}))).find("network.actor = []"),
            std::string::npos);
  EXPECT_EQ(refusal(taught(student("online", joined(kRemembers, {"distill.latent=1", "network.actor=[]"})))), "taken")
      << "the gru is the last layer before the actions";
  Demonstrations recorded;
  recorded.name = "by hand";
  recorded.steps = 1;
  const PlannedTask cloned = student("bc", {"distill.latent=1", "distill.beta=0", "distill.rollouts_kept=1"});
  EXPECT_NE(refusal(cloning_request(cloned, recorded)).find("distill.latent needs a teacher"), std::string::npos);
  for (const char* key : {"distill.latent", "distill.reconstruct"}) {
    try {
      student("online", {std::string(key) + "=-0.5"});
      ADD_FAILURE() << "taken";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(std::string(key) + " = -0.5 is out of range"), std::string::npos)
          << error.what();
    }
  }
  // A checkpoint without the head that the settings now ask for.
  const auto plain = engine->make_trainer(taught(student("online")));
  try {
    engine->make_trainer(taught(latent))->restore(plain->state());
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'latent_head.weight' is missing"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace stampede::testing
