/// \file Whole trainings and evaluations on the emulated device beside those of the CPU, and what an iteration costs.

#include <cuda_emulator.h>
#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "host/engine/checkpoint_tensors.hpp"
#include "host/task/planned_task.hpp"
#include "host/task/protocol.hpp"
#include "kernels/control.hpp"
#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

/// Tasks, in numbers that are multiples of nothing, and with the CPU's precision.
std::vector<Settings> trainings() {
  std::vector<Settings> all = {awkward_settings(), walking_settings(), rough_settings(),
                               seeing_settings({"network.modules=[\"convolution\", \"dense\"]"})};
  for (Settings& settings : all) settings.network.precision = "fp32";
  return all;
}

std::unique_ptr<Engine> emulated() { return make_engine("cuda", 1); }
std::unique_ptr<Engine> cpu() { return engine_for(best_instruction_set(), 2); }

#if defined(STAMPEDE_PARITY)
/// The arithmetic is the same, and sums are of integers or of nothing: so the bits are.
TEST(Emulated, AnEvaluationGivesTheBitsOfTheCpu) {
  for (const Settings& settings : {awkward_settings(), walking_settings({"control.episode=0.6"}),
                                   rough_settings({"control.episode=0.6"}), seeing_settings({"control.episode=0.2"})}) {
    SCOPED_TRACE(settings.task);
    EvaluationRequest request = evaluation_request(plan_task(settings), 45, true);
    request.trace = true;
    const Policy policy = still_policy(*request.task);
    const Evaluation ours = emulated()->evaluate(request, policy), theirs = cpu()->evaluate(request, policy);
    EXPECT_TRUE(same_state(ours.trace, theirs.trace));
    EXPECT_EQ(ours.returns, theirs.returns);
  }
}

/// The same with actions that differ, by which episodes end, begin anew, and are pushed at different times.
TEST(Emulated, StepsGiveTheBitsOfTheCpu) {
  constexpr int kEnvs = 37;
  for (const Settings& settings : {awkward_settings(), walking_settings(), rough_settings(), seeing_settings()}) {
    SCOPED_TRACE(settings.task);
    const auto task = plan_task(settings).spec;
    const EnvironmentRequest request{task, kEnvs, 5, true};
    const auto gpu_engine = emulated(), cpu_engine = cpu();
    const auto ours = gpu_engine->make_environment(request), theirs = cpu_engine->make_environment(request);
    float ends = 0;
    for (int step = 0; step < 20; ++step) {
      SCOPED_TRACE(step);
      std::vector<float> actions;
      for (int env = 0; env < kEnvs; ++env) {
        for (std::size_t a = 0; a < task->action.centre.size(); ++a) {
          const float wave = std::sin(0.37f * static_cast<float>(step) + 1.1f * static_cast<float>(env + 2 * a));
          actions.push_back(task->action.centre[a] + 1.2f * task->action.scale[a] * wave);
        }
      }
      ours->step(actions);
      theirs->step(actions);
      ASSERT_EQ(ours->observations().to_host(), theirs->observations().to_host());
      ASSERT_EQ(ours->rewards().to_host(), theirs->rewards().to_host());
      ASSERT_EQ(ours->ended().to_host(), theirs->ended().to_host());
      for (const float ended : ours->ended().to_host()) ends += ended != 0.0f;
    }
    if (task->legged != nullptr) {
      EXPECT_GT(ends, 0.0f);
    }
  }
}
#endif

/// Two iterations, before roundings of sums have grown. The second runs as it is recorded.
TEST(Emulated, ATrainingBeginsAsOnTheCpu) {
  std::vector<Settings> all = trainings();
  all.push_back(walking_settings({"network.actor=[128, 64, 32]", "network.critic=[128, 64, 32]",
                                  "network.precision=fp32"}));  // the task's own networks
  all.push_back(awkward_settings());
  all.back().network.activation = "silu";  // layer by layer
  all.push_back(awkward_settings());
  all.back().algorithm.advantage = "return";  // no critic
  for (const Settings& settings : all) {
    SCOPED_TRACE(settings.task);
    const auto gpu_engine = emulated(), cpu_engine = cpu();
    const auto ours = make_trainer(*gpu_engine, settings), theirs = make_trainer(*cpu_engine, settings);
    const std::vector<Report> got = iterate(*ours, 2), want = iterate(*theirs, 2);
    for (std::size_t i = 0; i < want.size(); ++i) {
      SCOPED_TRACE("iteration " + std::to_string(i + 1));
      EXPECT_EQ(got[i].steps, want[i].steps);
      for (const char* name : {"value_loss", "policy_loss", "gradient_norm", "action_std"}) {
        EXPECT_NEAR(got[i][name], want[i][name], 2e-3 * std::fmax(std::fabs(want[i][name]), 0.1)) << name;
      }
    }
  }
}

