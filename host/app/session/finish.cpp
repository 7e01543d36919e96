/// \file What a run ends with.
#include "host/app/session/finish.hpp"

#include <fmt/format.h>

#include <future>

#include "host/app/export/onnx.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/plot/curve.hpp"
#include "host/app/plot/training.hpp"
#include "host/app/plot/walk.hpp"
#include "host/app/run/metrics.hpp"
#include "host/app/session/distillation.hpp"
#include "host/app/session/evaluation_stage.hpp"
#include "host/base/memory.hpp"
#include "host/task/legged_spec.hpp"
#include "host/task/protocol.hpp"

namespace stampede {

void finish_run(Engine& engine, const PlannedTask& task, const RunFolder& folder, const Policy& policy,
                const MetricTable& metrics, TrainResult& result) {
  const Settings& settings = task.settings;
  const TaskSpec& spec = *task.spec;
  folder.write("policy.onnx", to_onnx(policy, spec), Durability::kDisk);
  folder.write("policy.safetensors", to_policy_safetensors(policy, spec), Durability::kDisk);
  EvaluationRequest request = evaluation_request(task, settings.run.eval_episodes, randomises(settings));
  request.seed = evaluation_seed(kProtocolSeed);
  EvaluationStage evaluation(engine, request, policy);
  within_memory(fmt::format("the evaluation of {} episodes", request.episodes),
                fmt::format("{} is written; choose a smaller run.eval_episodes in {}",
                            folder.file("policy.onnx").string(), folder.file("config.toml").string()),
                [&] { evaluation.enqueue_iteration(); });
  result.evaluation = evaluation.evaluation();
  if (settings.distill) {
    result.teacher_return_mean = return_of_teacher(folder.path());
    result.data_return_mean = return_of_data_set(folder.path());
  }
  result.nonfinite += result.evaluation.nonfinite;
  result.contacts_over_slots += result.evaluation.contacts_over_slots;

  CurveText text;
  text.title = settings.task;
  text.subtitle = settings.algo + ", seed " + std::to_string(settings.seed);
  text.final_return = result.evaluation.return_mean;
  auto picture =
      std::async(std::launch::async, [text, points = read_curve(folder.path())] { return draw_curve(points, text); });
  const std::string title = settings.task + ", " + (settings.legged ? settings.legged->objective : settings.algo);
  if (spec.legged != nullptr) {
    within_memory("the picture of a walk", "free some memory", [&] {
      EvaluationRequest walking = walk_request(task);
      walking.seed = request.seed;
      const Walk walk = walk_of(engine.evaluate(walking, policy), *walking.task);
      folder.write("walk.png", draw_walk(walk, title), Durability::kProcess);
    });
  }
  if (has_panels(metrics)) {
    folder.write("training.png", draw_training(folder.path(), metrics, title), Durability::kProcess);
  }
  folder.write("curve.png", picture.get(), Durability::kProcess);
  result.policy_onnx = folder.file("policy.onnx");
  result.policy_safetensors = folder.file("policy.safetensors");
  result.curve = folder.file("curve.png");
}

}  // namespace stampede
