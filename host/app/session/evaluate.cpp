#include "host/app/session/evaluate.hpp"

#include <fmt/format.h>

#include <memory>

#include "host/app/session/run_contents.hpp"
#include "host/base/error.hpp"
#include "host/base/memory.hpp"
#include "host/peers/mujoco_physics.hpp"
#include "host/task/protocol.hpp"

namespace stampede {

EvaluationPlan plan_evaluation(const PlannedTask& task, const EvaluateOptions& options) {
  const Settings& settings = task.settings;
  if (options.simulator != "stampede" && options.simulator != "mujoco") {
    throw Error("--simulator " + options.simulator + ": must be stampede or mujoco");
  }
  EvaluationPlan plan;
  plan.mujoco = options.simulator == "mujoco";
  if (plan.mujoco && !settings.legged) {
    throw Error("--simulator " + options.simulator + ": the task '" + settings.task +
                "' runs in stampede's own simulator only; " + "leave the flag out or write --simulator stampede");
  }
  if (!options.randomise.empty() && options.randomise != "off" && options.randomise != "on") {
    throw Error("--randomise " + options.randomise + ": must be on or off");
  }
  if (options.randomise == "on" && !randomises(settings)) {
    throw Error("--randomise on: the task '" + settings.task +
                "' randomises nothing but its starts; write --randomise off");
  }
  plan.randomise = options.randomise.empty() ? randomises(settings) : options.randomise == "on";
  plan.episodes = settings.run.eval_episodes;
  if (options.episodes) {
    if (*options.episodes < 1 || *options.episodes > (1 << 20)) {
      throw Error("--episodes " + std::to_string(*options.episodes) + " is out of range; it must be from 1 to 1048576");
    }
    plan.episodes = static_cast<int>(*options.episodes);
  }
  // A run's own seed is that of its training. Without one every run is evaluated from the same starts.
  plan.seed = options.seed.value_or(kProtocolSeed);
  plan.trace = options.trace;
  return plan;
}

Evaluation evaluate(Engine& engine, const PlannedTask& task, const Policy& policy, const EvaluationPlan& plan) {
  EvaluationRequest request = evaluation_request(task, plan.episodes, plan.randomise);
  request.seed = evaluation_seed(plan.seed);
  request.trace = plan.trace;
  std::unique_ptr<ExternalPhysics> mujoco;
  if (plan.mujoco) {
    mujoco = make_mujoco_physics(task, engine.threads());
    request.external = mujoco.get();
  }
  return within_memory(fmt::format("the evaluation of {} episodes{}", plan.episodes, plan.trace ? " with a trace" : ""),
                       plan.trace ? "choose fewer --episodes or leave --trace out" : "choose fewer --episodes",
                       [&] { return engine.evaluate(request, policy); });
}

}  // namespace stampede
