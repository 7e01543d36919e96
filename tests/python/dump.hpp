#pragma once
/// \file What the programs behind the comparisons share: `key=value` arguments, numbers from stdin and to stdout.

#include <cstdio>
#include <exception>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "host/base/error.hpp"
#include "kernels/vocabulary.hpp"

namespace stampede::dump {

using Arguments = std::map<std::string, std::string>;

/// Throws Error where the input has fewer.
template <class T>
std::vector<T> read_values(Index count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  if (std::fread(values.data(), sizeof(T), values.size(), stdin) != values.size()) {
    throw Error("the input is too short");
  }
  return values;
}

inline void write_floats(const float* values, Index count) {
  std::fwrite(values, sizeof(float), static_cast<std::size_t>(count), stdout);
}

/// What stands between the commas.
inline std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> all;
  std::stringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) all.push_back(word);
  return all;
}
inline std::vector<int> integers(const std::string& text) {
  std::vector<int> all;
  for (const std::string& word : words(text)) all.push_back(std::stoi(word));
  return all;
}

/// A program's main function: body(arguments); what it throws becomes a line that begins with `name`, and status 2.
template <class Body>
int run(const char* name, int argc, char** argv, const Body& body) {
  Arguments given;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto equals = argument.find('=');
    given[argument.substr(0, equals)] = argument.substr(equals + 1);
  }
  try {
    body(given);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    return 2;
  }
  return 0;
}

}  // namespace stampede::dump
