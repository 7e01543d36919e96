/// \file Students of given teachers: that they learn, with the same bits whatever the threads and after a checkpoint,
/// and what is refused.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

/// A student of a small task; `more` are settings.
PlannedTask student(const std::string& algo, const std::vector<std::string>& more = {}) {
  SettingsSources sources;
  sources.set = {"task=pendulum",      "algo=" + algo,          "seed=3",
                 "train.num_envs=101", "train.horizon=9",       "train.iterations=8",
                 "network.actor=[33]", "distill.minibatch=250", "distill.epochs=3"};
  sources.set.insert(sources.set.end(), more.begin(), more.end());
  return plan_task(resolve_settings(sources));
}

/// A linear teacher for what the task gives one.
Policy teacher_of(const PlannedTask& task) {
  const std::shared_ptr<const TaskSpec> spec = teacher_spec(task);
  Policy policy = still_policy(*spec);
  std::vector<DenseLayer> layers = policy.layers();
  for (std::size_t i = 0; i < layers[0].weight.size(); ++i) {
    layers[0].weight[i] = 0.3f * std::sin(static_cast<float>(2 * i + 1));
  }
  for (std::size_t i = 0; i < layers[0].bias.size(); ++i) layers[0].bias[i] = 0.1f * static_cast<float>(i % 3);
  policy.set_layers(layers);
  policy.log_std.assign(layers[0].bias.size(), -0.5f);
  return policy;
}

std::unique_ptr<Stage> make_distillation(Engine& engine, const PlannedTask& task) {
  return engine.make_trainer(distillation_request(task, teacher_of(task)));
}

std::vector<double> column(const std::vector<Report>& reports, const std::string& name) {
  std::vector<double> values;
  for (const Report& report : reports) values.push_back(report[name]);
  return values;
}

TEST(Distillation, StudentsLearnWhatTheirTeachersDo) {
  for_each_instruction_set([&](const std::string& instruction_set) {
    const auto engine = engine_for(instruction_set, 2);
    for (const char* algo : {"online", "dagger", "bc"}) {
      for (const char* loss : {"mse", "huber", "kl"}) {
        SCOPED_TRACE(std::string(algo) + ", " + loss);
        const PlannedTask task =
            student(algo, {"train.iterations=40", "distill.epochs=10", std::string("distill.loss=") + loss});
        const auto stage = make_distillation(*engine, task);
        const std::vector<double> error = column(iterate(*stage, 40), "action_error");
        EXPECT_GT(error.front(), 0.05);
        EXPECT_LT(error.back(), 0.1 * error.front());
        const std::vector<float> log_std = stage->policy().log_std;
        if (std::string(loss) == "kl") {
          EXPECT_NEAR(static_cast<double>(log_std[0]), -0.5, 0.05);
        } else {
          EXPECT_EQ(log_std[0], -0.5f) << "the teacher's";
        }
      }
    }
  });
}

TEST(Distillation, PhasesMakeUpTheRollout) {
  const auto engine = engine_for(best_instruction_set(), 1);
  expect_phases(iterate(*make_distillation(*engine, student("online")), 4), {"physics", "teacher", "inference"});
  expect_phases(iterate(*make_distillation(*engine, student("online", {"task=pendulum-pixels"})), 4),
                {"physics", "pictures", "teacher", "inference"});
}

TEST(Distillation, TheTeacherActsInItsShare) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto shares = [&](const std::string& algo, const std::vector<std::string>& more) {
    const PlannedTask task = student(algo, more);
    return column(iterate(*make_distillation(*engine, task), 4), "teacher_share");
  };
  const auto near = [](const std::vector<double>& got, const std::vector<double>& want) {
    for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5) << i;
  };
  near(shares("online", {}), {0, 0, 0, 0});
  near(shares("dagger", {}), {1, 0, 0, 0});
  near(shares("bc", {}), {1, 1, 1, 1});
  near(shares("dagger", {"distill.beta=0.9", "distill.beta_schedule=linear", "distill.beta_rounds=3"}),
       {0.9, 0.6, 0.3, 0});
}

/// A student of a walking task that sees its joints' last readings; its teacher sees the base's velocity.
PlannedTask walking_student(const std::string& algo, const std::vector<std::string>& more = {}) {
  std::vector<std::string> set = {"algo=" + algo,
                                  "policy_observation.history=3",
                                  "observations.policy=[\"joint_position\"]",
                                  "distill.observations=[\"base_linear_velocity\", \"joint_position\"]",
                                  "distill.minibatch=120",
                                  "distill.epochs=2"};
  set.insert(set.end(), more.begin(), more.end());
  return plan_task(walking_settings(set));
}