/// An update of an actor and a critic in a few launches, as a GPU of compute capability 9.0 takes it, against the same
/// layer by layer, as on one of 8.0, which has too little shared memory: from the same rollout, which is collected by the
/// same code to the same bits, in the same order, with images in the mirror, several passes and minibatches.
TEST(Emulated, AnUpdateLearnsTheSameLayerByLayer) {
  struct Learnt {
    Report report;
    std::vector<Tensor> before, after;
    std::int64_t products;
  };
  struct Capability {  // for a while
    explicit Capability(int capability) : before(cuda_emulator::set_capability(capability)) {}
    ~Capability() { cuda_emulator::set_capability(before); }
    int before;
  };
  const auto learn = [](int capability, const Settings& settings) {
    const Capability given(capability);
    const auto engine = emulated();
    const auto trainer = make_trainer(*engine, settings);
    Learnt learnt{{}, trainer->state(), {}, 0};
    const std::int64_t products = cuda_emulator::counts().products;
    learnt.report = iterate(*trainer, 1).back();
    learnt.after = trainer->state();
    learnt.products = cuda_emulator::counts().products - products;
    return learnt;
  };
  const Settings settings =
      walking_settings({"network.actor=[128, 64, 32]", "network.critic=[128, 64, 32]", "network.precision=fp32",
                        "algorithm.epochs=3", "algorithm.schedule=adaptive", "symmetry.mirror=true"});
  const Learnt ours = learn(90, settings), theirs = learn(80, settings);
  EXPECT_EQ(ours.products, 0);
  EXPECT_GT(theirs.products, 0);
  EXPECT_TRUE(same_state(ours.before, theirs.before));
  ASSERT_EQ(ours.after.size(), theirs.after.size());
  int parameters = 0;
  for (std::size_t i = 0; i < ours.after.size(); ++i) {
    const Tensor &a = ours.after[i], &b = theirs.after[i], &start = ours.before[i];
    SCOPED_TRACE(a.name);
    ASSERT_EQ(a.name, b.name);
    if (a.name == "control") {
      const auto words = [&](const std::vector<Tensor>& state) {
        return tensor_values<std::uint32_t>(state, "control", Tensor::Type::kU32, sizeof(Control) / 4);
      };
      Control x, y;
      std::memcpy(&x, words(ours.after).data(), sizeof x);
      std::memcpy(&y, words(theirs.after).data(), sizeof y);
      EXPECT_EQ(x.learning_rate, y.learning_rate);
      EXPECT_NE(x.learning_rate, settings.algorithm.learning_rate);
      EXPECT_EQ(x.minibatches, y.minibatches);
      EXPECT_EQ(x.minibatches, 9u);
      EXPECT_EQ(x.beta2_power, y.beta2_power);
      EXPECT_EQ(x.values.mean, y.values.mean);
      continue;
    }
    const bool learned = a.name.find("actor.") != std::string::npos || a.name.find("critic.") != std::string::npos ||
                         a.name.find("log_std") != std::string::npos;
    if (!learned) {  // environments, normalisers
      EXPECT_EQ(a.bytes, b.bytes);
      continue;
    }
    // What has changed, in relation to how much.
    double difference = 0, change = 0;
    for (std::size_t at = 0; at < a.bytes.size(); at += sizeof(float)) {
      float x, y, z;
      std::memcpy(&x, a.bytes.data() + at, sizeof x);
      std::memcpy(&y, b.bytes.data() + at, sizeof y);
      std::memcpy(&z, start.bytes.data() + at, sizeof z);
      difference += (static_cast<double>(x) - y) * (static_cast<double>(x) - y);
      change += (static_cast<double>(y) - z) * (static_cast<double>(y) - z);
    }
    EXPECT_GT(change, 0.0);
    EXPECT_LT(std::sqrt(difference / change), 1e-5);  // a tenth of that was seen
    ++parameters;
  }
  EXPECT_GT(parameters, 3 * 2 * 2 * 4);  // with Adam's moments
  for (const char* name : {"policy_loss", "value_loss", "gradient_norm", "kl", "clip_fraction", "action_std"}) {
    EXPECT_NEAR(ours.report[name], theirs.report[name], 1e-4 * std::fmax(std::fabs(theirs.report[name]), 1e-3)) << name;
  }
  for (const char* name : {"episodes", "explained_variance", "learning_rate"}) {
    EXPECT_EQ(ours.report[name], theirs.report[name]) << name;
  }
}

