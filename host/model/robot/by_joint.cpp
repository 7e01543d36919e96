#include "host/model/robot/by_joint.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"

namespace stampede {

bool matches_pattern(const char* pattern, const char* name) {
  if (*pattern == '*')
    return matches_pattern(pattern + 1, name) || (*name != '\0' && matches_pattern(pattern, name + 1));
  if (*pattern != *name) return false;
  return *pattern == '\0' || matches_pattern(pattern + 1, name + 1);
}

bool ByJoint::any_above_zero() const {
  if (patterns.empty()) return all > 0;
  return std::any_of(patterns.begin(), patterns.end(), [](const auto& pair) { return pair.second > 0; });
}

std::vector<float> ByJoint::of(const std::vector<std::string>& joints, const std::string& key) const {
  if (patterns.empty()) return std::vector<float>(joints.size(), all);
  const auto matches = [](const auto& pair, const std::string& joint) {
    return matches_pattern(pair.first.c_str(), joint.c_str());
  };
  for (const auto& pair : patterns) {
    if (std::any_of(joints.begin(), joints.end(), [&](const std::string& joint) { return matches(pair, joint); }))
      continue;
    throw Error(fmt::format("{}: no driven joint is called '{}'; {}", key, pair.first, suggestion(pair.first, joints)));
  }
  const auto letters = [](const std::string& pattern) {
    return static_cast<std::ptrdiff_t>(pattern.size()) - std::count(pattern.begin(), pattern.end(), '*');
  };
  std::vector<float> values;
  for (const std::string& joint : joints) {
    const std::pair<std::string, float>*best = nullptr, *tie = nullptr;
    for (const auto& pair : patterns) {
      if (!matches(pair, joint)) continue;
      if (best == nullptr || letters(pair.first) > letters(best->first)) {
        best = &pair, tie = nullptr;
      } else if (letters(pair.first) == letters(best->first)) {
        tie = &pair;
      }
    }
    if (best == nullptr) {
      throw Error(fmt::format(
          "{}: no pattern says anything about joint '{}'; \"*\" = ... would be right for all others", key, joint));
    }
    if (tie != nullptr) {
      throw Error(
          fmt::format("{}: '{}' and '{}' both say something about joint '{}', with equally many letters; a "
                      "longer one for it would be right",
                      key, best->first, tie->first, joint));
    }
    values.push_back(best->second);
  }
  return values;
}

}  // namespace stampede