/// A student that sees two pictures, and convolutions to look at them.
PlannedTask looking_student(const std::string& modules = "[\"convolution\", \"dense\"]") {
  return student("online",
                 {"pixels.height=8", "pixels.width=10", "policy_observation.history=2", "network.modules=" + modules,
                  "network.window=3", "network.channels=[16, 16]", "network.kernels=[3, 2]", "network.strides=[2, 1]",
                  "network.normalise_observations=false"});
}

/// A student that sees a depth camera's pictures and its joints; its teacher the ground around it.
PlannedTask seeing_student() {
  return plan_task(seeing_settings({"algo=online", "distill.observations=[\"height_scan\", \"joint_position\"]",
                                    "distill.minibatch=120", "distill.epochs=2"}));
}

TEST(Distillation, TeacherAndStudentSeeTheSameStates) {
  const PlannedTask task = walking_student("online");
  const std::shared_ptr<const TaskSpec> both = distillation_spec(task);
  ASSERT_EQ(both->observations.size(), 2u);
  EXPECT_EQ(both->policy().size(), 3 * 12);
  EXPECT_EQ(both->privileged()->name, "teacher");
  EXPECT_EQ(both->privileged()->names, teacher_spec(task)->policy().names);
  EXPECT_EQ(both->privileged()->names[0], "base_linear_velocity.x");
  // A compiled-in task measures one row; teacher and student read it each in its own way.
  const PlannedTask late = student("online", {"policy_observation.delay=2", "policy_observation.history=4"});
  const std::shared_ptr<const TaskSpec> spec = distillation_spec(late);
  EXPECT_EQ(spec->policy().size(), 12);
  EXPECT_EQ(spec->privileged_size(), 3);
  const auto environment = engine_for(best_instruction_set(), 1)->make_environment({spec, 5, 1});
  std::vector<std::vector<float>> measured = {environment->observations("teacher").to_host()};
  for (int step = 0; step < 12; ++step) {
    environment->step(std::vector<float>(5, 1.0f));
    measured.push_back(environment->observations("teacher").to_host());
    if (step < 6) continue;
    const std::vector<float> seen = environment->observations("policy").to_host();
    for (std::size_t env = 0; env < 5; ++env) {
      for (std::size_t back = 0; back < 4; ++back) {
        for (std::size_t i = 0; i < 3; ++i) {
          EXPECT_EQ(seen[env * 12 + (3 - back) * 3 + i], measured[measured.size() - 3 - back][env * 3 + i]);
        }
      }
    }
  }
}

/// Students that remember: what is kept of their rollouts are states, too.
const std::vector<std::string> kRemembers = {"network.modules=[\"gru\", \"dense\"]", "network.gru=20",
                                             "network.window=3"};

TEST(Distillation, TheSameBitsForAnyNumberOfThreadsAndResumed) {
  for (const PlannedTask& task :
       {student("online", {"policy_observation.history=3"}), student("dagger"),
        student("bc", {"distill.rollouts_kept=3", "distill.action_noise=0.1"}), walking_student("online"),
        walking_student("dagger", {"train.iterations=6"}), looking_student(), student("online", kRemembers),
        student("dagger", kRemembers), looking_student("[\"convolution\", \"gru\", \"dense\"]"), seeing_student()}) {
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
    iterate(*second, 4);
    EXPECT_TRUE(same_state(second->state(), straight)) << "resumed";
  }
}

/// A teacher whose network has a state labels as one that acts alone: a student with the same parameters, which is
/// asked in its place, gives the same numbers, also behind the ends of episodes. A checkpoint has the state.
TEST(Distillation, TeachersMayRemember) {
  std::vector<std::string> settings = kRemembers;
  settings.insert(settings.end(), {"distill.learning_rate=0", "train.num_envs=300"});
  const PlannedTask task = student("online", settings);
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto some = make_distillation(*engine, student("online", kRemembers));
  iterate(*some, 2);
  const auto remembering = std::make_shared<const Policy>(some->policy());
  const auto made = [&](bool begins_as_teacher) {
    TrainingRequest request = distillation_request(task, *remembering);
    if (begins_as_teacher) request.initial = remembering;
    return engine->make_trainer(request);
  };
  for (const Report& report : iterate(*made(true), 6)) EXPECT_LT(report["action_error"], 1e-6);

  const auto straight = made(false);
  for (const Report& report : iterate(*straight, 3)) EXPECT_GT(report["action_error"], 1e-3);
  const auto resumed = made(false);
  resumed->restore(straight->state());
  iterate(*straight, 3);
  iterate(*resumed, 3);
  EXPECT_TRUE(same_state(resumed->state(), straight->state()));
}