/// What either has learnt, the other goes on with, as those do that stayed.
TEST(Emulated, TrainingsGoOnOnAnotherDevice) {
  for (const Settings& settings : trainings()) {
    SCOPED_TRACE(settings.task);
    const auto gpu_engine = emulated(), cpu_engine = cpu();
    for (const bool to_cpu : {true, false}) {
      SCOPED_TRACE(to_cpu ? "to the CPU" : "from the CPU");
      Engine &first = to_cpu ? *gpu_engine : *cpu_engine, &second = to_cpu ? *cpu_engine : *gpu_engine;
      const auto stays = make_trainer(first, settings), moves = make_trainer(second, settings);
      iterate(*stays, 3);
      moves->restore(stays->state());
      EXPECT_TRUE(same_state(moves->state(), stays->state()));
      const Report want = iterate(*stays, 1).back(), got = iterate(*moves, 1).back();
      EXPECT_EQ(got.iteration, want.iteration);
      for (const char* name : {"value_loss", "policy_loss", "gradient_norm", "action_std"}) {
        EXPECT_NEAR(got[name], want[name], 2e-3 * std::fmax(std::fabs(want[name]), 0.1)) << name;
      }
    }
  }
}

/// Once recorded, an iteration is two graphs, three where violations are judged, and the host gets one small report:
/// nothing else is launched, copied, allocated or waited for.
TEST(Emulated, AnIterationIsLaunchedAtOnce) {
  for (const Settings& settings : trainings()) {
    SCOPED_TRACE(settings.task);
    const auto engine = emulated();
    const auto trainer = make_trainer(*engine, settings);
    iterate(*trainer, 3);
    constexpr int kIterations = 4;
    const cuda_emulator::Counts before = cuda_emulator::counts();
    iterate(*trainer, kIterations);
    const cuda_emulator::Counts after = cuda_emulator::counts();
    const int graphs = plan_task(settings).spec->legged != nullptr ? 3 : 2;
    EXPECT_EQ(after.graph_launches - before.graph_launches, graphs * kIterations);
    EXPECT_EQ(after.launches, before.launches);
    EXPECT_EQ(after.copies_to_host - before.copies_to_host, kIterations);
    EXPECT_LE(after.bytes_to_host - before.bytes_to_host, 1024 * kIterations);
    EXPECT_EQ(after.copies_to_device, before.copies_to_device);
    EXPECT_EQ(after.fills, before.fills);
    EXPECT_EQ(after.waits - before.waits, kIterations);
    EXPECT_EQ(after.allocations, before.allocations);
    EXPECT_EQ(after.frees, before.frees);
    EXPECT_GT(after.kernels, before.kernels);
  }
}

/// Kernels and products of an iteration. Each costs a GPU some 2 us, however little it does.
TEST(Emulated, AnIterationTakesSoManyLaunches) {
  struct Counted {
    const char* name;
    Settings settings;
    std::int64_t kernels, products;
  };
  SettingsSources as_it_is;  // but for the environments: a minibatch is an eighth of a rollout, as of 4096
  as_it_is.set = {"task=go2-flat", "train.num_envs=16", "algorithm.minibatch=48"};
  // Too large to learn in few launches. Wider ones, such as 512-256-128, take as many; the emulator takes longer.
  SettingsSources large = as_it_is;
  large.set.insert(large.set.end(), {"network.actor=[256, 64, 32]", "network.critic=[256, 64, 32]"});
  SettingsSources in_bf16 = large;
  in_bf16.set.push_back("network.precision=bf16");
  SettingsSources small;
  small.set = {"task=pendulum", "train.num_envs=16", "algorithm.minibatch=64"};
  std::vector<Counted> all = {
      {"go2-flat, whose networks are small", resolve_settings(as_it_is), 251, 0},
      {"pendulum, 25 steps, 4 epochs of 6 minibatches: sooner_on_cpu.cpp counts them", resolve_settings(small), 531,
       384},
      {"larger networks, layer by layer", awkward_settings(), 240, 173},
      {"networks with a state, whose critic goes along step by step", awkward_settings(), 709, 561},
      {"go2-flat with three large layers", resolve_settings(large), 1215, 1000},
      // One more of each of 40 minibatches and two networks: it copies weights and inputs.
      {"go2-flat with three large layers in BF16", resolve_settings(in_bf16), 1295, 1000},
  };
  all[2].settings.network.actor = all[2].settings.network.critic = {300, 200};
  all[3].settings.network.modules = {"gru", "dense"};
  all[3].settings.network.gru = 19;
  for (const auto& [name, settings, kernels, products] : all) {
    SCOPED_TRACE(name);
    const auto engine = emulated();
    const auto trainer = make_trainer(*engine, settings);
    iterate(*trainer, 2);
    const cuda_emulator::Counts before = cuda_emulator::counts();
    iterate(*trainer, 1);
    const cuda_emulator::Counts after = cuda_emulator::counts();
    EXPECT_EQ(after.kernels - before.kernels, kernels);
    EXPECT_EQ(after.products - before.products, products);
  }
}

