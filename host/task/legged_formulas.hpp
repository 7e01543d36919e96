#pragma once
/// \file Formulas of a walking task's file: compiled, and placed among its rewards, constraints, observations and ends.

#include <string>
#include <vector>

#include "host/engine/task_spec.hpp"
#include "host/task/formula.hpp"
#include "host/task/legged_settings.hpp"
#include "host/task/mirror.hpp"

namespace stampede {

/// Places a task's formulas. First the terms of observations, as the groups' rows are made; then all else.
class LeggedFormulas {
 public:
  /// `spec`: with the actions' names; `constants`: with the joints and the scan.
  LeggedFormulas(const std::string& task, const LeggedSettings& settings, const RobotModel& robot,
                 LeggedConstants& constants, TaskSpec& spec);

  /// Whether a term of observations is made of formulas.
  bool has_term(const std::string& name) const;
  /// Places such a term in a group's row, from `begin` on. Returns its numbers' names.
  std::vector<std::string> place_term(const std::string& name, ObservedGroup group, int begin);
  /// Places all else, behind the constraints that judge quantities.
  FormulaSpec place();

  /// Rewards, in the order of their rows, which come behind those of LeggedSpec's own.
  const std::vector<RewardFormula>& rewards() const { return settings_.reward_formulas; }
  /// Adds the images of the group's formulas to a map that has all other numbers of the row. Throws Error where a
  /// formula does not say what its image is.
  void add_images(ObservedGroup group, const RobotMirror& mirror, MirrorMap& map) const;

 private:
  struct PlacedFormula {
    const ObservationFormula* term;
    std::size_t index;  ///< of the formula in its term
    FormulaValue value;
    ObservedGroup group;
    int begin;
  };

  [[noreturn]] void fail(const std::string& what) const;
  int item(const std::string& name);
  int place_of(const LimbPlaces& places);
  void place_states();
  void place_rewards();
  void place_terminations();
  void place_constraint(const ConstraintSettings& from);
  /// A formula that has numbers of the environment, feet or joints, for observations and constraints.
  FormulaValue compile_columns(FormulaCompiler& compiler, const std::string& text, const std::string& of,
                               const FormulaScope& scope) const;
  FormulaValue compile_when(const ConstraintSettings& from, const std::string& key);
  /// Where the value's numbers are in a row, those of place `joint` of the limbs' joints; they begin at `begin`.
  LimbPlaces places_of(const FormulaValue& value, int joint, int begin) const;
  int width_of(const FormulaValue& value) const;
  std::vector<std::string> names_of(const FormulaValue& value, const std::string& name) const;
  std::vector<LeggedFeet> find_limbs() const;
  void place_feet(LeggedFeet& feet) const;
  void place_capsules(LeggedFeet& feet) const;
  /// Fills a table with of_limb(limb).
  template <class OfLimb>
  void put(LimbTable<float>& table, const OfLimb& of_limb) const;

  const std::string& task_;
  const LeggedSettings& settings_;
  const RobotModel& robot_;
  LeggedConstants& c_;
  TaskSpec& spec_;
  FormulaBody body_;
  FormulaSpec made_;
  FormulaCompiler step_, observe_;
  FormulaScope step_scope_{}, observed_{}, last_{};  ///< of a step; of observations behind it, and before a start
  std::vector<PlacedFormula> terms_;
};

}  // namespace stampede
