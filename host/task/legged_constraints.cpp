#include "host/task/legged_constraints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "host/model/robot/by_joint.hpp"
#include "host/task/legged_facts.hpp"

namespace stampede {
namespace {

/// The place of a name in kWhenNames; -1 where it is none of them.
int index_of_when(const std::string& name) {
  for (int i = 0; i < kWhenCount; ++i) {
    if (name == kWhenNames[i]) return i;
  }
  return -1;
}

class ConstraintPlacer {
 public:
  ConstraintPlacer(const std::string& task, const LeggedSettings& settings, const RobotModel& robot, bool has_diagonals,
                   LeggedConstants& constants, TaskSpec& spec)
      : task_(task), settings_(settings), robot_(robot), has_diagonals_(has_diagonals), c_(constants), spec_(spec) {}

  void place() {
    const auto judges_a_quantity = [](const ConstraintSettings& from) { return from.formula.text.empty(); };
    const auto count = std::count_if(settings_.constraints.begin(), settings_.constraints.end(), judges_a_quantity);
    if (count > kMostConstraints) fail(fmt::format("{} constraints; at most {} are possible", count, kMostConstraints));
    for (const ConstraintSettings& from : settings_.constraints) {
      if (!judges_a_quantity(from)) continue;  // LeggedFormulas
      const std::string key = "constraints." + from.name;
      const int index = index_of(kQuantities, from.quantity);
      if (index < 0) {
        fail(key + ".quantity is missing; \"joint_torque\" or another, or a formula, would be right");
      }
      if (index_of_when(from.when.text) < 0) {
        fail(fmt::format("{}{}.when is a formula, which judges formulas; {} would be right beside a quantity",
                         from.when.origin, key, join(std::vector<std::string>(kWhenNames, kWhenNames + kWhenCount))));
      }
      const QuantityInfo& info = kQuantities[index];
      if (!(from.limit >= info.least && from.limit <= info.most)) {
        fail(fmt::format("{}.limit = {} is out of range for {}; it must be from {} to {}", key, from.limit, info.name,
                         info.least, info.most));
      }
      if (static_cast<Quantity>(index) == Quantity::kDiagonalFeet && !has_diagonals_) {
        fail(fmt::format("{}: {} needs four limbs, one in each direction; the robot '{}' has others", key, info.name,
                         robot().name));
      }
      PlacedConstraint& placed = c_.constraint[c_.constraints++];
      placed.quantity = static_cast<Quantity>(index);
      placed.when = static_cast<When>(index_of_when(from.when.text));
      placed.limit = tightened_limit(from, info, key);
      placed.begin = c_.columns;
      placed.columns = 0;
      for (int i = 0; i < kMostJointsALimb; ++i) {
        std::fill(placed.place[i].value, placed.place[i].value + kMaxLanes, -1);
        std::fill(placed.judged[i].value, placed.judged[i].value + kMaxLanes, 0.0f);
      }
      place_columns(from, info, key, placed);
      c_.columns += placed.columns;
      spec_.constraints.list.push_back({from.name, from.kind, from.limit, placed.begin, placed.columns});
      const float scale = from.limit != 0 ? std::fabs(from.limit) : 1.0f;
      for (int i = 0; i < placed.columns; ++i)
        spec_.constraints.columns.push_back({from.p_max, from.rises ? 1.0f : 0.0f, scale});
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error("task '" + task_ + "': " + what); }
  const RobotModel& robot() const { return robot_; }

  /// Calls body(table index, limb) for all lanes of the widest pack.
  template <class Body>
  void for_lanes(const Body& body) const {
    const int lanes = lanes_of(robot_);
    for (int lane = 0; lane < kMaxLanes; ++lane) body(lane, lane % lanes);
  }

  /// The limit that training judges by: moved by the margin to the side where the constraint holds.
  float tightened_limit(const ConstraintSettings& from, const QuantityInfo& info, const std::string& key) const {
    if (from.margin == 0) return from.limit;
    const std::string given = fmt::format("{}.margin = {}", key, from.margin);
    if (info.side == Side::kEqual) {
      fail(fmt::format("{}: {} is to be the limit itself, and off it there is no side that is safe; 0 would be right",
                       given, info.name));
    }
    const float kept = from.margin * std::fabs(from.limit);
    if (kept == 0) fail(given + ": a share of a limit of 0 keeps nothing off it; 0 would be right");
    const float limit = info.side == Side::kAtLeast ? from.limit + kept : from.limit - kept;
    const bool of_feet = from.quantity == kQuantities[static_cast<int>(Quantity::kFeetAtLeast)].name;
    const float most = of_feet ? static_cast<float>(robot().limbs) : info.most;
    if (limit < info.least || limit > most) {
      fail(fmt::format(
          "{} takes the limit of {} to {}, which nothing keeps: {} is from {} to {}; a smaller margin would "
          "be right",
          given, from.limit, limit, info.name, info.least, most));
    }
    return limit;
  }

  void place_columns(const ConstraintSettings& from, const QuantityInfo& info, const std::string& key,
                     PlacedConstraint& placed) const {
    if (info.per != Per::kJoint && !from.joints.empty()) {
      fail(fmt::format("{}.joints: {} is not judged joint by joint; leave joints out", key, info.name));
    }
    if (info.per == Per::kJoint) {
      for (const std::string& pattern : from.joints) {
        const bool known =
            std::any_of(spec_.action.names.begin(), spec_.action.names.end(),
                        [&](const std::string& name) { return matches_pattern(pattern.c_str(), name.c_str()); });
        if (!known) {
          fail(fmt::format("{}.joints: the robot '{}' has no driven joint '{}'; {}", key, robot().name, pattern,
                           suggestion(pattern, spec_.action.names)));
        }
      }
      for (const RobotJoint& joint : robot().joint_info) {
        const bool chosen =
            from.joints.empty() || std::any_of(from.joints.begin(), from.joints.end(), [&](const std::string& pattern) {
              return matches_pattern(pattern.c_str(), joint.name.c_str());
            });
        if (joint.actuator < 0 || !chosen) continue;
        for_lanes([&](int lane, int limb) {
          if (limb != joint.limb) return;
          placed.place[joint.place].value[lane] = placed.columns;
          placed.judged[joint.place].value[lane] = 1.0f;
        });
        ++placed.columns;
      }
      return;
    }
    const bool of_limb = info.per == Per::kLimb;
    for_lanes([&](int lane, int limb) {
      placed.place[0].value[lane] = of_limb ? (limb < robot().limbs ? limb : -1) : (limb == 0 ? 0 : -1);
      placed.judged[0].value[lane] = !of_limb || limb < robot().limbs ? 1.0f : 0.0f;
    });
    placed.columns = of_limb ? robot().limbs : 1;
  }

  const std::string& task_;
  const LeggedSettings& settings_;
  const RobotModel& robot_;
  bool has_diagonals_;
  LeggedConstants& c_;
  TaskSpec& spec_;
};

}  // namespace

void place_constraints(const std::string& task, const LeggedSettings& settings, const RobotModel& robot,
                       bool has_diagonals, LeggedConstants& constants, TaskSpec& spec) {
  ConstraintPlacer(task, settings, robot, has_diagonals, constants, spec).place();
}

}  // namespace stampede
