#include "host/app/session/evaluation_stage.hpp"

namespace stampede {

EvaluationStage::EvaluationStage(Engine& engine, EvaluationRequest request, Policy policy)
    : engine_(engine),
      request_(std::move(request)),
      policy_(std::move(policy)),
      table_(std::make_shared<MetricTable>()) {
  const auto add = [&](const char* name, const char* unit, bool integer) {
    table_->add({.name = name, .tag = std::string("evaluation/") + name, .unit = unit, .integer = integer});
  };
  add("return_mean", "", false);
  add("return_std", "", false);
  add("episode_length_mean", "control steps", false);
  if (!request_.task->metric.empty()) add(request_.task->metric.c_str(), "", false);
  add("nonfinite", "states", true);
  add("contacts_over_slots", "", true);
}

void EvaluationStage::enqueue_iteration() {
  evaluation_ = engine_.evaluate(request_, policy_);
  ++iterations_;
  waiting_ = true;
}

bool EvaluationStage::fetch_report(Report& report, bool) {
  if (!waiting_) return false;
  waiting_ = false;
  report.iteration = iterations_;
  report.steps = 0;  // steps that something is learned from
  report.table = table_;
  report.set("return_mean", evaluation_.return_mean);
  report.set("return_std", evaluation_.return_std);
  report.set("episode_length_mean", evaluation_.episode_length_mean);
  if (!request_.task->metric.empty()) report.set(request_.task->metric, evaluation_.metric);
  report.set("nonfinite", static_cast<double>(evaluation_.nonfinite));
  report.set("contacts_over_slots", static_cast<double>(evaluation_.contacts_over_slots));
  return true;
}

}  // namespace stampede
