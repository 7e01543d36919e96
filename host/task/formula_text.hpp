#pragma once
/// \file Formulas as text: what a task's file says, and the tree that it is read into.
///
///     or          a or b
///     and         a and b
///     not         not a
///     comparison  a < b   a <= b   a > b   a >= b   a == b   a != b
///     sum         a + b   a - b
///     product     a * b   a / b
///     sign        -a
///     power       a ^ b                                 binds tightest: -x ^ 2 is -(x ^ 2)
///     number, name, name["pattern"], function(a, ...), (a)

#include <string>
#include <vector>

namespace stampede {

/// A formula as a file has it.
struct FormulaText {
  std::string text;
  std::string origin;  ///< "my.toml:12: ", for messages; empty: unknown

  bool operator==(const FormulaText& other) const { return text == other.text; }
};

/// A node of the tree.
struct FormulaTerm {
  enum class Kind { kNumber, kText, kName, kChosen, kCall, kOperator };
  Kind kind = Kind::kNumber;
  int column = 1;                      ///< in the text, from 1
  double number = 0;                   ///< kNumber
  std::string word;                    ///< name, function, operator ("+", "-x" for the sign, "not"), text
  std::vector<FormulaTerm> of{};       ///< operands; of kChosen what is chosen from
  std::vector<std::string> pattern{};  ///< kChosen: of the names that are chosen
};

/// Throws Error: "<where>, column N: what is wrong; what would be right".
[[noreturn]] void fail_formula(const std::string& where, int column, const std::string& message);

/// Reads a formula. `where` begins messages, as in "my.toml:12: rewards.x.formula".
FormulaTerm parse_formula(const std::string& text, const std::string& where);

}  // namespace stampede
