/// \file What to try where a training diverged.
#include "host/app/session/divergence.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace stampede {

std::string advice_on_divergence(const PlannedTask& task, const Share& nonfinite, const Share& unlearnt) {
  const double share = nonfinite.part / std::max(1.0, nonfinite.whole);
  const bool unstable = unlearnt.part > 0 && unlearnt.part / unlearnt.whole >= 0.5 * share;
  if (!unstable) return "try a smaller algorithm.learning_rate";
  const std::string already =
      fmt::format("{:.0f} of them came in the first rollout, before anything was learnt: ", unlearnt.part);
  if (task.settings.legged) {
    const ControlSettings& control = task.settings.legged->control;
    const bool own = control.stiffness.any_above_zero();
    const auto now = [&](const ByJoint& value) -> std::string {
      if (!own) return "the robot file's";
      return value.patterns.empty() ? fmt::format("{}", value.all) : "by joint";
    };
    return already + fmt::format(
                         "try a smaller control.timestep (now {} s), a smaller control.stiffness (now {}) or a larger "
                         "control.damping (now {})",
                         control.timestep, now(control.stiffness), now(control.damping));
  }
  std::string keys;
  for (const TaskParameter& parameter : task.info.parameters)
    keys += (keys.empty() ? "environment." : ", environment.") + parameter.name;
  return already + "the simulation is unstable with these values of " + keys;
}

}  // namespace stampede
