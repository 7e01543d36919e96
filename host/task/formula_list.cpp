/// \file Formulas' nodes as a list of operations: their order, and a place for each as long as it is needed.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "host/base/error.hpp"
#include "host/task/formula.hpp"

namespace stampede {
namespace {

constexpr int kMostSteps = 4096;  // of a list; a file that needs more is a mistake
constexpr int kMostRows = 250;    // of what is kept, and masks: their numbers are bytes

/// How many nodes an operation reads, which are its a, b, c in turn.
int operands_of(FormulaOp op) {
  switch (op) {
    case FormulaOp::kConstant:
    case FormulaOp::kSignal:
    case FormulaOp::kMask:
    case FormulaOp::kRecall:
    case FormulaOp::kPoint:
    case FormulaOp::kTurns:
      return 0;
    case FormulaOp::kUniform:
    case FormulaOp::kViolation:
    case FormulaOp::kTurnSum:
    case FormulaOp::kTurnMin:
    case FormulaOp::kTurnMax:
      return 2;
    case FormulaOp::kSelect:
      return 3;
    default:
      break;
  }
  return op >= FormulaOp::kAdd && op <= FormulaOp::kMax ? 2 : 1;
}

/// Operations that can be computed here where all that they read is constant; others depend on the lanes.
bool can_be_folded(FormulaOp op) { return op >= FormulaOp::kNegate && op <= FormulaOp::kSelect; }

bool ends_turns(FormulaOp op) {
  return op == FormulaOp::kTurnSum || op == FormulaOp::kTurnMin || op == FormulaOp::kTurnMax;
}

bool writes_row(FormulaOp op) { return op == FormulaOp::kKeep || op == FormulaOp::kNext; }

std::uint8_t byte(int x) { return static_cast<std::uint8_t>(x); }

}  // namespace

int FormulaCompiler::constant(float number) { return make(FormulaOp::kConstant, 0, 0, 0, number); }
int FormulaCompiler::recall(int row) { return make(FormulaOp::kRecall, row); }
int FormulaCompiler::signal(Signal signal, int joint) {
  return make(FormulaOp::kSignal, static_cast<int>(signal), joint);
}

int FormulaCompiler::add(const Node& node) {
  nodes_.push_back(node);
  return static_cast<int>(nodes_.size()) - 1;
}

int FormulaCompiler::make(FormulaOp op, int a, int b, int c, float number) {
  const int operand[3] = {a, b, c};
  const int count = operands_of(op);
  bool constants = can_be_folded(op);
  for (int i = 0; i < count && constants; ++i) constants = is_constant(operand[i]);
  if (constants) {
    float x[3] = {0, 0, 0};
    for (int i = 0; i < count; ++i) x[i] = number_of(operand[i]);
    const float folded = formula_result<1, float>({op, 0, 0, 0, 0, 0, number}, x[0], x[1], x[2], 0.0f);
    // What is not finite stays an operation, so that it is noticed, and named, where the formula is computed.
    if (std::isfinite(folded)) return constant(folded);
  }
  if (op == FormulaOp::kMultiply || op == FormulaOp::kAdd) {
    if (a > b) std::swap(a, b);  // the same whichever comes first, so that it is shared
  }
  Node node{op, a, b, c, number, 0};
  node.of_points = op == FormulaOp::kPoint;
  for (int i = 0; i < count; ++i) {
    node.of_points = node.of_points || nodes_[static_cast<std::size_t>(operand[i])].of_points;
  }
  const auto [found, added] = index_.emplace(node, static_cast<int>(nodes_.size()));
  if (added) add(node);
  return found->second;
}

/// Joins a number of the points in a loop over turns. What is of points is the loop's own, and is computed in it; what
/// is not is computed before.
int FormulaCompiler::over_turns(FormulaOp op, int node) {
  const auto [found, added] = loops_.emplace(std::pair(op, node), 0);
  if (!added) return found->second;
  const auto unique = [&] { return static_cast<int>(nodes_.size()) + 1; };
  const int turns = (body_.points + body_.lanes - 1) / body_.lanes, left = body_.points - (turns - 1) * body_.lanes;
  LimbTable<float> last;
  for (int lane = 0; lane < kMaxLanes; ++lane) last.value[lane] = lane % body_.lanes < left ? 1.0f : 0.0f;
  const int begin = add({FormulaOp::kTurns, 0, 0, 0, static_cast<float>(turns), unique()});
  nodes_[static_cast<std::size_t>(begin)].loop = begin;
  std::map<int, int> copies;
  const int joined = in_loop(node, begin, copies);
  found->second = add({op, begin, joined, mask_index(last), 0, unique()});
  return found->second;
}

/// A node of points as one of a loop.
int FormulaCompiler::in_loop(int node, int loop, std::map<int, int>& copies) {
  if (!nodes_[static_cast<std::size_t>(node)].of_points) return node;
  const auto found = copies.find(node);
  if (found != copies.end()) return found->second;
  Node copy = nodes_[static_cast<std::size_t>(node)];
  int* const operand[3] = {&copy.a, &copy.b, &copy.c};
  for (int i = 0; i < operands_of(copy.op); ++i) *operand[i] = in_loop(*operand[i], loop, copies);
  copy.unique = static_cast<int>(nodes_.size()) + 1;
  copy.loop = loop;
  return copies[node] = add(copy);
}

void FormulaCompiler::result(FormulaOp op, int a, int b, int c, int item, float number) {
  results_.push_back({op, a, b, c, item, number});
}

/// Nodes, and below 0 results, -1 - i for number i of `all`: each result behind what it needs, so that little is held
/// at once. What writes rows comes behind all that reads them. A loop's nodes follow one another.
std::vector<int> FormulaCompiler::ordered(const std::vector<Result>& all) const {
  struct Visit {
    int node, next;     // the operand that comes next
    std::size_t begin;  // of what the node needs, in the order
  };
  std::vector<int> order;
  std::vector<bool> placed(nodes_.size(), false);
  std::vector<Visit> stack;
  const auto node_of = [&](int i) -> const Node& { return nodes_[static_cast<std::size_t>(i)]; };
  const auto place = [&](int root) {
    stack.push_back({root, 0, order.size()});
    while (!stack.empty()) {
      auto& [node, next, begin] = stack.back();
      const Node& now = node_of(node);
      const int operand[3] = {now.a, now.b, now.c};
      if (placed[static_cast<std::size_t>(node)] || next == operands_of(now.op)) {
        if (!placed[static_cast<std::size_t>(node)]) {
          if (ends_turns(now.op)) {
            std::stable_partition(order.begin() + static_cast<std::ptrdiff_t>(begin), order.end(),
                                  [&](int entry) { return node_of(entry).loop != now.a; });
          }
          order.push_back(node);
        }
        placed[static_cast<std::size_t>(node)] = true;
        stack.pop_back();
        continue;
      }
      const int below = operand[next++];
      stack.push_back({below, 0, order.size()});
    }
  };
  const auto place_operands = [&](const Result& r) {
    place(r.a);
    if (operands_of(r.op) > 1) place(r.b);
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (writes_row(all[i].op)) continue;
    place_operands(all[i]);
    order.push_back(-1 - static_cast<int>(i));
  }
  for (const Result& r : all) {
    if (writes_row(r.op)) place_operands(r);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (writes_row(all[i].op)) order.push_back(-1 - static_cast<int>(i));
  }
  return order;
}

namespace {

/// Calls body(node) for what an entry of the order reads.
template <class Nodes, class Results, class Body>
void for_operands(int entry, const Nodes& nodes, const Results& all, const Body& body) {
  const auto each = [&](const auto& of) {
    const int operand[3] = {of.a, of.b, of.c};
    for (int i = 0; i < operands_of(of.op); ++i) body(operand[i]);
  };
  if (entry >= 0) {
    each(nodes[static_cast<std::size_t>(entry)]);
  } else {
    each(all[static_cast<std::size_t>(-1 - entry)]);
  }
}

}  // namespace

/// Where in the order each node is read for the last time: what a loop reads of before it, where the loop ends.
std::vector<std::size_t> FormulaCompiler::last_readers(const std::vector<int>& order,
                                                       const std::vector<Result>& all) const {
  std::vector<std::size_t> last(nodes_.size(), 0), made(nodes_.size(), 0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    for_operands(order[i], nodes_, all, [&](int node) { last[static_cast<std::size_t>(node)] = i; });
    if (order[i] < 0) continue;
    made[static_cast<std::size_t>(order[i])] = i;
    const Node& node = nodes_[static_cast<std::size_t>(order[i])];
    if (!ends_turns(node.op)) continue;
    const std::size_t begin = made[static_cast<std::size_t>(node.a)];
    for (std::size_t inside = begin + 1; inside < i; ++inside) {
      for_operands(order[inside], nodes_, all, [&](int read) {
        if (made[static_cast<std::size_t>(read)] < begin) last[static_cast<std::size_t>(read)] = i;
      });
    }
  }
  return last;
}

std::vector<FormulaStep> FormulaCompiler::finish(const std::string& where) {
  if (kept_ > kMostRows || masks_.size() > kMostRows) {
    throw Error(where + ": formulas keep or choose too much; fewer previous(x), states or choices would be right");
  }
  std::vector<Result> all = results_;
  std::stable_partition(all.begin(), all.end(), [&](const Result& r) { return !writes_row(r.op); });
  all.insert(all.end(), keeps_.begin(), keeps_.end());
  const std::vector<int> order = ordered(all);
  if (order.size() > kMostSteps) {
    throw Error(
        fmt::format("{}: formulas take {} operations; at most {} are possible", where, order.size(), kMostSteps));
  }

  // Places: a node's is free again behind its last reader. Place 0 is no node's.
  const std::vector<std::size_t> last = last_readers(order, all);
  std::vector<int> at(nodes_.size(), 0);
  std::vector<std::size_t> made(nodes_.size(), 0);
  std::vector<int> free;
  for (int i = kFormulaPlaces - 1; i > 0; --i) free.push_back(i);
  std::vector<FormulaStep> steps;
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::set<int> ends;
    for_operands(order[i], nodes_, all, [&](int node) {
      if (last[static_cast<std::size_t>(node)] == i) ends.insert(at[static_cast<std::size_t>(node)]);
    });
    const bool joins = order[i] >= 0 && ends_turns(nodes_[static_cast<std::size_t>(order[i])].op);
    if (joins) ends.erase(at[static_cast<std::size_t>(nodes_[static_cast<std::size_t>(order[i])].a)]);
    for (const int spot : ends) free.push_back(spot);
    if (order[i] < 0) {
      const Result& r = all[static_cast<std::size_t>(-1 - order[i])];
      const int b = operands_of(r.op) > 1 ? at[static_cast<std::size_t>(r.b)] : r.b;
      steps.push_back({r.op, 0, byte(at[static_cast<std::size_t>(r.a)]), byte(b), byte(r.c), byte(r.item), r.number});
      continue;
    }
    const Node& node = nodes_[static_cast<std::size_t>(order[i])];
    float number = node.number;
    int to = 0;
    if (joins) {
      to = at[static_cast<std::size_t>(node.a)];
      number = static_cast<float>(i - made[static_cast<std::size_t>(node.a)] - 1);
    } else if (free.empty()) {
      throw Error(fmt::format("{}: formulas hold more than {} numbers at the same time; shorter ones would be right",
                              where, kFormulaPlaces - 1));
    } else {
      to = free.back();
      free.pop_back();
    }
    at[static_cast<std::size_t>(order[i])] = to;
    made[static_cast<std::size_t>(order[i])] = i;
    const int count = operands_of(node.op);
    const auto operand = [&](int n, int x) { return byte(n < count ? at[static_cast<std::size_t>(x)] : x); };
    steps.push_back({node.op, byte(to), operand(0, node.a), operand(1, node.b), operand(2, node.c), 0, number});
  }
  return steps;
}

}  // namespace stampede
