/// \file Formulas of walking tasks.
#include "host/task/legged_formulas.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "host/task/legged_facts.hpp"

namespace stampede {
namespace {

constexpr std::size_t kMostFormulas = 200;  // their numbers are bytes

/// The robot's limbs and driven joints, and the scan's points. A limb is called as its first joint.
FormulaBody body_of(const RobotModel& robot, int points) {
  FormulaBody body;
  body.points = points;
  body.lanes = lanes_of(robot);
  body.joints_a_limb = robot.size.joints;
  body.limbs.resize(static_cast<std::size_t>(robot.limbs));
  for (const RobotJoint& info : robot.joint_info) {
    std::string& limb = body.limbs[static_cast<std::size_t>(info.limb)];
    if (limb.empty()) limb = info.name;
    if (info.actuator >= 0) body.joints.push_back({info.name, info.limb, info.place});
  }
  return body;
}

/// What the words of `when` mean, as LeggedView::holds has it.
const char* meaning_of(const std::string& when) {
  if (when == "moving") return "command_speed > 0.1";
  if (when == "fast") return "command_speed > 0.5";
  if (when == "still") return "command_speed <= 0.1";
  if (when == "straight") return "abs(command_y) < 0.1";
  return when == "always" ? "1" : nullptr;
}

/// The axis of a capsule, in its link's frame [m].
struct CapsuleAxis {
  Vec3<double> begin, along;
  double radius;
};

/// That of a capsule, or of one about as large.
CapsuleAxis axis_of_capsule(const Solid<double>& solid) {
  Vec3<double> direction = solid.axes.z;
  double radius = solid.half.x, half = solid.half.z;
  if (solid.shape == SolidShape::kBox) {
    std::pair<double, Vec3<double>> sides[] = {
        {solid.half.x, solid.axes.x}, {solid.half.y, solid.axes.y}, {solid.half.z, solid.axes.z}};
    std::sort(std::begin(sides), std::end(sides), [](const auto& a, const auto& b) { return a.first < b.first; });
    radius = sides[1].first;
    half = sides[2].first - radius;
    direction = sides[2].second;
  } else if (solid.shape == SolidShape::kCylinder) {
    half = std::max(half - radius, 0.0);
  }
  return {solid.centre - direction * half, direction * (2 * half), radius};
}

std::string where(const FormulaText& formula, const std::string& key) { return formula.origin + key; }

}  // namespace

LeggedFormulas::LeggedFormulas(const std::string& task, const LeggedSettings& settings, const RobotModel& robot,
                               LeggedConstants& constants, TaskSpec& spec)
    : task_(task),
      settings_(settings),
      robot_(robot),
      c_(constants),
      spec_(spec),
      body_(body_of(robot, constants.scan_points)),
      step_(body_, kKeptRows + static_cast<int>(settings.states.size()), made_.masks),
      observe_(body_, 0, made_.masks) {
  place_states();
}

void LeggedFormulas::fail(const std::string& what) const { throw Error("task '" + task_ + "': " + what); }

int LeggedFormulas::item(const std::string& name) {
  made_.names.push_back(name);
  if (made_.names.size() > kMostFormulas)
    fail(fmt::format("more than {} formulas; fewer would be right", kMostFormulas));
  return static_cast<int>(made_.names.size()) - 1;
}

int LeggedFormulas::place_of(const LimbPlaces& places) {
  made_.places.push_back(places);
  if (made_.places.size() > kMostFormulas)
    fail(fmt::format("formulas give more than {} columns or observations; fewer would be right", kMostFormulas));
  return static_cast<int>(made_.places.size()) - 1;
}

/// In a step a state is what it was; an observation sees what the step, or a start, made of it.
void LeggedFormulas::place_states() {
  observed_.step = last_.step = false;
  std::set<std::string> names = {"pi"};
  for (const SignalInfo& info : kSignals) names.insert(info.name);
  int row = kKeptRows;
  for (const StateSettings& state : settings_.states) {
    const std::string key = "state." + state.name;
    const bool plain = state.name.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos;
    if (!plain || state.name.find_first_of("0123456789") == 0 || state.name == "and" || state.name == "or" ||
        state.name == "not") {
      fail(key + ": formulas cannot name it; letters, digits and _ would be right");
    }
    if (names.contains(state.name)) {
      fail(fmt::format("{}: '{}' is a signal; another name would be right", key, state.name));
    }
    if (state.start.text.empty()) fail(key + ".start is missing; \"0\" or another formula would be right");
    if (state.next.text.empty())
      fail(key + ".next is missing; a formula such as \"" + state.name + "\" would be right");
    step_scope_.states.push_back({state.name, step_.recall(row++)});
  }
  row = kKeptRows;
  for (const StateSettings& state : settings_.states) {
    const std::string key = "state." + state.name;
    FormulaScope start = observed_;
    start.random = true;
    const int now = item(key);
    const int begun = observe_
                          .compile_one(state.start.text, where(state.start, key + ".start"), start,
                                       "a number for the environment, as of sum() or mean(),")
                          .node[0];
    const int next = step_
                         .compile_one(state.next.text, where(state.next, key + ".next"), step_scope_,
                                      "a number for the environment, as of sum() or mean(),")
                         .node[0];
    const int value = observe_.select(observe_.signal(Signal::kEpisodeStart), begun, observe_.recall(row));
    observe_.result(FormulaOp::kNext, value, row, 0, now, 0);
    step_.result(FormulaOp::kNext, next, row, 0, now, 0);
    observed_.states.push_back({state.name, value});
    // As kNext keeps it.
    last_.states.push_back({state.name, step_.finite(next, step_.recall(row))});
    ++row;
  }
}

bool LeggedFormulas::has_term(const std::string& name) const {
  return std::any_of(settings_.observation_formulas.begin(), settings_.observation_formulas.end(),
                     [&](const ObservationFormula& term) { return term.name == name; });
}

std::vector<std::string> LeggedFormulas::place_term(const std::string& name, ObservedGroup group, int begin) {
  const auto term = std::find_if(settings_.observation_formulas.begin(), settings_.observation_formulas.end(),
                                 [&](const ObservationFormula& each) { return each.name == name; });
  const std::string key = "observations.terms." + name;
  if (term->formula.empty()) fail(key + ".formula is missing; a formula in quotes would be right");
  const bool last = group == kObservedPrivileged || settings_.observations.critic.empty();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < term->formula.size(); ++i) {
    const FormulaText& formula = term->formula[i];
    const std::string of = where(formula, key + ".formula");
    // Each group's own: a formula that two groups see is computed, and counted, in both.
    const std::string several = term->formula.size() > 1 ? fmt::format(".{}", i) : "";
    const int now = item(key + several + (group == kObservedPrivileged ? ".privileged" : ""));
    const FormulaValue value = compile_columns(observe_, formula.text, of, observed_);
    const int at = begin + static_cast<int>(names.size());
    const auto write = [&](FormulaCompiler& compiler, const FormulaValue& written, ObservedGroup to) {
      for (std::size_t joint = 0; joint < written.node.size(); ++joint) {
        if (written.node[joint] < 0) continue;
        const int places = place_of(places_of(written, static_cast<int>(joint), at));
        compiler.result(FormulaOp::kObserve, written.node[joint], to, places, now, 0);
      }
    };
    write(observe_, value, group);
    if (last) write(step_, step_.compile(formula.text, of, last_), kObservedFinal);
    terms_.push_back({&*term, i, value, group, at});
    const std::string column = term->formula.size() > 1 ? fmt::format("{}.{}", name, i) : name;
    const std::vector<std::string> more = names_of(value, column);
    names.insert(names.end(), more.begin(), more.end());
  }
  return names;
}

