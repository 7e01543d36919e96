/// \file Which trainings are over on the CPU before a GPU has done them.
///
/// The model leaves out what would speak for the CPU: of the GPU it counts its start and its launches alone, as if
/// these did their work in no time. Of the CPU it counts the dense layers, which take most of a small task's time.
#include "host/app/session/sooner_on_cpu.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace stampede {
namespace {

// CUDA's context, cuBLASLt and the module [s], a launch within a recorded graph [s], and launches by what they are for,
// as the emulated device counts them (tests/emulator/training_test.cpp). Small networks learn from a minibatch at once,
// but for SiLU; that larger ones, and all on GPUs other than sm_90 and sm_100, take more launches is left out.
constexpr double kStart = 0.6, kLaunch = 2e-6;
constexpr double kLaunchesAStep = 2, kLaunchesAMinibatch = 3, kLaunchesAMinibatchOfSilu = 35;
// A core's floating-point operations in dense layers [1/s], with all that goes with them, and samples that keep a
// thread busy.
constexpr double kCore = 50e9, kSamplesAThread = 128;

/// Weights of a network.
double weights(int inputs, const std::vector<int>& hidden, int outputs) {
  double sum = 0;
  for (const int width : hidden) sum += 1.0 * inputs * width, inputs = width;
  return sum + 1.0 * inputs * outputs;
}

}  // namespace

bool sooner_on_cpu(const PlannedTask& task, int threads) {
  const Settings& settings = task.settings;
  const TaskSpec& spec = *task.spec;
  const bool dense = settings.network.modules == std::vector<std::string>{"dense"} && spec.policy().pixels() == 0;
  if (spec.legged != nullptr || settings.distill || !dense) return false;

  const double iterations = settings.train.iterations, epochs = settings.algorithm.epochs;
  const double samples = 1.0 * settings.train.num_envs * settings.train.horizon;
  const auto minibatches = static_cast<double>(settings.algorithm.minibatches_of(static_cast<std::int64_t>(samples)));
  const double of_minibatch = settings.network.activation == "silu" ? kLaunchesAMinibatchOfSilu : kLaunchesAMinibatch;
  const double launches = kLaunchesAStep * settings.train.horizon + of_minibatch * epochs * minibatches;
  const double on_gpu = kStart + kLaunch * iterations * launches;

  const double both = weights(spec.policy().size(), settings.network.actor, spec.action.size()) +
                      weights(spec.policy().size(), settings.network.critic, 1);
  // A multiply-add of each weight in the rollout; in each epoch one forward and two backward.
  const double operations = iterations * samples * (2 + 6 * epochs) * both;
  const double busy = std::clamp(samples / minibatches / kSamplesAThread, 1.0, 1.0 * threads);
  return operations / (kCore * busy) < on_gpu;
}

}  // namespace stampede
