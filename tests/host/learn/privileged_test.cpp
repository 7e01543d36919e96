/// \file That nothing privileged reaches a student: whatever the teacher sees, knows or does, what the student does
/// stays the same, to the last bit.

#include <algorithm>
#include <cstring>
#include <limits>
#include <tuple>
#include <utility>

#include "host/task/protocol.hpp"
#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

/// A student, and what only its teacher has: settings that change all of it.
struct Case {
  std::string name;
  std::vector<std::string> student;
  std::vector<std::vector<std::string>> privileged;
};

std::vector<Case> cases() {
  const std::vector<std::string> blind = {
      "task=go2-blind", "algo=online",
      "distill.observations=[\"base_linear_velocity\", \"joint_position\", \"height_scan\"]"};
  const std::vector<std::string> looking = {"task=pendulum-pixels", "algo=online",     "seed=3",
                                            "train.num_envs=37",    "train.horizon=9", "distill.minibatch=120"};
  return {{"go2-blind",
           blind,
           {{"distill.observations=[\"base_linear_velocity\"]"},
            {"distill.every=2", "distill.delay=3", "distill.history=4"},
            {"scan.x=[-0.3, 0.3]", "scan.y=[-0.2, 0.2]", "scan.spacing=0.1"},
            {"observations.critic=[\"height_scan\", \"base_angular_velocity\"]", "critic_observation.history=2"}}},
          {"go2-blind with auxiliary losses",
           [&] {
             std::vector<std::string> told = blind;
             told.insert(told.end(), {"distill.latent=0.5", "distill.reconstruct=2"});
             return told;
           }(),
           {{"distill.observations=[\"height_scan\"]"},
            {"distill.every=2", "distill.delay=3", "distill.history=4"},
            {"scan.x=[-0.3, 0.3]", "scan.y=[-0.2, 0.2]", "scan.spacing=0.1"}}},
          {"go2 with a camera",
           {"algo=online", "distill.observations=[\"base_linear_velocity\", \"joint_position\", \"height_scan\"]",
            "distill.minibatch=120"},
           {{"distill.observations=[\"base_linear_velocity\"]"},
            {"scan.x=[-0.3, 0.3]", "scan.y=[-0.2, 0.2]", "scan.spacing=0.1"},
            {"observations.critic=[\"height_scan\", \"base_angular_velocity\"]", "critic_observation.history=2"}}},
          {"pendulum-pixels",
           looking,
           {{"distill.every=3"},
            {"distill.delay=2", "distill.history=3"},
            {"critic_observation.delay=1", "critic_observation.history=5"}}}};
}

PlannedTask plan(const Case& it, const std::vector<std::string>& more = {}) {
  std::vector<std::string> set = it.student;
  set.insert(set.end(), more.begin(), more.end());
  if (it.name.rfind("go2-blind", 0) == 0) return plan_task(rough_settings(set));
  if (it.name == "go2 with a camera") return plan_task(seeing_settings(set));
  SettingsSources sources;
  sources.set = set;
  return plan_task(resolve_settings(sources));
}

/// A student that has learned a little, so that its actions depend on all that it sees.
Policy some_student(Engine& engine, const PlannedTask& task) {
  const auto stage = engine.make_trainer(distillation_request(task, policy_with_hidden_layer(*teacher_spec(task))));
  iterate(*stage, 3);
  return stage->policy();
}

/// What becomes of the privileged numbers before each of the student's actions.
enum class Privileged { kKept, kPoisoned };

/// The student's actions in steps of a batch of environments. With `leaks`, the fault that is to be found: the first
/// privileged number takes the place of the first that the student sees.
std::vector<float> actions_of(Engine& engine, const std::shared_ptr<const TaskSpec>& spec, const Policy& student,
                              Privileged what, bool leaks = false) {
  const auto environment = engine.make_environment({spec, 21, 5});
  const auto runner = environment->make_policy_runner(student);
  std::vector<float> all;
  for (int step = 0; step < 40; ++step) {
    const DeviceArray hidden = environment->observations(spec->privileged()->name), seen = environment->observations();
    const auto row = [](const DeviceArray& array, std::int64_t i) {
      return array.data + i * (array.stride == 0 ? array.columns : array.stride);
    };
    for (std::int64_t i = 0; i < hidden.rows; ++i) {
      if (what == Privileged::kPoisoned) {
        std::fill_n(row(hidden, i), hidden.columns, std::numeric_limits<float>::quiet_NaN());
      }
      if (leaks) *row(seen, i) = *row(hidden, i);
    }
    const std::vector<float> action = runner->act().to_host();
    all.insert(all.end(), action.begin(), action.end());
    environment->step(environment->actions());
  }
  return all;
}