FormulaSpec LeggedFormulas::place() {
  place_rewards();
  for (const ConstraintSettings& constraint : settings_.constraints) {
    if (!constraint.formula.text.empty()) place_constraint(constraint);
  }
  place_terminations();
  for (const ObservationFormula& term : settings_.observation_formulas) {
    // One that nobody sees is checked all the same.
    if (term.formula.empty()) {
      fail("observations.terms." + term.name + ".formula is missing; a formula in quotes would be right");
    }
    for (const FormulaText& formula : term.formula) {
      compile_columns(observe_, formula.text, where(formula, "observations.terms." + term.name + ".formula"),
                      observed_);
    }
  }
  if (made_.names.empty()) return {};
  made_.step = step_.finish("task '" + task_ + "'");
  made_.observe = observe_.finish("task '" + task_ + "'");
  made_.kept = step_.kept();
  made_.feet = find_limbs();
  made_.nonfinite = kLeggedTotals + static_cast<int>(settings_.reward_formulas.size());
  return made_;
}

void LeggedFormulas::place_rewards() {
  int row = kLeggedTotals;
  for (const RewardFormula& reward : settings_.reward_formulas) {
    const std::string key = "rewards." + reward.name;
    if (reward.formula.text.empty()) {
      fail(fmt::format("{}.formula is missing; a formula, or the name of a built-in term, would be right", key));
    }
    const int now = item(key);
    const FormulaValue value = step_.compile_one(reward.formula.text, where(reward.formula, key + ".formula"),
                                                 step_scope_, "one number, as of sum(...) or mean(...),");
    step_.result(FormulaOp::kReward, value.node[0], row++, 0, now, reward.weight * c_.control_dt);
  }
}

