#pragma once
/// \file What a run does differently where several ranks (host/engine/rank_group.hpp) train it together: they check
/// that they were told the same, decide together when to stop and to save, and rank 0 alone writes, all ranks'
/// environments too. With a null group, which is one process, all of it does nothing.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/engine/engine.hpp"
#include "host/engine/policy.hpp"
#include "host/task/settings.hpp"

namespace stampede {

/// Whether this process writes the run's files and speaks to the user.
inline bool is_first(const RankGroup* group) { return group == nullptr || group->rank().index == 0; }
/// How many ranks there are.
inline int ranks_of(const RankGroup* group) { return group == nullptr ? 1 : group->rank().world_size; }

/// What must be the same on all ranks, each with its name.
using RankFacts = std::vector<std::pair<std::string, std::string>>;

/// The settings, the build and the kind of processor.
RankFacts facts_of_rank(const Settings& settings, const Engine& engine);

/// A policy as a number that is another for other weights; "none" of none.
std::string digest_of(const std::optional<Policy>& policy);

/// Throws Error on all ranks where one of them has other facts than rank 0; it names the first that differs.
void check_agreement(RankGroup* group, const RankFacts& facts);

/// What the ranks do next.
struct Decision {
  bool stop = false;  ///< somebody was asked to
  bool save = false;  ///< rank 0 finds a checkpoint overdue
};
/// The same on all ranks, from what each of them would do.
Decision decide_together(RankGroup* group, Decision own);

/// Rank 0 gets its own state and, behind it, what the others have of their own, named `rank1/...` and so on; the
/// others get nothing.
std::vector<Tensor> collect_states(RankGroup* group, std::vector<Tensor> own);

/// How many ranks a checkpoint's state holds.
int ranks_in(const std::vector<Tensor>& state);

/// This rank's state, from that of a checkpoint: what is the same on all ranks, and its own environments; where the
/// checkpoint has none for it, those of `fresh`, the state of a stage that has just been made.
std::vector<Tensor> state_of_rank(const RankGroup* group, const std::vector<Tensor>& state,
                                  const std::vector<Tensor>& fresh);

/// Where a run goes on with another number of ranks: a line that says what changes; else empty.
std::string note_of_ranks(int before, int now, int num_envs);

}  // namespace stampede