/// What the privileged group is, and how it is read.
std::tuple<std::vector<std::string>, int, int, int> hidden_in(const TaskSpec& spec) {
  const ObservationGroup& group = *spec.privileged();
  return {group.names, group.every, group.delay, group.history};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && !a.empty() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Privileged, NothingOfItReachesAStudentThatActs) {
  const auto engine = engine_for(best_instruction_set(), 2);
  for (const Case& it : cases()) {
    SCOPED_TRACE(it.name);
    const PlannedTask task = plan(it);
    const Policy student = some_student(*engine, task);
    const std::shared_ptr<const TaskSpec> spec = distillation_spec(task);
    const std::vector<float> straight = actions_of(*engine, spec, student, Privileged::kKept);
    ASSERT_FALSE(same_bits(straight, std::vector<float>(straight.size(), straight[0]))) << "it does something";
    EXPECT_TRUE(same_bits(actions_of(*engine, spec, student, Privileged::kPoisoned), straight));
    EXPECT_TRUE(same_bits(actions_of(*engine, task.spec, student, Privileged::kPoisoned), straight))
        << "what the task's critic would see";
    EXPECT_FALSE(same_bits(actions_of(*engine, spec, student, Privileged::kKept, true), straight))
        << "this test does not find what it is to find";
    EXPECT_FALSE(same_bits(actions_of(*engine, spec, student, Privileged::kPoisoned, true), straight));
    for (const std::vector<std::string>& change : it.privileged) {
      SCOPED_TRACE(change.front());
      const PlannedTask other = plan(it, change);
      ASSERT_TRUE(hidden_in(*distillation_spec(other)) != hidden_in(*spec) ||
                  hidden_in(*other.spec) != hidden_in(*task.spec))
          << "nothing was changed";
      for (const auto& changed : {distillation_spec(other), other.spec}) {
        EXPECT_TRUE(same_bits(actions_of(*engine, changed, student, Privileged::kPoisoned), straight));
      }
    }
  }
}

TEST(Privileged, NothingOfItReachesAnEvaluation) {
  const auto engine = engine_for(best_instruction_set(), 2);
  for (const Case& it : cases()) {
    SCOPED_TRACE(it.name);
    const PlannedTask task = plan(it);
    const Policy student = some_student(*engine, task);
    const auto trace_of = [&](const PlannedTask& planned) {
      EvaluationRequest request = evaluation_request(planned, 21, randomises(planned.settings));
      request.trace = true;
      std::vector<Tensor> trace = engine->evaluate(request, student).trace;
      return std::pair(floats_of(find(trace, "observation")), floats_of(find(trace, "action")));
    };
    const auto straight = trace_of(task);
    for (const std::vector<std::string>& change : it.privileged) {
      SCOPED_TRACE(change.front());
      const auto other = trace_of(plan(it, change));
      EXPECT_TRUE(same_bits(other.first, straight.first));
      EXPECT_TRUE(same_bits(other.second, straight.second));
    }
  }
}

/// A student that acts but does not learn (its learning rate is 0) goes through the same states, whoever teaches it.
TEST(Privileged, NothingOfItReachesTheStatesThatAStudentGoesThrough) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto states_with = [&](const PlannedTask& task, float teacher) {
    const auto stage =
        engine->make_trainer(distillation_request(task, policy_with_hidden_layer(*teacher_spec(task), teacher)));
    iterate(*stage, 3);
    std::vector<Tensor> state = stage->state();
    return floats_of(find(state, "observation"));
  };
  for (const Case& it : cases()) {
    SCOPED_TRACE(it.name);
    const PlannedTask task = plan(it, {"distill.learning_rate=0"});
    const std::vector<float> straight = states_with(task, 0.0f);
    EXPECT_TRUE(same_bits(states_with(task, 1.0f), straight)) << "another teacher";
    for (std::vector<std::string> change : it.privileged) {
      SCOPED_TRACE(change.front());
      change.push_back("distill.learning_rate=0");
      EXPECT_TRUE(same_bits(states_with(plan(it, change), 0.0f), straight));
    }
    const PlannedTask acts = plan(it, {"distill.learning_rate=0", "distill.beta=0.5"});
    EXPECT_FALSE(same_bits(states_with(acts, 0.0f), straight)) << "a teacher that acts changes them";
  }
}

}  // namespace
}  // namespace stampede::testing
