/// \file Trainings that make a GPU wait for its own launches.
#include "host/app/session/many_minibatches.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "host/engine/policy.hpp"

namespace stampede {
namespace {

/// Minibatches of a pass up to which nothing is said.
constexpr std::int64_t kFewMinibatches = 64;

}  // namespace

std::string note_of_minibatches(const Settings& settings) {
  AlgorithmSettings algorithm = settings.algorithm;
  if (settings.distill) {
    if (!settings.distill->dataset.empty()) return "";  // its steps are counted when it is read
    algorithm.minibatch = settings.distill->minibatch;
    algorithm.minibatches = 0;  // those of fine-tuning
  }
  const std::int64_t samples = std::int64_t{settings.train.num_envs} * settings.train.horizon;
  // A minibatch of networks with a state is whole windows, one at least.
  const std::vector<std::string>& modules = settings.network.modules;
  const bool remembers = std::find(modules.begin(), modules.end(), kGruModule) != modules.end();
  const std::int64_t window = settings.network.window > 0 ? settings.network.window : settings.train.horizon;
  const std::int64_t minibatches =
      std::min(algorithm.minibatches_of(samples), remembers ? std::max<std::int64_t>(samples / window, 1) : samples);
  if (minibatches <= kFewMinibatches) return "";
  const std::string fits = std::to_string((samples + kFewMinibatches - 1) / kFewMinibatches);
  const std::string advice = settings.distill            ? "distill.minibatch = " + fits + " or more"
                             : algorithm.minibatches > 0 ? "algorithm.minibatches = 64 or fewer"
                                                         : "algorithm.minibatch = " + fits + " or more";
  return "a pass over " + std::to_string(samples) + " samples is split into " + std::to_string(minibatches) +
         " minibatches; on a GPU each costs the time of its launches, however few samples it has: " + advice +
         " would take less time";
}

}  // namespace stampede
