/// \file Several ranks that train one run.
#include "host/app/session/ranks.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/app/export/policy_tensors.hpp"
#include "host/app/export/safetensors.hpp"
#include "host/base/build_info.hpp"
#include "host/engine/interface.hpp"
#include "host/task/settings_io.hpp"

namespace stampede {
namespace {

/// What stands before the names of a rank's own tensors; rank 0's have nothing.
std::string prefix_of(int rank) { return "rank" + std::to_string(rank) + "/"; }

/// The rank whose tensor it is, and the length of the prefix; {0, 0} of one without.
std::pair<int, std::size_t> rank_in(const std::string& name) {
  const std::size_t slash = name.find('/');
  if (name.rfind("rank", 0) != 0 || slash == std::string::npos) return {0, 0};
  char* end = nullptr;
  const long rank = std::strtol(name.c_str() + 4, &end, 10);
  if (rank < 1 || end != name.c_str() + slash) return {0, 0};
  return {static_cast<int>(rank), slash + 1};
}

/// The lines of a TOML file of settings by their dotted keys, without the comments behind them.
void add_settings(const std::string& toml, RankFacts& facts) {
  std::istringstream lines(toml);
  std::string table;
  for (std::string line; std::getline(lines, line);) {
    line.resize(std::min(line.size(), line.rfind("  # ")));
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[') {
      table = line.substr(1, line.find(']') - 1) + ".";
      continue;
    }
    const std::size_t equals = line.find(" = ");
    const bool key = equals != std::string::npos;
    facts.emplace_back(table + line.substr(0, equals), key ? line.substr(equals + 3) : line);
  }
}

/// How `other` differs first from `first`; empty where it does not.
std::string difference(const RankFacts& first, const RankFacts& other, int rank) {
  const auto say = [rank](const std::string& name, const std::string& here, const std::string& there) {
    return "the ranks disagree: " + name + " is " + there + " on rank " + std::to_string(rank) + " and " + here +
           " on rank 0; start all of them with the same flags, files and build";
  };
  for (std::size_t i = 0; i < std::max(first.size(), other.size()); ++i) {
    if (i >= other.size()) return say(first[i].first, first[i].second, "not set");
    if (i >= first.size()) return say(other[i].first, "not set", other[i].second);
    if (first[i].first != other[i].first) {
      return say(first[i].first, first[i].second, "missing (" + other[i].first + " is in its place)");
    }
    if (first[i].second != other[i].second) return say(first[i].first, first[i].second, other[i].second);
  }
  return "";
}

}  // namespace

RankFacts facts_of_rank(const Settings& settings, const Engine& engine) {
  RankFacts facts = {{"version", STAMPEDE_VERSION}, {"commit", STAMPEDE_COMMIT},
                     {"build", STAMPEDE_BUILD},     {"interface", STAMPEDE_ENGINE_INTERFACE},
                     {"device", engine.device()},   {"instruction_set", engine.instruction_set()}};
  add_settings(to_toml(settings), facts);
  return facts;
}

std::string digest_of(const std::optional<Policy>& policy) {
  if (!policy) return "none";
  return std::to_string(std::hash<std::string>()(to_safetensors(policy_tensors(*policy), {})));
}

void check_agreement(RankGroup* group, const RankFacts& facts) {
  if (group == nullptr) return;
  std::string message;
  const std::vector<std::string> all = group->collect(nlohmann::json(facts).dump());
  for (std::size_t rank = 1; rank < all.size() && message.empty(); ++rank) {
    message = difference(facts, nlohmann::json::parse(all[rank]).get<RankFacts>(), static_cast<int>(rank));
  }
  auto size = static_cast<std::int64_t>(message.size());
  group->broadcast(&size, sizeof size);
  message.resize(static_cast<std::size_t>(size));
  group->broadcast(message.data(), size);
  if (!message.empty()) throw Error(message);
}

Decision decide_together(RankGroup* group, Decision own) {
  if (group == nullptr) return own;
  const auto ranks = static_cast<std::size_t>(ranks_of(group));
  std::vector<Decision> all(ranks);
  std::vector<std::int64_t> begin(ranks + 1);
  for (std::size_t r = 0; r <= ranks; ++r) begin[r] = static_cast<std::int64_t>(r * sizeof(Decision));
  all[static_cast<std::size_t>(group->rank().index)] = own;
  group->gather_parts(all.data(), begin);
  const bool stop = std::any_of(all.begin(), all.end(), [](const Decision& one) { return one.stop; });
  return {stop, all.front().save};
}

std::vector<Tensor> collect_states(RankGroup* group, std::vector<Tensor> own) {
  if (group == nullptr) return own;
  std::vector<Tensor> mine;
  if (group->rank().index > 0) {
    std::copy_if(own.begin(), own.end(), std::back_inserter(mine), [](const Tensor& tensor) { return tensor.of_rank; });
  }
  const std::vector<std::string> all = group->collect(to_safetensors(mine, {}));
  if (all.empty()) return {};
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    for (Tensor& tensor : parse_safetensors(all[rank], "rank " + std::to_string(rank)).tensors) {
      tensor.name = prefix_of(static_cast<int>(rank)) + tensor.name;
      own.push_back(std::move(tensor));
    }
  }
  return own;
}

int ranks_in(const std::vector<Tensor>& state) {
  int most = 0;
  for (const Tensor& tensor : state) most = std::max(most, rank_in(tensor.name).first);
  return most + 1;
}

std::vector<Tensor> state_of_rank(const RankGroup* group, const std::vector<Tensor>& state,
                                  const std::vector<Tensor>& fresh) {
  const int index = group == nullptr ? 0 : group->rank().index;
  std::map<std::string, const Tensor*> own;  // by the name without the rank
  const bool anew = index >= ranks_in(state);
  for (const Tensor& tensor : fresh) {
    if (tensor.of_rank && anew) own[tensor.name] = &tensor;
  }
  std::vector<Tensor> result;
  for (const Tensor& tensor : state) {
    const auto [rank, prefix] = rank_in(tensor.name);
    if (rank > 0 && rank == index) own[tensor.name.substr(prefix)] = &tensor;
  }
  for (const Tensor& tensor : state) {
    if (rank_in(tensor.name).first > 0) continue;
    const auto found = own.find(tensor.name);
    result.push_back(found == own.end() ? tensor : *found->second);
    result.back().name = tensor.name;
  }
  return result;
}

std::string note_of_ranks(int before, int now, int num_envs) {
  if (before == now) return "";
  const auto list = [](int from, int to) {
    return (to - from > 1 ? "ranks " + std::to_string(from) + " to " : "rank ") + std::to_string(to - 1);
  };
  const std::string envs = std::to_string(num_envs);
  return "the checkpoint is of " + std::to_string(before) + (before > 1 ? " ranks" : " rank") + ", and " +
         std::to_string(now) + (now > 1 ? " go on: " : " goes on: ") +
         (now > before ? list(before, now) + (now - before > 1 ? " begin" : " begins") + " with new episodes"
                       : "the environments of " + list(now, before) + " are dropped") +
         "; an iteration now has " + std::to_string(now) + " x " + envs + " environments instead of " +
         std::to_string(before) + " x " + envs;
}

}  // namespace stampede
