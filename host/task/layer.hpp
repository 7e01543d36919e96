#pragma once
/// \file One layer of settings as TOML: a file, a built-in text, or one key from the command line.

#include <toml++/toml.h>

#include <string>
#include <string_view>

#include "host/task/settings_io.hpp"

namespace stampede {

/// A parsed layer and what errors call it.
struct Layer {
  toml::table table;
  std::string origin;
  bool has_lines = false;  ///< whether messages name a line of the origin: a file or a built-in text
};

/// Parses a text. Throws Error naming the place where it is not TOML.
Layer parse_layer(std::string_view text, const std::string& origin, bool has_lines);

/// One of a layer's top-level tables as a layer. Throws Error where it is missing, or no table.
Layer table_of(Layer layer, const std::string& name);

/// A layer of one key, given as "a.b" and a value; a bare word stands for a string. Throws Error where it has no key or
/// the value is not valid.
Layer parse_override(const Override& given);

/// The two sides of `--set key=value`. Throws Error where one is missing.
Override split_set(const std::string& text);

}  // namespace stampede
