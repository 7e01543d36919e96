#pragma once
/// \file An evaluation as a stage of a run: in its iteration it evaluates a policy, and does not change it.

#include <memory>
#include <utility>
#include <vector>

#include "host/engine/engine.hpp"

namespace stampede {

class EvaluationStage final : public Stage {
 public:
  /// `engine` must outlive the stage.
  EvaluationStage(Engine& engine, EvaluationRequest request, Policy policy);

  void enqueue_iteration() override;
  bool fetch_report(Report& report, bool wait) override;
  std::shared_ptr<const MetricTable> metrics() const override { return table_; }
  /// An evaluation has no state: one that was interrupted starts again.
  std::vector<Tensor> state() override { return {}; }
  void restore(const std::vector<Tensor>&) override {}
  Policy policy() override { return policy_; }
  double update_flops() const override { return 0; }

  /// What the last iteration found.
  const Evaluation& evaluation() const { return evaluation_; }

 private:
  Engine& engine_;
  EvaluationRequest request_;
  Policy policy_;
  Evaluation evaluation_;
  std::shared_ptr<MetricTable> table_;
  std::int64_t iterations_ = 0;
  bool waiting_ = false;  ///< whether a report is still to be fetched
};

}  // namespace stampede
