/// \file Checking and compiling of formulas.
#include "host/task/formula.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "host/model/robot/by_joint.hpp"

namespace stampede {
namespace {

constexpr int kLargestPower = 8;  // up to it whole powers are products

struct FunctionInfo {
  const char* name;
  int least, most;  ///< arguments
  FormulaOp op;     ///< of functions that are one operation
};
constexpr FunctionInfo kFunctions[] = {
    {"abs", 1, 1, FormulaOp::kAbs},          {"sqrt", 1, 1, FormulaOp::kSqrt},
    {"exp", 1, 1, FormulaOp::kExp},          {"log", 1, 1, FormulaOp::kLog},
    {"sin", 1, 1, FormulaOp::kSin},          {"cos", 1, 1, FormulaOp::kCos},
    {"tanh", 1, 1, FormulaOp::kTanh},        {"fract", 1, 1, FormulaOp::kFract},
    {"floor", 1, 1, FormulaOp::kFloor},      {"select", 3, 3, FormulaOp::kSelect},
    {"min", 2, 100, FormulaOp::kMin},        {"max", 2, 100, FormulaOp::kMax},
    {"clamp", 3, 3, FormulaOp::kMax},        {"sum", 1, 1, FormulaOp::kGroupSum},
    {"mean", 1, 1, FormulaOp::kGroupSum},    {"smallest", 1, 1, FormulaOp::kGroupMin},
    {"largest", 1, 1, FormulaOp::kGroupMax}, {"all", 1, 1, FormulaOp::kGroupMin},
    {"any", 1, 1, FormulaOp::kGroupMax},     {"previous", 1, 1, FormulaOp::kRecall},
    {"uniform", 2, 2, FormulaOp::kUniform},  {"is_foot", 1, 100, FormulaOp::kMask},
    {"is_joint", 1, 100, FormulaOp::kMask},
};

const FunctionInfo* find_function(const std::string& name) {
  for (const FunctionInfo& info : kFunctions) {
    if (name == info.name) return &info;
  }
  return nullptr;
}

const char* name_of_per(Per per) {
  switch (per) {
    case Per::kJoint:
      return "one for each joint";
    case Per::kLimb:
      return "one for each foot";
    case Per::kScan:
      return "one for each point of the scan";
    default:
      return "one number";
  }
}

bool is_reduction(const std::string& name) {
  for (const char* known : {"sum", "mean", "smallest", "largest", "all", "any"}) {
    if (name == known) return true;
  }
  return false;
}

/// Signals of the step that was taken: what an observation, which is of a state, cannot name.
bool is_of_step(Signal signal) {
  switch (signal) {
    case Signal::kBaseForce:
    case Signal::kBodyForce:
    case Signal::kPower:
    case Signal::kFootTouchdown:
    case Signal::kFootAirTime:  // in the step of a touchdown it tells what has just ended
    case Signal::kFootStanceTime:
    case Signal::kLegForce:
    case Signal::kLimbForce:
    case Signal::kJointAcceleration:
    case Signal::kJointTorque:
    case Signal::kPreviousAction:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct FormulaCompiler::Context {
  const std::string& where;
  const FormulaScope& scope;
  [[noreturn]] void fail(const FormulaTerm& term, const std::string& message) const {
    fail_formula(where, term.column, message);
  }
};

FormulaValue FormulaCompiler::compile(const std::string& text, const std::string& where, const FormulaScope& scope) {
  return value_of(parse_formula(text, where), Context{where, scope});
}

FormulaValue FormulaCompiler::compile_one(const std::string& text, const std::string& where, const FormulaScope& scope,
                                          const std::string& instead) {
  FormulaValue value = compile(text, where, scope);
  if (value.per != Per::kBase) {
    fail_formula(where, 1, fmt::format("gives {}; {} would be right", name_of_per(value.per), instead));
  }
  return value;
}

FormulaValue FormulaCompiler::value_of(const FormulaTerm& term, const Context& context) {
  switch (term.kind) {
    case FormulaTerm::Kind::kNumber:
      return {Per::kBase, {constant(static_cast<float>(term.number))}};
    case FormulaTerm::Kind::kText:
      context.fail(term, fmt::format("\"{}\" is no number; names of joints or feet belong into square brackets, as in "
                                     "joint_torque[\"*_calf_joint\"]",
                                     term.word));
    case FormulaTerm::Kind::kName:
      return name_of(term, context);
    case FormulaTerm::Kind::kChosen:
      return choose(term, context);
    case FormulaTerm::Kind::kCall:
      return call(term, context);
    case FormulaTerm::Kind::kOperator:
      break;
  }
  return joined(term, context);
}

FormulaValue FormulaCompiler::name_of(const FormulaTerm& term, const Context& context) {
  if (term.word == "pi") return {Per::kBase, {constant(static_cast<float>(kPi))}};
  for (const FormulaState& state : context.scope.states) {
    if (state.name == term.word) return {Per::kBase, {state.node}};
  }
  std::vector<std::string> known = {"pi"};
  for (int i = 0; i < kSignalCount; ++i) {
    known.emplace_back(kSignals[i].name);
    if (term.word != kSignals[i].name) continue;
    const auto which = static_cast<Signal>(i);
    if (!context.scope.step && is_of_step(which)) {
      context.fail(term, fmt::format("'{}' is of the step that was taken, and is known in rewards, constraints, "
                                     "terminations and next; a number of the environment's own ([state.NAME]) can "
                                     "carry it here",
                                     term.word));
    }
    needs_feet_ = needs_feet_ || is_of_foot_motion(which);
    needs_distances_ = needs_distances_ || which == Signal::kLimbDistance;
    FormulaValue value{kSignals[i].per, {}};
    if (value.per == Per::kBase) {
      value.node = {signal(which)};
    } else if (value.per == Per::kLimb) {
      value.node = {signal(which)};
      value.chosen.assign(body_.limbs.size(), true);
    } else if (value.per == Per::kScan) {
      value.node = {make(FormulaOp::kPoint, i)};
    } else {
      value.node.assign(static_cast<std::size_t>(body_.joints_a_limb), -1);
      value.chosen.assign(body_.joints.size(), true);
      for (const FormulaBody::Joint& joint : body_.joints) {
        value.node[static_cast<std::size_t>(joint.place)] = signal(which, joint.place);
      }
    }
    return value;
  }
  for (const FormulaState& state : context.scope.states) known.push_back(state.name);
  if (find_function(term.word) != nullptr) {
    context.fail(term, fmt::format("'{}' is a function; {}(...) would be right", term.word, term.word));
  }
  const std::string near = nearest(term.word, known);
  context.fail(term, fmt::format("unknown name '{}'; {}", term.word,
                                 near.empty() ? "`stampede list --signals` names what is known"
                                              : "did you mean '" + near + "'?"));
}

std::vector<bool> FormulaCompiler::matching(const FormulaTerm& term, Per per, const std::vector<std::string>& patterns,
                                            const Context& context) const {
  std::vector<std::string> names = body_.limbs;
  if (per == Per::kJoint) {
    names.clear();
    for (const FormulaBody::Joint& joint : body_.joints) names.push_back(joint.name);
  }
  std::vector<bool> chosen(names.size(), false);
  for (const std::string& pattern : patterns) {
    bool found = false;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!matches_pattern(pattern.c_str(), names[i].c_str())) continue;
      chosen[i] = found = true;
    }
    if (!found) {
      context.fail(term, fmt::format("no {} is called '{}'; {}", per == Per::kJoint ? "driven joint" : "foot", pattern,
                                     suggestion(pattern, names)));
    }
  }
  return chosen;
}

FormulaValue FormulaCompiler::choose(const FormulaTerm& term, const Context& context) {
  FormulaValue value = value_of(term.of.front(), context);
  if (value.per == Per::kBase) {
    context.fail(term, "one number has no joints or feet to choose from; leave the square brackets out");
  }
  if (value.per == Per::kScan) {
    context.fail(term, "points of the scan have no names; select(scan_x > 0, ..., 0) or another would be right");
  }
  const std::vector<bool> chosen = matching(term, value.per, term.pattern, context);
  for (std::size_t i = 0; i < chosen.size(); ++i) value.chosen[i] = value.chosen[i] && chosen[i];
  if (std::find(value.chosen.begin(), value.chosen.end(), true) == value.chosen.end()) {
    context.fail(term, "nothing is left to choose from");
  }
  if (value.per != Per::kJoint) return value;
  std::vector<bool> there(value.node.size(), false);
  for (std::size_t i = 0; i < body_.joints.size(); ++i) {
    if (value.chosen[i]) there[static_cast<std::size_t>(body_.joints[i].place)] = true;
  }
  for (std::size_t i = 0; i < there.size(); ++i) {
    if (!there[i]) value.node[i] = -1;
  }
  return value;
}

FormulaValue FormulaCompiler::is_chosen(Per per, const std::vector<bool>& chosen) {
  FormulaValue value{per, {}, chosen};
  if (per == Per::kLimb) {
    value.node = {make(FormulaOp::kMask, mask_index(mask_of(value, 0)))};
  } else {
    value.node.assign(static_cast<std::size_t>(body_.joints_a_limb), -1);
    for (const FormulaBody::Joint& joint : body_.joints) {
      value.node[static_cast<std::size_t>(joint.place)] =
          make(FormulaOp::kMask, mask_index(mask_of(value, joint.place)));
    }
  }
  value.chosen.assign(chosen.size(), true);
  return value;
}

FormulaValue FormulaCompiler::call(const FormulaTerm& term, const Context& context) {
  const FunctionInfo* const function = find_function(term.word);
  if (function == nullptr) {
    std::vector<std::string> names;
    for (const FunctionInfo& info : kFunctions) names.emplace_back(info.name);
    context.fail(term, fmt::format("unknown function '{}'; {}", term.word, suggestion(term.word, names)));
  }
  const int given = static_cast<int>(term.of.size());
  if (given < function->least || given > function->most) {
    std::string hint;
    if (given == 1 && (term.word == "min" || term.word == "max")) {
      hint = fmt::format("; {}(x) is over feet, joints or points of the scan",
                         term.word == "min" ? "smallest" : "largest");
    }
    context.fail(
        term,
        fmt::format("{}() has {} argument{}; {} would be right{}", term.word, given, given == 1 ? "" : "s",
                    function->most > 10 ? fmt::format("{} or more", function->least) : std::to_string(function->least),
                    hint));
  }
  if (function->op == FormulaOp::kMask) {
    std::vector<std::string> patterns;
    for (const FormulaTerm& argument : term.of) {
      if (argument.kind != FormulaTerm::Kind::kText) {
        context.fail(argument,
                     fmt::format("{}() takes names in quotes; {}(\"FL_*\") would be right", term.word, term.word));
      }
      patterns.push_back(argument.word);
    }
    const Per per = term.word == "is_joint" ? Per::kJoint : Per::kLimb;
    return is_chosen(per, matching(term, per, patterns, context));
  }
  if (term.word == "previous") return previous(term, context);
  std::vector<FormulaValue> of;
  for (const FormulaTerm& argument : term.of) of.push_back(value_of(argument, context));
  if (is_reduction(term.word)) return reduce(term, of.front(), context);
  if (term.word == "uniform") {
    if (!context.scope.random) {
      context.fail(term, "uniform() draws numbers where an episode starts; a `start` of [state.NAME] would be right");
    }
    if (of[0].per != Per::kBase || of[1].per != Per::kBase) context.fail(term, "uniform() takes two numbers");
    Node node{FormulaOp::kUniform, of[0].node[0], of[1].node[0], 0, 0, static_cast<int>(nodes_.size()) + 1};
    nodes_.push_back(node);
    return {Per::kBase, {static_cast<int>(nodes_.size()) - 1}};
  }
  if (term.word == "clamp") {
    const FormulaValue above = each(FormulaOp::kMax, {of[0], of[1]}, term, context);
    return each(FormulaOp::kMin, {above, of[2]}, term, context);
  }
  if (function->op == FormulaOp::kMin || function->op == FormulaOp::kMax) {
    FormulaValue all = of[0];
    for (std::size_t i = 1; i < of.size(); ++i) all = each(function->op, {all, of[i]}, term, context);
    return all;
  }
  return each(function->op, of, term, context);
}

FormulaValue FormulaCompiler::previous(const FormulaTerm& term, const Context& context) {
  if (!context.scope.step) {
    context.fail(term,
                 "previous() is known in rewards, constraints, terminations and next; a number of the "
                 "environment's own ([state.NAME]) can carry it here");
  }
  const FormulaValue now = value_of(term.of.front(), context);
  if (now.per == Per::kScan) {
    context.fail(term, "previous() is not kept for each point of the scan; previous(largest(...)) would be right");
  }
  FormulaValue before = now;
  for (std::size_t i = 0; i < now.node.size(); ++i) {
    const int node = now.node[i];
    if (node < 0 || is_constant(node)) continue;
    auto found = remembered_.find(node);
    if (found == remembered_.end()) {
      found = remembered_.emplace(node, take_row()).first;
      keeps_.push_back({FormulaOp::kKeep, node, found->second, 0, 0, 0});
    }
    // In an episode's first step nothing was before.
    before.node[i] = select(signal(Signal::kEpisodeStart), node, recall(found->second));
  }
  return before;
}

FormulaValue FormulaCompiler::reduce(const FormulaTerm& term, const FormulaValue& of, const Context& context) {
  if (of.per == Per::kBase) {
    context.fail(term,
                 fmt::format("{}() is over feet, joints or points of the scan, and its argument is one number; leave "
                             "it out",
                             term.word));
  }
  const bool adds = term.word == "sum" || term.word == "mean", least = term.word == "smallest" || term.word == "all";
  constexpr float kMost = std::numeric_limits<float>::max();
  const float nothing = adds ? 0.0f : term.word == "all" ? 1.0f : term.word == "any" ? 0.0f : least ? kMost : -kMost;
  const FormulaOp joins = adds ? FormulaOp::kAdd : least ? FormulaOp::kMin : FormulaOp::kMax;
  const FormulaOp over = adds ? FormulaOp::kGroupSum : least ? FormulaOp::kGroupMin : FormulaOp::kGroupMax;
  const bool holds = term.word == "all" || term.word == "any";
  const auto told = [&](int node) { return holds ? make(FormulaOp::kNot, make(FormulaOp::kNot, node)) : node; };
  int total = -1;
  if (of.per == Per::kScan)
    total = over_turns(adds    ? FormulaOp::kTurnSum
                       : least ? FormulaOp::kTurnMin
                               : FormulaOp::kTurnMax,
                       told(of.node[0]));
  for (std::size_t i = 0; of.per != Per::kScan && i < of.node.size(); ++i) {
    if (of.node[i] < 0) continue;
    int node = told(of.node[i]);
    node = choosing(node, mask_of(of, static_cast<int>(i)), nothing);
    total = total < 0 ? node : make(joins, total, node);
  }
  total = make(over, total);
  if (term.word == "mean") {
    const auto chosen = std::count(of.chosen.begin(), of.chosen.end(), true);
    const auto count = of.per == Per::kScan ? body_.points : chosen;
    total = make(FormulaOp::kDivide, total, constant(static_cast<float>(count)));
  }
  return {Per::kBase, {total}};
}

FormulaValue FormulaCompiler::joined(const FormulaTerm& term, const Context& context) {
  std::vector<FormulaValue> of;
  for (const FormulaTerm& operand : term.of) of.push_back(value_of(operand, context));
  const std::string& word = term.word;
  const auto plain = [&](FormulaOp op) { return each(op, of, term, context); };
  const auto swapped = [&](FormulaOp op) { return each(op, {of[1], of[0]}, term, context); };
  if (word == "+") return plain(FormulaOp::kAdd);
  if (word == "-") return plain(FormulaOp::kSubtract);
  if (word == "*") return plain(FormulaOp::kMultiply);
  if (word == "/") return plain(FormulaOp::kDivide);
  if (word == "-x") return plain(FormulaOp::kNegate);
  if (word == "<") return plain(FormulaOp::kLess);
  if (word == "<=") return plain(FormulaOp::kAtMost);
  if (word == ">") return swapped(FormulaOp::kLess);
  if (word == ">=") return swapped(FormulaOp::kAtMost);
  if (word == "==") return plain(FormulaOp::kEqual);
  if (word == "!=") return each(FormulaOp::kNot, {plain(FormulaOp::kEqual)}, term, context);
  if (word == "and") return plain(FormulaOp::kAnd);
  if (word == "or") return plain(FormulaOp::kOr);
  if (word == "not") return plain(FormulaOp::kNot);
  return power(term, of[0], of[1], context);
}

FormulaValue FormulaCompiler::power(const FormulaTerm& term, const FormulaValue& base, const FormulaValue& exponent,
                                    const Context& context) {
  if (exponent.per == Per::kBase && is_constant(exponent.node[0])) {
    const float y = number_of(exponent.node[0]);
    if (y == 0.5f) return each(FormulaOp::kSqrt, {base}, term, context);
    const int times = static_cast<int>(std::clamp(y, 0.0f, 100.0f));
    if (static_cast<float>(times) == y && times >= 1 && times <= kLargestPower) {
      // Products in pairs: x^5 = (x^2)^2 x.
      FormulaValue square = base, result = base;
      bool begun = false;
      for (int left = times; left > 0; left /= 2) {
        if (left % 2 == 1) {
          result = begun ? each(FormulaOp::kMultiply, {result, square}, term, context) : square;
          begun = true;
        }
        if (left > 1) square = each(FormulaOp::kMultiply, {square, square}, term, context);
      }
      return result;
    }
  }
  return each(FormulaOp::kPower, {base, exponent}, term, context);
}

FormulaValue FormulaCompiler::each(FormulaOp op, const std::vector<FormulaValue>& of, const FormulaTerm& term,
                                   const Context& context) {
  FormulaValue shape = of.front();
  for (const FormulaValue& value : of) {
    if (value.per == Per::kBase) continue;
    if (shape.per != Per::kBase && value.per != shape.per) {
      context.fail(term, fmt::format("{} and {} do not go together; sum(), mean() or another makes one number of them",
                                     name_of_per(shape.per), name_of_per(value.per)));
    }
    if (shape.per != Per::kBase && value.chosen != shape.chosen) {
      const auto count = [](const FormulaValue& v) { return std::count(v.chosen.begin(), v.chosen.end(), true); };
      context.fail(term, fmt::format("{0} {2} and {1} others do not go together; the same choice in square brackets "
                                     "on both sides would be right",
                                     count(shape), count(value), shape.per == Per::kJoint ? "joints" : "feet"));
    }
    shape = value;
  }
  FormulaValue result = shape;
  for (std::size_t i = 0; i < result.node.size(); ++i) {
    int operand[3] = {0, 0, 0};
    bool there = true;
    for (std::size_t n = 0; n < of.size(); ++n) {
      operand[n] = of[n].node[of[n].per == Per::kJoint ? i : 0];
      there = there && operand[n] >= 0;
    }
    result.node[i] = there ? make(op, operand[0], operand[1], operand[2]) : -1;
  }
  return result;
}

LimbTable<float> FormulaCompiler::mask_of(const FormulaValue& value, int joint) const {
  LimbTable<float> mask;
  for (int lane = 0; lane < kMaxLanes; ++lane) {
    const int limb = lane % body_.lanes;
    bool there = false;
    if (value.per == Per::kLimb) {
      there = limb < static_cast<int>(value.chosen.size()) && value.chosen[static_cast<std::size_t>(limb)];
    }
    for (std::size_t i = 0; value.per == Per::kJoint && i < body_.joints.size(); ++i) {
      there = there || (value.chosen[i] && body_.joints[i].limb == limb && body_.joints[i].place == joint);
    }
    mask.value[lane] = there ? 1.0f : 0.0f;
  }
  return mask;
}

int FormulaCompiler::mask_index(const LimbTable<float>& mask) {
  for (std::size_t i = 0; i < masks_.size(); ++i) {
    if (std::ranges::equal(masks_[i].value, mask.value)) return static_cast<int>(i);
  }
  masks_.push_back(mask);
  return static_cast<int>(masks_.size()) - 1;
}

int FormulaCompiler::choosing(int node, const LimbTable<float>& mask, float otherwise) {
  if (std::all_of(mask.value, mask.value + kMaxLanes, [](float x) { return x > 0.5f; })) return node;
  return make(FormulaOp::kChoose, node, mask_index(mask), 0, otherwise);
}

}  // namespace stampede
