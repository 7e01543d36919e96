/// \file Suggestions for misspelt words.
#include "host/base/suggest.hpp"

#include <algorithm>

namespace stampede {

int edit_distance(std::string_view a, std::string_view b) {
  const std::size_t columns = b.size() + 1;
  std::vector<int> two_up(columns), up(columns), row(columns);
  for (std::size_t j = 0; j < columns; ++j) up[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j < columns; ++j) {
      const int replaced = up[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, up[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], two_up[j - 2] + 1);
    }
    two_up.swap(up);
    up.swap(row);
  }
  return up[b.size()];
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  int best_distance = std::max(2, static_cast<int>(word.size()) / 3) + 1;
  const bool dotted = word.find('.') != std::string_view::npos;
  for (const std::string& candidate : candidates) {
    int distance = edit_distance(word, candidate);
    const std::size_t dot = candidate.rfind('.');
    if (!dotted && dot != std::string::npos) {
      distance = std::min(distance, edit_distance(word, std::string_view(candidate).substr(dot + 1)));
    }
    // Without a letter in common with the candidate, a word is at least its own length away from it: no suggestion.
    if (distance < best_distance && distance < static_cast<int>(word.size())) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string near = nearest(word, candidates);
  if (!near.empty()) return "did you mean '" + near + "'?";
  if (candidates.empty()) return "none is known here";
  return "known are " + join(candidates);
}

}  // namespace stampede
