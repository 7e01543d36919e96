#include "host/app/session/evaluation_figures.hpp"

#include <cmath>

namespace stampede {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::vector<KindCrossing> crossings_by_kind(const LeggedSpec& legged, const LeggedEvaluation& evaluation) {
  std::vector<KindCrossing> list;
  if (evaluation.crossings.empty()) return list;
  const auto columns = legged.tile_kinds.size();
  for (std::size_t first = 0, next = 0; first < columns; first = next) {
    const TerrainKind kind = legged.tile_kinds[first];
    while (next < columns && legged.tile_kinds[next] == kind) ++next;
    const TerrainKindInfo& info = kTerrainKinds[static_cast<std::size_t>(kind)];
    for (std::size_t level = 0; level < legged.difficulties.size(); ++level) {
      KindCrossing sum{kind, static_cast<int>(level),
                       info.easiest + (info.hardest - info.easiest) * legged.difficulties[level]};
      for (std::size_t column = first; column < next; ++column) {
        const LeggedEvaluation::Crossing& crossing = evaluation.crossings[level * columns + column];
        sum.trials += crossing.trials;
        sum.crossed += crossing.crossed;
      }
      if (sum.trials > 0) list.push_back(sum);
    }
  }
  return list;
}

Json legged_json(const TaskSpec& task, const Evaluation& evaluation) {
  const LeggedEvaluation& legged = evaluation.legged;
  Json json = {{"tracking_error_linear", number_or_null(legged.tracking_error_linear)},
               {"tracking_error_angular", number_or_null(legged.tracking_error_angular)},
               {"fall_rate", legged.fall_rate},
               {"cost_of_transport", number_or_null(legged.cost_of_transport)},
               {"survival", legged.survival}};
  Json& constraints = json["constraints"] = Json::object();
  for (std::size_t i = 0; i < evaluation.constraints.size(); ++i) {
    const ConstraintSpec& info = task.constraints.list[i];
    const ConstraintFigures& c = evaluation.constraints[i];
    constraints[info.name] = {{"kind", info.kind},
                              {"limit", info.limit},
                              {"violated", c.violated},
                              {"mean", c.mean},
                              {"p99", c.p99},
                              {"applied", c.applied},
                              {"violated_when_applied", number_or_null(c.violated_when_applied)}};
  }
  for (std::size_t i = 0; i < legged.formulas_not_finite.size(); ++i) {
    json["formulas_not_finite"][task.legged->formulas.names[i]] = legged.formulas_not_finite[i];
  }
  if (legged.crossings.empty()) return json;
  Json& list = json["terrain"] = Json::array();
  for (const KindCrossing& crossing : crossings_by_kind(*task.legged, legged)) {
    list.push_back({{"kind", kTerrainKinds[static_cast<std::size_t>(crossing.kind)].name},
                    {"level", crossing.level},
                    {"size", crossing.size},
                    {"trials", crossing.trials},
                    {"crossed", crossing.share()}});
  }
  return json;
}

Json evaluation_json(const TaskSpec& task, const Evaluation& evaluation) {
  Json json = {{"episodes", evaluation.episodes},
               {"return_mean", number_or_null(evaluation.return_mean)},
               {"return_std", number_or_null(evaluation.return_std)},
               {"episode_length_mean", number_or_null(evaluation.episode_length_mean)},
               {"steps", evaluation.steps}};
  if (!task.metric.empty()) json[task.metric] = number_or_null(evaluation.metric);
  if (task.legged != nullptr) json.update(legged_json(task, evaluation));
  json["nonfinite"] = evaluation.nonfinite;
  json["contacts_over_slots"] = evaluation.contacts_over_slots;
  return json;
}

}  // namespace stampede