/// What is kept of a rollout does not change once it is there: checkpoints store it once.
TEST(Distillation, KeptRolloutsNeverChange) {
  const auto engine = engine_for(best_instruction_set(), 2);
  for (const PlannedTask& task : {student("dagger", kRemembers), student("bc", {"distill.rollouts_kept=3"})}) {
    const auto stage = make_distillation(*engine, task);
    std::map<std::string, Tensor> before;
    for (int iteration = 1; iteration <= 5; ++iteration) {
      iterate(*stage, 1);
      std::map<std::string, Tensor> parts;
      for (const Tensor& tensor : stage->state()) {
        if (!tensor.part.empty()) parts[tensor.name] = tensor;
      }
      const int kept = task.settings.distill->rollouts_kept;
      const std::size_t each = task.settings.network.modules.size() > 1 ? 4 : 2;
      EXPECT_EQ(parts.size(), each * static_cast<std::size_t>(kept > 0 ? std::min(kept, iteration) : iteration));
      for (const auto& [name, tensor] : parts) {
        if (before.count(name) > 0) {
          EXPECT_EQ(tensor.bytes, before[name].bytes) << name;
        }
      }
      before = std::move(parts);
    }
  }
}

/// Checkpoints of the version before had all rollouts in one tensor, with room for those to come.
TEST(Distillation, KeptRolloutsOfAnEarlierVersionAreRead) {
  const auto engine = engine_for(best_instruction_set(), 2);
  for (const PlannedTask& task :
       {student("dagger", kRemembers), student("bc", {"distill.rollouts_kept=3", "distill.action_noise=0.1"})}) {
    const auto stage = make_distillation(*engine, task);
    iterate(*stage, 5);
    std::vector<Tensor> old;
    std::map<std::string, std::map<int, Tensor>> kept;
    std::uint32_t places = 0;
    for (const Tensor& tensor : stage->state()) {
      if (tensor.name == "kept/rollouts") {
        std::memcpy(&places, tensor.bytes.data(), 4);
      } else if (tensor.part.empty()) {
        old.push_back(tensor);
      } else {
        const int iteration = std::stoi(tensor.part.substr(tensor.part.find('-') + 1));
        kept[tensor.name.substr(tensor.name.find('/') + 1)][iteration] = tensor;
      }
    }
    ASSERT_GT(places, 0u);
    for (const auto& [name, rollouts] : kept) {
      const std::size_t size = rollouts.begin()->second.bytes.size();
      std::vector<float> all(places * size / sizeof(float));
      for (const auto& [iteration, tensor] : rollouts) {
        std::memcpy(all.data() + static_cast<std::size_t>(iteration) % places * size / sizeof(float),
                    tensor.bytes.data(), size);
      }
      old.push_back(make_tensor("kept/" + name, {places, static_cast<std::int64_t>(size / sizeof(float))}, all));
    }
    const auto resumed = make_distillation(*engine, task);
    resumed->restore(old);
    EXPECT_TRUE(same_state(resumed->state(), stage->state()));
    iterate(*stage, 3);
    iterate(*resumed, 3);
    EXPECT_TRUE(same_state(resumed->state(), stage->state()));
  }
}

#ifdef STAMPEDE_PARITY
TEST(Distillation, TheSameBitsForEveryPackWidth) {
  for (const PlannedTask& task : {student("dagger", kRemembers), walking_student("online"),
                                  looking_student("[\"convolution\", \"gru\", \"dense\"]"), seeing_student()}) {
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

/// A training that begins with a policy acts with it from its first step on, and keeps its normalisation.
TEST(Distillation, ATrainingBeginsWithAGivenPolicy) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const PlannedTask task = student("online", {"train.iterations=20"});
  const auto stage = make_distillation(*engine, task);
  iterate(*stage, 20);
  const Policy taught = stage->policy();
  TrainingRequest request = training_request(task);
  request.initial = std::make_shared<const Policy>(taught);
  const auto training = engine->make_trainer(request);
  const Policy begun = training->policy();
  EXPECT_EQ(begun.layers()[0].weight, taught.layers()[0].weight);
  EXPECT_EQ(begun.log_std, taught.log_std);
  for (std::size_t i = 0; i < taught.observation_mean.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(begun.observation_mean[i]), static_cast<double>(taught.observation_mean[i]), 1e-4);
    EXPECT_NEAR(static_cast<double>(begun.observation_variance[i]), static_cast<double>(taught.observation_variance[i]),
                1e-3);
  }
  const std::vector<Report> reports = iterate(*training, 3);
  EXPECT_GT(reports.back()["gradient_norm"], 0);

  request.network.actor = {17};
  EXPECT_THROW(engine->make_trainer(request), Error);
}

