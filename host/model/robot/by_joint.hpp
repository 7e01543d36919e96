#pragma once
/// \file A number for all joints, or one for each by patterns of their names.

#include <string>
#include <utility>
#include <vector>

namespace stampede {

/// Whether a name is what a pattern says; * stands for any letters.
bool matches_pattern(const char* pattern, const char* name);

/// Either one number, or numbers by pattern: `{ "*_calf_joint" = 40, "*" = 25 }`.
struct ByJoint {
  float all = 0;
  std::vector<std::pair<std::string, float>> patterns;  ///< none: `all`

  bool any_above_zero() const;
  /// The number of each of `joints`: that of the pattern that matches it and has the most letters other than *. Throws
  /// Error, beginning with `key`, where a pattern matches no joint, no pattern matches a joint, or two that match one
  /// are equally long.
  std::vector<float> of(const std::vector<std::string>& joints, const std::string& key) const;
};

}  // namespace stampede
