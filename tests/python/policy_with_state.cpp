/// \file A policy whose network has a state, as ONNX, and what it did: for the comparison with onnxruntime.
///
///     policy_with_state FOLDER
///
/// Trains the tests' point mass for a moment, with a leaky integrator in the network, and writes policy.onnx and trace.safetensors,
/// an evaluation's observations, actions and active steps, to the folder.

#include <cstdio>
#include <filesystem>

#include "host/app/export/onnx.hpp"
#include "host/app/export/safetensors.hpp"
#include "host/base/files.hpp"
#include "host/engine/loader.hpp"
#include "host/task/describe_task.hpp"
#include "host/task/planned_task.hpp"
#include "host/task/protocol.hpp"
#include "tests/envs/point_mass.hpp"
#include "tests/modules/leaky_onnx.hpp"

namespace stampede {
namespace {

void write_policy(const std::filesystem::path& folder) {
  register_tasks(test::PointMasses{});
  register_onnx_module("leaky_integrator", test::write_leaky_integrator);
  const PlannedTask task = plan_task(resolve_settings(
      {"", {"task=point-mass", "network.modules=[\"leaky_integrator\", \"dense\"]", "train.iterations=20"}, {}}));
  const auto engine = make_engine(DeviceChoice{"cpu", "", STAMPEDE_POINT_MASS_MODULE, ""}, 1);
  const auto trainer = engine->make_trainer(training_request(task));
  for (int i = 0; i < task.settings.train.iterations; ++i) {
    trainer->enqueue_iteration();
    Report report;
    trainer->fetch_report(report, true);
  }
  const Policy policy = trainer->policy();
  EvaluationRequest request = evaluation_request(task, 8, false);
  request.trace = true;
  write_file(folder / "trace.safetensors", to_safetensors(engine->evaluate(request, policy).trace, {}));
  write_file(folder / "policy.onnx", to_onnx(policy, *task.spec));
}

}  // namespace
}  // namespace stampede

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw stampede::Error("a folder is needed, and nothing else");
    stampede::write_policy(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "policy_with_state: %s\n", error.what());
    return 2;
  }
  return 0;
}