/// What the linear teacher of a small task would do in states that nobody was in.
Demonstrations demonstrations_for(const PlannedTask& task, int steps) {
  const TaskSpec& spec = *task.spec;
  const auto observations = static_cast<std::size_t>(spec.policy().size());
  const auto actions = static_cast<std::size_t>(spec.action.size());
  Demonstrations all;
  all.name = "by hand";
  all.steps = steps;
  for (std::size_t row = 0; row < static_cast<std::size_t>(steps); ++row) {
    float sum = 0;
    for (std::size_t i = 0; i < observations; ++i) {
      const float x = std::sin(static_cast<float>((row * observations + i) * (i + 3)));
      all.observation.push_back(5.0f + 2.0f * x);
      sum += 0.2f * x;
    }
    for (std::size_t a = 0; a < actions; ++a) all.label.push_back(sum);
  }
  all.mean.assign(observations, 5.0f);
  all.variance.assign(observations, 2.0f);
  all.checksum = {1, 2};
  return all;
}

const std::vector<std::string> kFromData = {"distill.beta=0", "distill.rollouts_kept=1"};

TEST(Distillation, StudentsLearnWhatWasRecorded) {
  for (const int steps : {1, 33, 997}) {  // fewer and more than a rollout has samples
    SCOPED_TRACE(steps);
    const PlannedTask task = student("bc", {"distill.beta=0", "distill.rollouts_kept=1", "distill.epochs=40"});
    std::vector<Tensor> straight;
    for (const int threads : {1, 2, 3}) {
      const auto engine = engine_for(best_instruction_set(), threads);
      const auto stage = engine->make_trainer(cloning_request(task, demonstrations_for(task, steps)));
      const std::vector<Report> reports = iterate(*stage, 8);
      EXPECT_LT(reports.back()["action_error"], 0.2 * reports.front()["action_error"]);
      EXPECT_EQ(reports.back()["teacher_share"], 0) << "nobody acts but the student";
      const Policy policy = stage->policy();
      EXPECT_EQ(policy.observation_mean, std::vector<float>(3, 5.0f)) << "of the data set, whatever the student sees";
      EXPECT_EQ(policy.observation_variance, std::vector<float>(3, 2.0f));
      if (threads == 1) straight = stage->state();
      EXPECT_TRUE(same_state(stage->state(), straight)) << threads << " threads";
    }
    const auto engine = engine_for(best_instruction_set(), 2);
    const auto first = engine->make_trainer(cloning_request(task, demonstrations_for(task, steps)));
    iterate(*first, 3);
    const auto second = engine->make_trainer(cloning_request(task, demonstrations_for(task, steps)));
    second->restore(first->state());
    iterate(*second, 5);
    EXPECT_TRUE(same_state(second->state(), straight)) << "resumed";
  }
}

TEST(Distillation, RefusesDataSetsThatDoNotFit) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const PlannedTask task = student("bc", kFromData);
  const auto refusal = [&](const PlannedTask& other, Demonstrations all) -> std::string {
    try {
      engine->make_trainer(cloning_request(other, std::move(all)));
    } catch (const Error& error) {
      return error.what();
    }
    return "taken";
  };
  std::vector<std::string> remembers = kRemembers;
  remembers.insert(remembers.end(), kFromData.begin(), kFromData.end());
  const PlannedTask recurrent = student("bc", remembers);
  EXPECT_NE(refusal(recurrent, demonstrations_for(recurrent, 50)).find("network.modules carry"), std::string::npos);
  Demonstrations huge;
  huge.steps = 1 << 30;
  EXPECT_NE(refusal(task, huge).find("more than 2^31 numbers"), std::string::npos);

  const auto stage = engine->make_trainer(cloning_request(task, demonstrations_for(task, 50)));
  Demonstrations changed = demonstrations_for(task, 50);
  changed.checksum[1] = 3;
  try {
    engine->make_trainer(cloning_request(task, changed))->restore(stage->state());
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("another data set than by hand"), std::string::npos) << error.what();
  }
}

TEST(Distillation, RefusesTeachersThatDoNotFit) {
  const auto engine = engine_for(best_instruction_set(), 1);
  const PlannedTask task = student("online");
  const auto refusal = [&](TrainingRequest request) -> std::string {
    try {
      engine->make_trainer(request);
    } catch (const Error& error) {
      return error.what();
    }
    return "taken";
  };
  TrainingRequest none = distillation_request(task, teacher_of(task));
  none.teacher = nullptr;
  EXPECT_NE(refusal(none).find("stampede distill --teacher RUN"), std::string::npos);
  const PlannedTask other = student("online", {"policy_observation.history=2", "distill.history=2"});
  EXPECT_NE(refusal(distillation_request(task, teacher_of(other))).find("maps 6 observations to 1 actions"),
            std::string::npos);
  const PlannedTask many = student("dagger", {"train.num_envs=1000000", "train.iterations=1000"});
  EXPECT_NE(refusal(distillation_request(many, teacher_of(many))).find("distill.rollouts_kept = 0"), std::string::npos);
}

}  // namespace
}  // namespace stampede::testing
