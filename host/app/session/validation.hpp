#pragma once
/// \file Keeps the best policy of a run: every so many iterations the policy acts in the task, in episodes that neither
/// the training nor the final evaluation uses, and the one with the largest mean return is kept.

#include <cstdint>
#include <optional>
#include <utility>

#include "host/app/run/checkpoint.hpp"
#include "host/engine/engine.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

class Validation {
 public:
  /// `task` must outlive it.
  explicit Validation(const PlannedTask& task) : task_(task) {}

  /// Iterations from one validation to the next (run.validate_every); 0: there are none.
  std::int64_t every() const { return task_.settings.run.validate_every; }

  /// Lets a policy act, and keeps it if it is the best so far; among equals the first stays. Returns its mean return.
  double consider(Engine& engine, Policy policy, std::int64_t iteration);

  const std::optional<BestPolicy>& best() const { return best_; }
  void restore(std::optional<BestPolicy> best) { best_ = std::move(best); }

 private:
  const PlannedTask& task_;
  std::optional<BestPolicy> best_;
};

}  // namespace stampede
