#pragma once
/// \file What the tables of a configuration say of a field besides its name and meaning: which values it may hold.

#include <string>
#include <vector>

namespace stampede {

/// Bounds of a numeric field, both ends allowed.
struct Bounds {
  double low, high;
};
/// The words that a string field, or each string of a list, may hold.
using Choices = std::vector<std::string>;
/// Bounds that both ends of a span [low, high] must keep; the bounds themselves are allowed.
struct SpanBounds {
  double low, high;
};
/// Strings that are names of something that is looked up later: joints, geoms, an algorithm.
struct Names {};

}  // namespace stampede
