#pragma once
/// \file Suggestions for misspelt words.

#include <string>
#include <string_view>
#include <vector>

namespace stampede {

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (Damerau 1964, in the
/// "optimal string alignment" form: no piece is edited twice).
int edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, or an empty string where none is near enough to be meant. A candidate with a dot
/// (`train.num_envs`) is also compared by its last part.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "did you mean 'x'?" where a candidate is near, else "known are a, b and c".
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates);

/// "a, b and c".
std::string join(const std::vector<std::string>& words);

}  // namespace stampede