void LeggedFormulas::place_terminations() {
  for (const TerminationFormula& end : settings_.termination_formulas) {
    const std::string key = "terminations." + end.name;
    if (end.formula.text.empty()) fail(key + ".formula is missing; a formula in quotes would be right");
    const int now = item(key);
    const FormulaValue value = step_.compile_one(end.formula.text, where(end.formula, key + ".formula"), step_scope_,
                                                 "one condition, as of any(...) or all(...),");
    step_.result(FormulaOp::kEnd, value.node[0], 0, 0, now, 0);
  }
}

FormulaValue LeggedFormulas::compile_columns(FormulaCompiler& compiler, const std::string& text, const std::string& of,
                                             const FormulaScope& scope) const {
  FormulaValue value = compiler.compile(text, of, scope);
  if (value.per == Per::kScan) {
    fail_formula(of, 1,
                 "gives one for each point of the scan; one number, as of largest(...) or mean(...), would be right "
                 "(all of them are the observation \"height_scan\")");
  }
  return value;
}

FormulaValue LeggedFormulas::compile_when(const ConstraintSettings& from, const std::string& key) {
  const char* const meaning = meaning_of(from.when.text);
  return step_.compile(meaning != nullptr ? meaning : from.when.text, where(from.when, key + ".when"), step_scope_);
}

void LeggedFormulas::place_constraint(const ConstraintSettings& from) {
  const std::string key = "constraints." + from.name;
  if (!from.quantity.empty()) {
    fail(fmt::format("{} has a quantity and a formula; one of them would be right", key));
  }
  if (!from.joints.empty()) {
    fail(
        fmt::format("{}.joints: a formula chooses joints itself, as in joint_torque[\"*_calf_joint\"]; leave joints "
                    "out",
                    key));
  }
  if (from.margin != 0 && from.limit == 0) {
    fail(fmt::format("{}.margin = {}: a share of a limit of 0 keeps nothing off it; 0 would be right", key,
                     from.margin));
  }
  const int now = item(key);
  const FormulaValue value =
      compile_columns(step_, from.formula.text, where(from.formula, key + ".formula"), step_scope_);
  const FormulaValue when = compile_when(from, key);
  if (when.per != Per::kBase && (when.per != value.per || when.chosen != value.chosen)) {
    fail_formula(where(from.when, key + ".when"), 1,
                 "is not of the same joints or feet as the formula; one condition, as of any(...), would be right");
  }
  const float limit = from.limit - from.margin * std::fabs(from.limit);
  const int columns = width_of(value);
  for (std::size_t joint = 0; joint < value.node.size(); ++joint) {
    if (value.node[joint] < 0) continue;
    const int holds = when.node[when.per == Per::kJoint ? joint : 0];
    step_.result(FormulaOp::kViolation, value.node[joint], holds,
                 place_of(places_of(value, static_cast<int>(joint), c_.columns)), now, limit);
  }
  spec_.constraints.list.push_back({from.name, from.kind, from.limit, c_.columns, columns});
  const float scale = from.limit != 0 ? std::fabs(from.limit) : 1.0f;
  for (int i = 0; i < columns; ++i) spec_.constraints.columns.push_back({from.p_max, from.rises ? 1.0f : 0.0f, scale});
  c_.columns += columns;
}

