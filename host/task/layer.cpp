/// \file Layers of settings: parsing.
#include "host/task/layer.hpp"

#include <sstream>
#include <utility>
#include <vector>

#include "host/base/error.hpp"

namespace stampede {
namespace {

/// Whether `text` may stand for a string without quotes.
bool is_bare_word(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && std::string_view("_-./+").find(c) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace

Layer parse_layer(std::string_view text, const std::string& origin, bool has_lines) {
  try {
    return Layer{toml::parse(text, origin), origin, has_lines};
  } catch (const toml::parse_error& error) {
    std::string where = origin;
    if (has_lines) where += ":" + std::to_string(error.source().begin.line);
    std::string reason(error.description());
    for (char& c : reason) c = c == '\n' ? ' ' : c;
    throw Error(where + ": not valid TOML: " + reason);
  }
}

Layer table_of(Layer layer, const std::string& name) {
  toml::node* node = layer.table.get(name);
  if (node == nullptr) {
    throw Error(layer.origin + ": has no table [" + name + "]; one with at least the task would be right");
  }
  toml::table* table = node->as_table();
  if (table == nullptr) {
    throw Error(layer.origin + ":" + std::to_string(node->source().begin.line) + ": " + name +
                " must be a table, as in [" + name + "]");
  }
  toml::table inner = std::move(*table);
  layer.table = std::move(inner);
  return layer;
}

Layer parse_override(const Override& given) {
  const auto bad = [&](const std::string& why) -> Error {
    std::string line = given.flag + ": " + given.key + " = " + given.value + " " + why;
    for (char& c : line) c = c == '\n' || c == '\r' ? ' ' : c;
    return Error(line);
  };
  toml::table value;
  bool parsed = given.value.find('\n') == std::string::npos;
  if (parsed) {
    try {
      value = toml::parse("value = " + given.value);
      parsed = value.size() == 1;
    } catch (const toml::parse_error&) {
      parsed = false;
    }
  }
  if (!parsed) {
    if (!is_bare_word(given.value)) throw bad("is not a TOML value; strings with other signs than letters need quotes");
    value.clear();
    value.insert("value", given.value);
  }
  std::vector<std::string> parts;
  std::stringstream words(given.key);
  for (std::string part; std::getline(words, part, '.');) parts.push_back(part);
  if (parts.empty() || given.key.back() == '.') throw bad("has no key; write --set train.num_envs=1024");
  toml::table table = std::move(value);
  // Wrap from the innermost name outwards.
  toml::table wrapped;
  for (std::size_t i = parts.size(); i-- > 0;) {
    toml::table outer;
    if (i + 1 == parts.size()) {
      table.get("value")->visit([&](auto& node) { outer.insert(parts[i], node); });
    } else {
      outer.insert(parts[i], std::move(wrapped));
    }
    wrapped = std::move(outer);
  }
  return Layer{std::move(wrapped), given.flag, false};
}

Override split_set(const std::string& text) {
  const std::size_t equals = text.find('=');
  const auto trim = [](std::string part) {
    const std::size_t first = part.find_first_not_of(" \t");
    const std::size_t last = part.find_last_not_of(" \t");
    return first == std::string::npos ? std::string() : part.substr(first, last - first + 1);
  };
  if (equals == std::string::npos || trim(text.substr(0, equals)).empty()) {
    throw Error("--set " + text + ": needs a key and a value; write --set train.num_envs=1024");
  }
  return {trim(text.substr(0, equals)), trim(text.substr(equals + 1)), "--set"};
}

}  // namespace stampede
