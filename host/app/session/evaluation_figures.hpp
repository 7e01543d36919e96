#pragma once
/// \file What an evaluation found, as JSON: the same keys wherever it is told.

#include <nlohmann/json.hpp>
#include <vector>

#include "host/engine/engine.hpp"
#include "host/engine/task_spec.hpp"

namespace stampede {

/// NaN and infinities as null.
nlohmann::ordered_json number_or_null(double value);

/// Episodes that were told to cross one kind of ground at one level, and those that did.
struct KindCrossing {
  TerrainKind kind{};
  int level = 0;
  double size = 0;  ///< what makes it hard at this level: a slope [rad], else a length [m]
  int trials = 0, crossed = 0;

  double share() const { return static_cast<double>(crossed) / trials; }
};

/// The crossings of all columns of a kind together: kinds in the order of the columns, levels from the easiest; without
/// those that nobody tried.
std::vector<KindCrossing> crossings_by_kind(const LeggedSpec& legged, const LeggedEvaluation& evaluation);

/// What only walking tasks have: tracking, falls, each constraint, terrain.
nlohmann::ordered_json legged_json(const TaskSpec& task, const Evaluation& evaluation);

/// Everything: episodes, return, the task's own metric, and of walking tasks legged_json.
nlohmann::ordered_json evaluation_json(const TaskSpec& task, const Evaluation& evaluation);

}  // namespace stampede