int LeggedFormulas::width_of(const FormulaValue& value) const {
  if (value.per == Per::kBase) return 1;
  return static_cast<int>(std::count(value.chosen.begin(), value.chosen.end(), true));
}

LimbPlaces LeggedFormulas::places_of(const FormulaValue& value, int joint, int begin) const {
  LimbPlaces places;
  for (int lane = 0; lane < kMaxLanes; ++lane) {
    const int limb = lane % body_.lanes;
    int& place = places.value[lane];
    place = value.per == Per::kBase && limb == 0 ? begin : -1;
    int next = begin;
    for (std::size_t i = 0; i < value.chosen.size(); ++i) {
      if (!value.chosen[i]) continue;
      const bool here = value.per == Per::kLimb ? limb == static_cast<int>(i)
                                                : body_.joints[i].limb == limb && body_.joints[i].place == joint;
      if (here) place = next;
      ++next;
    }
  }
  return places;
}

std::vector<std::string> LeggedFormulas::names_of(const FormulaValue& value, const std::string& name) const {
  std::vector<std::string> names;
  if (value.per == Per::kBase) names.push_back(name);
  for (std::size_t i = 0; i < value.chosen.size(); ++i) {
    if (value.chosen[i])
      names.push_back(name + "." + (value.per == Per::kLimb ? body_.limbs[i] : body_.joints[i].name));
  }
  return names;
}

void LeggedFormulas::add_images(ObservedGroup group, const RobotMirror& mirror, MirrorMap& map) const {
  for (const PlacedFormula& placed : terms_) {
    if (placed.group != group) continue;
    const ObservationFormula& term = *placed.term;
    const std::vector<float>& signs = term.mirror;
    if (signs.size() != term.formula.size() ||
        std::any_of(signs.begin(), signs.end(), [](float sign) { return std::fabs(sign) != 1.0f; })) {
      throw Error(
          fmt::format("symmetry.mirror: observations.terms.{0}.mirror has to say what the mirror image of each "
                      "of its formulas is; a list of {1} numbers that are 1 or -1 would be right",
                      term.name, term.formula.size()));
    }
    const FormulaValue& value = placed.value;
    std::vector<int> index;  // of what is chosen
    for (std::size_t i = 0; i < value.chosen.size(); ++i) {
      if (value.chosen[i]) index.push_back(static_cast<int>(i));
    }
    const auto add = [&](int at, int from, float sign) {
      map.place.insert(map.place.begin() + at, from);
      map.sign.insert(map.sign.begin() + at, sign);
    };
    const float sign = signs[placed.index];
    if (value.per == Per::kBase) add(placed.begin, placed.begin, sign);
    for (std::size_t i = 0; i < index.size(); ++i) {
      int image = 0;
      float turned = 1;
      if (value.per == Per::kLimb) {
        image = mirror.limb[static_cast<std::size_t>(index[i])];
      } else {
        // The mirror numbers all joints, formulas those that are driven.
        const std::string& name = body_.joints[static_cast<std::size_t>(index[i])].name;
        std::size_t own = 0;
        while (robot_.joint_info[own].name != name) ++own;
        const RobotJoint& other = robot_.joint_info[static_cast<std::size_t>(mirror.joint[own])];
        if (term.turns) turned = mirror.sign[own];
        while (body_.joints[static_cast<std::size_t>(image)].name != other.name) ++image;
      }
      const auto found = std::find(index.begin(), index.end(), image);
      if (found == index.end()) {
        throw Error(
            fmt::format("symmetry.mirror: observations.terms.{}: the image of '{}' on the other side is not "
                        "chosen; both would be right",
                        term.name,
                        value.per == Per::kLimb ? body_.limbs[static_cast<std::size_t>(index[i])]
                                                : body_.joints[static_cast<std::size_t>(index[i])].name));
      }
      add(placed.begin + static_cast<int>(i), placed.begin + static_cast<int>(found - index.begin()), sign * turned);
    }
  }
}

