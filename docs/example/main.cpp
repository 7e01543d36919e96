/// \file Trains the pendulum from C++ and prints what it reached.
#include <cstdio>

#include "host/app/session/training.hpp"
#include "host/base/error.hpp"
#include "host/task/planned_task.hpp"

int main() try {
  // The same layers as on the command line: the task's defaults, then what is set here.
  stampede::SettingsSources sources;
  sources.set = {"task=pendulum", "seed=7"};
  const stampede::PlannedTask task = stampede::plan_task(stampede::resolve_settings(sources));

  stampede::TrainOptions options;  // device "auto", all cores, a new folder runs/pendulum-<n>
  options.progress = [](const stampede::Progress& progress) {
    if (progress.report.iteration % 10 == 0) {
      std::printf("iteration %lld: return %.1f\n", static_cast<long long>(progress.report.iteration),
                  progress.latest["return_mean"]);
    }
  };
  const stampede::TrainResult result = stampede::train(task, options);

  std::printf("return %.1f over %d episodes after %.2f s; the policy is in %s\n", result.evaluation.return_mean,
              result.evaluation.episodes, result.seconds_train, result.policy_onnx.c_str());
  return 0;
} catch (const stampede::Error& error) {
  std::fprintf(stderr, "example: error: %s\n", error.what());
  return static_cast<int>(error.status());
}
