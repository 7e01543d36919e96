/// \file Parsing of formulas: recursive descent, one function for each level of formula_text.hpp's table.
#include "host/task/formula_text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <utility>

#include "host/base/error.hpp"

namespace stampede {
namespace {

constexpr std::size_t kLongest = 4000;  // letters
constexpr int kMostNested = 100;        // brackets, signs and powers within one another

struct Token {
  enum class Kind { kNumber, kName, kText, kSign, kEnd };
  Kind kind = Kind::kEnd;
  int column = 1;
  std::string text;
  double number = 0;
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Parser {
 public:
  Parser(const std::string& text, const std::string& where) : text_(text), where_(where) {
    if (text.size() > kLongest) {
      fail(1, fmt::format("is longer than {} letters; parts of it in [state] or in several terms would be right",
                          kLongest));
    }
    advance();
  }

  FormulaTerm all() {
    FormulaTerm term = either();
    if (now_.kind != Token::Kind::kEnd) {
      if (now_.text == ")" || now_.text == "]") {
        fail(now_.column,
             fmt::format("there is no '{}' for this '{}'; leave it out", now_.text == ")" ? '(' : '[', now_.text));
      }
      fail(now_.column, fmt::format("{} follows without an operator; '+', '*' or another would be right", shown()));
    }
    return term;
  }

 private:
  [[noreturn]] void fail(int column, const std::string& message) const { fail_formula(where_, column, message); }
  std::string shown() const {
    return now_.kind == Token::Kind::kEnd ? "the end of the formula" : fmt::format("'{}'", now_.text);
  }
  bool is(const char* sign) const {
    return (now_.kind == Token::Kind::kSign || now_.kind == Token::Kind::kName) && now_.text == sign;
  }
  /// Goes past the sign, where it comes next.
  bool accept(const char* sign) {
    if (!is(sign)) return false;
    advance();
    return true;
  }

  void advance() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
    now_ = Token{};
    now_.column = static_cast<int>(at_) + 1;
    if (at_ >= text_.size()) return;
    const char c = text_[at_];
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) return read_number();
    if (is_letter(c)) {
      const std::size_t begin = at_;
      while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
      now_.kind = Token::Kind::kName;
      now_.text = text_.substr(begin, at_ - begin);
      return;
    }
    if (c == '"' || c == '\'') return read_text(c);
    now_.kind = Token::Kind::kSign;
    for (const auto& [wrong, right] : {std::pair{"&&", "and"}, std::pair{"||", "or"}, std::pair{"**", "^"}}) {
      if (text_.compare(at_, 2, wrong) == 0) {
        fail(now_.column, fmt::format("'{}' is no operator here; '{}' would be right", wrong, right));
      }
    }
    for (const char* two : {"<=", ">=", "==", "!="}) {
      if (text_.compare(at_, 2, two) == 0) {
        now_.text = two;
        at_ += 2;
        return;
      }
    }
    if (c == '=') fail(now_.column, "'=' is no operator here; '==' would be right");
    if (c == '!') fail(now_.column, "'!' is no operator here; 'not' would be right");
    if (std::string("+-*/^()[],<>").find(c) == std::string::npos) {
      std::size_t bytes = 1;  // of a character in UTF-8
      while (at_ + bytes < text_.size() && (static_cast<unsigned char>(text_[at_ + bytes]) & 0xc0u) == 0x80u) ++bytes;
      fail(now_.column, fmt::format("'{}' means nothing in a formula; numbers, names, brackets and operators such as "
                                    "'+' would be right",
                                    text_.substr(at_, bytes)));
    }
    now_.text = c;
    ++at_;
  }

  void read_number() {
    const char* const begin = text_.data() + at_;
    const auto [end, code] = std::from_chars(begin, text_.data() + text_.size(), now_.number);
    now_.kind = Token::Kind::kNumber;
    now_.text.assign(begin, end);
    if (code != std::errc{} || !std::isfinite(static_cast<float>(now_.number))) {
      fail(now_.column, fmt::format("{} is beyond what a float holds; numbers to 3.4e38 would be right",
                                    now_.text.empty() ? "this number" : now_.text));
    }
    at_ += static_cast<std::size_t>(end - begin);
    if (at_ < text_.size() && (is_letter(text_[at_]) || text_[at_] == '.')) {
      std::size_t last = at_;
      while (last < text_.size() && (is_letter(text_[last]) || is_digit(text_[last]) || text_[last] == '.')) ++last;
      fail(now_.column, fmt::format("'{}' is neither a number nor a name; {} * {} would be right for a product",
                                    now_.text + text_.substr(at_, last - at_), now_.text,
                                    is_letter(text_[at_]) ? text_.substr(at_, last - at_) : "x"));
    }
  }

  void read_text(char quote) {
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string::npos) fail(now_.column, fmt::format("the {} is not closed; another would be right", quote));
    now_.kind = Token::Kind::kText;
    now_.text = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
  }

  FormulaTerm joined(const std::string& word, int column, std::vector<FormulaTerm> of) const {
    FormulaTerm term;
    term.kind = FormulaTerm::Kind::kOperator;
    term.word = word;
    term.column = column;
    term.of = std::move(of);
    return term;
  }

