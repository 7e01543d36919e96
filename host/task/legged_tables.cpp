/// \file Tables by name of a walking task's file.
#include "host/task/legged_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "host/task/assign.hpp"

namespace stampede::reading {
namespace {

/// A table's keys in the order in which its file defines them.
std::vector<std::string> names_in_order(const toml::table& table) {
  std::vector<std::string> names;
  for (const auto& [key, node] : table) names.emplace_back(key.str());
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    const toml::source_position first = table.get(a)->source().begin, second = table.get(b)->source().begin;
    return std::pair(first.line, first.column) < std::pair(second.line, second.column);
  });
  return names;
}

/// Gives an entry [<table>.<name>] of a list its values: the one of that name, which keeps its place, or a new one.
template <class Struct>
Struct& apply_entry(std::vector<Struct>& all, const std::string& table, const std::string& name, const toml::node& node,
                    const Layer& layer) {
  if (name.find('/') != std::string::npos) {
    throw Error(
        fmt::format("{}{}.\"{}\": a name may not hold '/', which divides the names of metrics; '_' would be "
                    "right",
                    place(layer, node), table, name));
  }
  if (name.empty()) throw Error(place(layer, node) + table + ".\"\": a name is missing; one of letters would be right");
  const std::string key = table + "." + name;
  const toml::table* inner = node.as_table();
  if (inner == nullptr)
    throw Error(place(layer, node) + wrong_type(node, key, ("a table, as in [" + key + "]").c_str()));
  auto it = std::find_if(all.begin(), all.end(), [&](const Struct& other) { return other.name == name; });
  if (it == all.end()) {
    it = all.insert(it, Struct{});
    it->name = name;
  }
  for (const auto& [inner_key, inner_node] : *inner) {
    const std::string field(inner_key.str());
    const Value value{layer, inner_node, key + "." + field};
    Assigner<Struct> assigner{*it, field, value};
    Struct::describe(assigner);
    if (assigner.found) continue;
    Choices fields;
    Struct::describe([&](const char* known, auto&&...) { fields.emplace_back(known); });
    value.fail("unknown key '" + value.key + "'; " + suggestion(field, fields));
  }
  return *it;
}

void apply_rewards(LeggedSettings& legged, const toml::table& table, const Layer& layer, const TaskInfo& task) {
  for (const std::string& name : names_in_order(table)) {
    const toml::node& node = *table.get(name);
    const std::string key = "rewards." + name;
    int index = 0;
    while (index < kRewardTermCount && name != kRewardTerms[index].name) ++index;
    float* const built_in = index < kRewardTermCount ? &legged.rewards[static_cast<std::size_t>(index)] : nullptr;
    const auto formula = std::find_if(legged.reward_formulas.begin(), legged.reward_formulas.end(),
                                      [&](const RewardFormula& other) { return other.name == name; });
    if (const toml::table* inner = node.as_table()) {
      // A weight alone is that of the term that is there.
      if (built_in != nullptr && formula == legged.reward_formulas.end() && !inner->contains("formula")) {
        if (inner->size() == 1 && inner->contains("weight")) {
          assign(Value{layer, *inner->get("weight"), key + ".weight"}, *built_in, kWeightBounds);
          continue;
        }
      }
      const bool is_new = formula == legged.reward_formulas.end();
      RewardFormula& entry = apply_entry(legged.reward_formulas, "rewards", name, node, layer);
      if (built_in == nullptr) continue;
      // A formula takes the place of the built-in term of its name, and its weight where it has none of its own.
      if (is_new && !inner->contains("weight")) entry.weight = *built_in;
      *built_in = 0;
      continue;
    }
    if (formula != legged.reward_formulas.end()) {
      assign(Value{layer, node, key}, formula->weight, kWeightBounds);
    } else if (built_in != nullptr) {
      assign(Value{layer, node, key}, *built_in, kWeightBounds);
    } else {
      fail_unknown(layer, node, key, &task);
    }
  }
}

template <class Struct>
void apply_entries(std::vector<Struct>& all, const std::string& table_name, const toml::table& table,
                   const Layer& layer) {
  for (const std::string& name : names_in_order(table)) {
    apply_entry(all, table_name, name, *table.get(name), layer);
  }
}

/// Fields of a struct; what is a table is one of `entries`.
void apply_terminations(LeggedSettings& legged, const toml::table& table, const Layer& layer, const TaskInfo& task) {
  for (const std::string& name : names_in_order(table)) {
    const toml::node& node = *table.get(name);
    const Value value{layer, node, "terminations." + name};
    Assigner<TerminationSettings> assigner{legged.terminations, name, value};
    TerminationSettings::describe(assigner);
    if (assigner.found) continue;
    if (!node.is_table()) fail_unknown(layer, node, value.key, &task);
    apply_entry(legged.termination_formulas, "terminations", name, node, layer);
  }
}

void apply_observations(LeggedSettings& legged, const toml::table& table, const Layer& layer, const TaskInfo& task) {
  if (const toml::node* terms = table.get("terms")) {
    if (!terms->is_table()) {
      throw Error(place(layer, *terms) +
                  wrong_type(*terms, "observations.terms", "a table, as in [observations.terms.clock]"));
    }
    for (const std::string& name : names_in_order(*terms->as_table())) {
      const toml::node& node = *terms->as_table()->get(name);
      const bool taken = std::any_of(std::begin(kObservationTerms), std::end(kObservationTerms),
                                     [&](const ObservationTermInfo& info) { return name == info.name; });
      if (taken) {
        throw Error(fmt::format("{}observations.terms.{}: '{}' is built in; another name would be right",
                                place(layer, node), name, name));
      }
      apply_entry(legged.observation_formulas, "observations.terms", name, node, layer);
    }
  }
  Choices known;
  for (const ObservationTermInfo& info : kObservationTerms) known.emplace_back(info.name);
  for (const ObservationFormula& term : legged.observation_formulas) known.push_back(term.name);
  for (const std::string& name : names_in_order(table)) {
    if (name == "terms") continue;
    const toml::node& node = *table.get(name);
    const Value value{layer, node, "observations." + name};
    if (name == "policy") {
      assign(value, legged.observations.policy, known);
    } else if (name == "critic") {
      assign(value, legged.observations.critic, known);
    } else {
      fail_unknown(layer, node, value.key, &task);
    }
  }
}

}  // namespace

bool apply_legged_table(LeggedSettings& legged, const std::string& name, const toml::table& table, const Layer& layer,
                        const TaskInfo& task) {
  if (name == "rewards") {
    apply_rewards(legged, table, layer, task);
  } else if (name == "constraints") {
    apply_entries(legged.constraints, name, table, layer);
  } else if (name == "terminations") {
    apply_terminations(legged, table, layer, task);
  } else if (name == "observations") {
    apply_observations(legged, table, layer, task);
  } else if (name == "state") {
    apply_entries(legged.states, name, table, layer);
  } else {
    return false;
  }
  return true;
}

}  // namespace stampede::reading