TEST(Emulated, NothingIsLeftBehind) {
  const cuda_emulator::Counts before = cuda_emulator::counts();
  {
    const auto engine = emulated();
    iterate(*make_trainer(*engine, walking_settings()), 3);
  }
  const cuda_emulator::Counts after = cuda_emulator::counts();
  EXPECT_GT(after.allocations, before.allocations);
  EXPECT_EQ(after.allocations - before.allocations, after.frees - before.frees);
}

/// Ends the process with status 3 and the reason why there is no GPU.
void say_why_not_on_a_gpu(const char* variable, const char* value) {
  setenv(variable, value, 1);
  try {
    choose_device("cuda");
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::_Exit(3);
  }
  std::_Exit(0);
}

TEST(EmulatedDriverDeathTest, WhatIsWrongWithTheDriverIsSaid) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto why = ::testing::ExitedWithCode(3);
  EXPECT_EXIT(say_why_not_on_a_gpu("CUDA_EMULATOR_DRIVER", "none"), why, "the NVIDIA driver finds no GPU");
  EXPECT_EXIT(say_why_not_on_a_gpu("CUDA_EMULATOR_DRIVER", "broken"), why, "the NVIDIA driver does not start");
  EXPECT_EXIT(say_why_not_on_a_gpu("CUDA_EMULATOR_CAPABILITY", "75"), why, "is an sm_75; sm_80 or newer is needed");
  EXPECT_EXIT(say_why_not_on_a_gpu("CUDA_EMULATOR_CAPABILITY", "80"), ::testing::ExitedWithCode(0), "");
}

/// An environment, made, stepped and freed by a thread each, and an evaluation by another. Ends the process: status 0
/// where all are on GPU 1 and do what they do on GPU 0.
[[noreturn]] void use_second_gpu_from_threads() {
  const PlannedTask task = plan_task(awkward_settings());
  const auto engine = make_engine("cuda:1", 1);
  const auto first = make_engine("cuda:0", 1);
  EXPECT_EQ(engine->gpu(), 1);
  const Policy policy = still_policy(*task.spec);
  const EnvironmentRequest request{task.spec, 5, 3, true};
  const EvaluationRequest judged = evaluation_request(task, 3, true);
  const std::vector<float> actions(5 * task.spec->action.centre.size(), 0.1f);
  std::unique_ptr<VectorEnvironment> environment;
  std::vector<float> seen;
  Evaluation found;
  const auto on_thread = [](const auto& body) { std::thread(body).join(); };
  on_thread([&] {
    environment = engine->make_environment(request);
    int device = -1;
    EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
    EXPECT_EQ(device, 1);
  });
  on_thread([&] {
    environment->step(actions);
    seen = environment->observations().to_host();
  });
  on_thread([&] {
    const auto runner = environment->make_policy_runner(policy);
    int device = -1;
    EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
    EXPECT_EQ(device, 1) << "where the policy's networks were allocated";
    runner->act();
  });
  on_thread([&] { found = engine->evaluate(judged, policy); });
  const auto there = first->make_environment(request);
  there->step(actions);
  EXPECT_EQ(seen, there->observations().to_host());
  EXPECT_EQ(found.returns, first->evaluate(judged, policy).returns);
  on_thread([&] { environment.reset(); });
  // A robot's physics and its update want more shared memory than 48 KiB, which each GPU allows a kernel by itself.
  const auto trained = [](Engine& on) {
    const auto stage = make_trainer(on, walking_settings());
    iterate(*stage, 1);
    return stage->state();
  };
  EXPECT_TRUE(same_state(trained(*engine), trained(*first)));
  std::_Exit(::testing::Test::HasFailure() ? 1 : 0);
}

/// Another thread than that which made the engine begins with GPU 0, and the emulator refuses what it puts into a
/// stream of another GPU.
TEST(EmulatedDeathTest, AnyThreadMayUseAGpuThatIsNotTheFirst) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  setenv("CUDA_EMULATOR_DEVICES", "2", 1);
  EXPECT_EXIT(use_second_gpu_from_threads(), ::testing::ExitedWithCode(0), "");
  unsetenv("CUDA_EMULATOR_DEVICES");
}

}  // namespace
}  // namespace stampede::testing