template <class OfLimb>
void LeggedFormulas::put(LimbTable<float>& table, const OfLimb& of_limb) const {
  for (int lane = 0; lane < kMaxLanes; ++lane) {
    // Lanes without a limb have the first one's numbers: they are never used.
    const int limb = lane % body_.lanes;
    table.value[lane] = static_cast<float>(of_limb(static_cast<std::size_t>(limb < robot_.limbs ? limb : 0)));
  }
}

std::vector<LeggedFeet> LeggedFormulas::find_limbs() const {
  const bool feet = step_.needs_feet() || observe_.needs_feet();
  const bool distances = step_.needs_distances() || observe_.needs_distances();
  if (!feet && !distances) return {};
  LeggedFeet found{};
  const auto joints = static_cast<std::size_t>(robot_.size.joints);
  for (std::size_t i = 0; i < joints; ++i) {
    const auto joint = [&](std::size_t limb) -> const JointModel<double>& { return robot_.joint[limb * joints + i]; };
    const auto put3 = [&](LimbTable<float>* to, const auto& vector) {
      put(to[0], [&](std::size_t limb) { return vector(joint(limb)).x; });
      put(to[1], [&](std::size_t limb) { return vector(joint(limb)).y; });
      put(to[2], [&](std::size_t limb) { return vector(joint(limb)).z; });
    };
    put3(found.offset[i], [](const auto& j) { return j.offset; });
    put3(found.frame[i], [](const auto& j) { return j.frame.x; });
    put3(found.frame[i] + 3, [](const auto& j) { return j.frame.y; });
    put3(found.frame[i] + 6, [](const auto& j) { return j.frame.z; });
    put(found.reference[i], [&](std::size_t limb) { return joint(limb).reference; });
    put(found.slide[i], [&](std::size_t limb) { return joint(limb).slide; });
  }
  if (feet) place_feet(found);
  if (distances) place_capsules(found);
  return {found};
}

/// The feet's candidates for contact: spheres, ends of capsules, corners of boxes, and middles of cylinders.
void LeggedFormulas::place_feet(LeggedFeet& feet) const {
  const auto limbs = static_cast<std::size_t>(robot_.size.limbs);
  std::vector<double> count(limbs, 0.0);
  const auto present = [&](std::size_t candidate, std::size_t limb) {
    return robot_.kind[candidate].foot && robot_.contact[candidate * limbs + limb].radius > -1e5;
  };
  for (std::size_t candidate = 0; candidate < robot_.kind.size(); ++candidate) {
    for (std::size_t limb = 0; limb < limbs; ++limb) count[limb] += present(candidate, limb) ? 1.0 : 0.0;
  }
  for (std::size_t limb = 0; limb < static_cast<std::size_t>(robot_.limbs); ++limb) {
    if (count[limb] > 0) continue;
    fail(
        fmt::format("a formula names where the feet are, but the limb of '{}' has no foot; control.feet with its geom "
                    "would be right",
                    body_.limbs[limb]));
  }
  for (std::size_t candidate = 0; candidate < robot_.kind.size(); ++candidate) {
    if (!robot_.kind[candidate].foot) continue;
    if (feet.points == kMostFootPoints) {
      fail(
          fmt::format("a formula names where the feet are, and they have more than {} points; control.feet with a "
                      "sphere or a capsule for each limb would be right",
                      kMostFootPoints));
    }
    FootPoint& point = feet.point[feet.points++];
    point.link = robot_.kind[candidate].link;
    feet.links = std::max(feet.links, point.link);
    const auto contact = [&](std::size_t limb) -> const ContactModel<double>& {
      return robot_.contact[candidate * limbs + limb];
    };
    put(point.at[0], [&](std::size_t limb) { return contact(limb).point.x; });
    put(point.at[1], [&](std::size_t limb) { return contact(limb).point.y; });
    put(point.at[2], [&](std::size_t limb) { return contact(limb).point.z; });
    put(point.radius, [&](std::size_t limb) { return contact(limb).radius; });
    put(point.share, [&](std::size_t limb) { return present(candidate, limb) ? 1.0 / count[limb] : 0.0; });
  }
}