  /// Operands of one level, joined from left to right.
  template <class Operand>
  FormulaTerm chain(std::initializer_list<const char*> operators, const Operand& operand) {
    FormulaTerm left = operand();
    for (;;) {
      const char* found = nullptr;
      for (const char* sign : operators) found = is(sign) ? sign : found;
      if (found == nullptr) return left;
      const int column = now_.column;
      advance();
      FormulaTerm right = operand();
      left = joined(found, column, {std::move(left), std::move(right)});
    }
  }

  FormulaTerm either() {
    return chain({"or"}, [this] { return both(); });
  }
  FormulaTerm both() {
    return chain({"and"}, [this] { return negated(); });
  }
  FormulaTerm negated() {
    const int column = now_.column;
    if (!accept("not")) return comparison();
    const Depth depth(*this, column);
    return joined("not", column, {negated()});
  }
  FormulaTerm comparison() {
    const auto comparing = [this] {
      for (const char* sign : {"<", "<=", ">", ">=", "==", "!="}) {
        if (is(sign)) return true;
      }
      return false;
    };
    FormulaTerm left = sum();
    if (!comparing()) return left;
    const std::string word = now_.text;
    const int column = now_.column;
    advance();
    FormulaTerm right = sum();
    if (comparing()) {
      fail(now_.column, fmt::format("two comparisons in a row; a {} b and b {} c would be right", word, now_.text));
    }
    return joined(word, column, {std::move(left), std::move(right)});
  }
  FormulaTerm sum() {
    return chain({"+", "-"}, [this] { return product(); });
  }
  FormulaTerm product() {
    return chain({"*", "/"}, [this] { return sign(); });
  }
  FormulaTerm sign() {
    const int column = now_.column;
    if (is("-") || is("+")) {
      const bool minus = is("-");
      advance();
      const Depth depth(*this, column);
      FormulaTerm of = sign();
      return minus ? joined("-x", column, {std::move(of)}) : of;
    }
    return power();
  }
  FormulaTerm power() {
    FormulaTerm base = chosen();
    const int column = now_.column;
    if (!accept("^")) return base;
    const Depth depth(*this, column);
    FormulaTerm exponent = sign();
    return joined("^", column, {std::move(base), std::move(exponent)});
  }
  /// What may be followed by a selection by name.
  FormulaTerm chosen() {
    FormulaTerm term = atom();
    const int column = now_.column;
    if (!accept("[")) return term;
    FormulaTerm selection;
    selection.kind = FormulaTerm::Kind::kChosen;
    selection.column = column;
    for (;;) {
      if (now_.kind != Token::Kind::kText) {
        fail(now_.column,
             fmt::format("{} stands where the names of joints or feet are chosen; [\"*_calf_joint\"] would "
                         "be right",
                         shown()));
      }
      selection.pattern.push_back(now_.text);
      advance();
      if (!accept(",")) break;
    }
    if (!accept("]")) fail(column, "the '[' is not closed; ']' would be right");
    selection.of.push_back(std::move(term));
    return selection;
  }

  FormulaTerm atom() {
    FormulaTerm term;
    term.column = now_.column;
    if (now_.kind == Token::Kind::kNumber || now_.kind == Token::Kind::kText) {
      term.kind = now_.kind == Token::Kind::kNumber ? FormulaTerm::Kind::kNumber : FormulaTerm::Kind::kText;
      term.number = now_.number;
      term.word = now_.text;
      advance();
      return term;
    }
    if (now_.kind == Token::Kind::kName && !is("and") && !is("or") && !is("not")) {
      term.kind = FormulaTerm::Kind::kName;
      term.word = now_.text;
      advance();
      const int bracket = now_.column;
      if (!accept("(")) return term;
      const Depth depth(*this, bracket);
      term.kind = FormulaTerm::Kind::kCall;
      if (!is(")")) {
        do {
          term.of.push_back(either());
        } while (accept(","));
      }
      close(bracket);
      return term;
    }
    const int bracket = now_.column;
    if (accept("(")) {
      const Depth depth(*this, bracket);
      term = either();
      close(bracket);
      return term;
    }
    fail(now_.column, fmt::format("{} stands where a number, a name or a bracket would be right", shown()));
  }

  void close(int bracket) {
    if (accept(")")) return;
    if (now_.kind == Token::Kind::kEnd || is("]")) fail(bracket, "the '(' is not closed; ')' would be right");
    fail(now_.column, fmt::format("{} follows without an operator; ')', ',' or an operator would be right", shown()));
  }

  /// Counts what lies within one another, so that no text makes the parser run out of stack.
  class Depth {
   public:
    Depth(Parser& parser, int column) : parser_(parser) {
      if (++parser_.depth_ > kMostNested) {
        parser_.fail(column, fmt::format("more than {} brackets or signs within one another; fewer would be right",
                                         kMostNested));
      }
    }
    ~Depth() { --parser_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    Parser& parser_;
  };

  const std::string& text_;
  const std::string& where_;
  std::size_t at_ = 0;
  Token now_;
  int depth_ = 0;
};

}  // namespace

void fail_formula(const std::string& where, int column, const std::string& message) {
  throw Error(fmt::format("{}, column {}: {}", where, column, message));
}

FormulaTerm parse_formula(const std::string& text, const std::string& where) { return Parser(text, where).all(); }

}  // namespace stampede
