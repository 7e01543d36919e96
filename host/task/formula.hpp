#pragma once
/// \file Formulas, checked and compiled: from the tree of a text (formula_text.hpp) to a short list of operations
/// (kernels/formula.hpp). Constants are computed here, what occurs twice is computed once, and each number gets a place
/// only as long as it is needed.

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "envs/legged/plan.hpp"
#include "envs/legged/signals.hpp"
#include "host/task/formula_text.hpp"
#include "kernels/formula.hpp"

namespace stampede {

/// What formulas count: the robot's limbs and driven joints.
struct FormulaBody {
  struct Joint {
    std::string name;
    int limb, place;  ///< of the limb, and along it
  };
  int lanes = 1;                   ///< of an environment
  int joints_a_limb = 1;           ///< places that a number of the joints takes
  int points = 1;                  ///< of the height scan
  std::vector<std::string> limbs;  ///< their names
  std::vector<Joint> joints;       ///< in the order of the actions
};

/// A number of the environment's own, where a formula may name it: its value is that of these nodes.
struct FormulaState {
  std::string name;
  int node;
};

/// What a formula may name, besides functions.
struct FormulaScope {
  std::vector<FormulaState> states{};
  bool step = true;     ///< signals of the step that was taken, and previous(x)
  bool random = false;  ///< uniform(a, b)
};

/// A compiled number, or one for each foot, joint or point of the scan.
struct FormulaValue {
  Per per = Per::kBase;        ///< kBase, kLimb, kJoint or kScan
  std::vector<int> node;       ///< kJoint: one for each place of a limb's joints, -1 where none is chosen; else one
  std::vector<bool> chosen{};  ///< of FormulaBody::limbs or joints
};

/// Compiles formulas into one list of operations.
class FormulaCompiler {
 public:
  /// `kept`: the first row of what is kept from step to step that is free. `masks`: what lanes are chosen by, added to.
  FormulaCompiler(const FormulaBody& body, int kept, std::vector<LimbTable<float>>& masks)
      : body_(body), kept_(kept), masks_(masks) {}

  /// `where` begins messages. Throws Error for what is unknown or does not fit.
  FormulaValue compile(const std::string& text, const std::string& where, const FormulaScope& scope);

  /// The same, of a formula that has to give one number. `instead`: what would be right where it gives more.
  FormulaValue compile_one(const std::string& text, const std::string& where, const FormulaScope& scope,
                           const std::string& instead);

  // Nodes that no formula writes.
  int constant(float number);
  int recall(int row);
  int signal(Signal signal, int joint = 0);
  int finite(int node, int otherwise) { return make(FormulaOp::kFinite, node, otherwise); }
  int select(int condition, int yes, int no) { return make(FormulaOp::kSelect, condition, yes, no); }

  /// A result: `a` and `b` are nodes or, as FormulaOp says, numbers.
  void result(FormulaOp op, int a, int b, int c, int item, float number);

  /// The list, once all is compiled. `where` begins the message where it needs too much at once.
  std::vector<FormulaStep> finish(const std::string& where);

  /// 1 in the lanes of the chosen limbs or, of joints, of those with a chosen joint at a place.
  LimbTable<float> mask_of(const FormulaValue& value, int joint) const;

  int kept() const { return kept_; }  ///< rows, with those that were free at first
  int take_row() { return kept_++; }  ///< another one
  bool needs_feet() const { return needs_feet_; }
  bool needs_distances() const { return needs_distances_; }  ///< of the limbs

 private:
  struct Node {
    FormulaOp op;
    int a, b, c;
    float number;
    int unique;              ///< draws, and what is of one loop over turns, are not shared
    bool of_points = false;  ///< has a number for each point of the scan
    int loop = -1;           ///< in which it is: the node of its kTurns; below 0: in none
    auto key() const { return std::tuple(op, a, b, c, number, unique); }
    bool operator<(const Node& other) const { return key() < other.key(); }
  };
  struct Result {
    FormulaOp op;
    int a, b, c, item;
    float number;
  };
  struct Context;

  FormulaValue value_of(const FormulaTerm& term, const Context& context);
  FormulaValue name_of(const FormulaTerm& term, const Context& context);
  FormulaValue choose(const FormulaTerm& term, const Context& context);
  FormulaValue call(const FormulaTerm& term, const Context& context);
  FormulaValue reduce(const FormulaTerm& term, const FormulaValue& of, const Context& context);
  FormulaValue joined(const FormulaTerm& term, const Context& context);
  FormulaValue power(const FormulaTerm& term, const FormulaValue& base, const FormulaValue& exponent,
                     const Context& context);
  FormulaValue previous(const FormulaTerm& term, const Context& context);
  std::vector<bool> matching(const FormulaTerm& term, Per per, const std::vector<std::string>& patterns,
                             const Context& context) const;
  FormulaValue each(FormulaOp op, const std::vector<FormulaValue>& of, const FormulaTerm& term, const Context& context);
  FormulaValue is_chosen(Per per, const std::vector<bool>& chosen);

  int make(FormulaOp op, int a, int b = 0, int c = 0, float number = 0);
  int add(const Node& node);
  int over_turns(FormulaOp op, int node);
  int in_loop(int node, int loop, std::map<int, int>& copies);
  std::vector<int> ordered(const std::vector<Result>& all) const;
  std::vector<std::size_t> last_readers(const std::vector<int>& order, const std::vector<Result>& all) const;
  int choosing(int node, const LimbTable<float>& mask, float otherwise);
  int mask_index(const LimbTable<float>& mask);
  bool is_constant(int node) const { return nodes_[static_cast<std::size_t>(node)].op == FormulaOp::kConstant; }
  float number_of(int node) const { return nodes_[static_cast<std::size_t>(node)].number; }

  const FormulaBody body_;
  int kept_;
  bool needs_feet_ = false, needs_distances_ = false;
  std::vector<Node> nodes_;
  std::map<Node, int> index_;
  std::vector<Result> results_, keeps_;             ///< the second: of previous(x), which come last
  std::map<int, int> remembered_;                   ///< rows by the node that they keep
  std::map<std::pair<FormulaOp, int>, int> loops_;  ///< what ends a loop over turns, by its operation and what it joins
  std::vector<LimbTable<float>>& masks_;
};

}  // namespace stampede