/// The shapes beyond the limbs' first links. A box or a cylinder is as a capsule along its longest side: a box as thick
/// as its middle side, a cylinder as itself.
void LeggedFormulas::place_capsules(LeggedFeet& feet) const {
  if (robot_.limbs < 2) fail("limb_distance: the robot has one limb; a robot with several would be right");
  std::vector<std::vector<const Solid<double>*>> of(static_cast<std::size_t>(robot_.limbs));
  for (const Solid<double>& solid : robot_.solids) {
    if (solid.limb >= 0 && solid.link >= 2) of[static_cast<std::size_t>(solid.limb)].push_back(&solid);
  }
  for (std::size_t limb = 0; limb < of.size(); ++limb) {
    if (!of[limb].empty()) continue;
    fail(
        fmt::format("limb_distance: the limb of '{}' has no sphere, capsule, cylinder or box that can touch anything "
                    "beyond its first link; a capsule for each link would be right",
                    body_.limbs[limb]));
  }
  for (int link = 2; link <= robot_.size.joints; ++link) {
    // Number n of each limb's shapes on the link.
    for (std::size_t n = 0;; ++n) {
      const auto solid_of = [&](std::size_t limb) -> const Solid<double>* {
        std::size_t before = 0;
        for (const Solid<double>* solid : of[limb]) {
          if (solid->link == link && before++ == n) return solid;
        }
        return nullptr;
      };
      bool some = false;
      for (std::size_t limb = 0; limb < of.size(); ++limb) some = some || solid_of(limb) != nullptr;
      if (!some) break;
      if (feet.capsules == kMostLimbCapsules) {
        fail(
            fmt::format("limb_distance: limbs have more than {} shapes that can touch anything beyond their first "
                        "link; a capsule for each link would be right",
                        kMostLimbCapsules));
      }
      LimbCapsule& capsule = feet.capsule[feet.capsules++];
      capsule.link = link;
      const auto axis_of = [&](std::size_t limb) {
        const Solid<double>* const solid = solid_of(limb);
        return solid != nullptr ? axis_of_capsule(*solid) : CapsuleAxis{{0, 0, 0}, {0, 0, 0}, -1e6};
      };
      put(capsule.begin[0], [&](std::size_t limb) { return axis_of(limb).begin.x; });
      put(capsule.begin[1], [&](std::size_t limb) { return axis_of(limb).begin.y; });
      put(capsule.begin[2], [&](std::size_t limb) { return axis_of(limb).begin.z; });
      put(capsule.along[0], [&](std::size_t limb) { return axis_of(limb).along.x; });
      put(capsule.along[1], [&](std::size_t limb) { return axis_of(limb).along.y; });
      put(capsule.along[2], [&](std::size_t limb) { return axis_of(limb).along.z; });
      put(capsule.radius, [&](std::size_t limb) { return axis_of(limb).radius; });
      for (int lane = 0; lane < kMaxLanes; ++lane) {
        if (lane % body_.lanes >= robot_.limbs) capsule.radius.value[lane] = -1e6f;
      }
    }
  }
}

}  // namespace stampede
