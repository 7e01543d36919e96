/// \file Checkpoints.
#include "host/app/run/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "host/app/export/policy_tensors.hpp"
#include "host/app/export/safetensors.hpp"
#include "host/base/build_info.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "stampede checkpoint 1";
constexpr const char* kPolicyPrefix = "policy/";
constexpr const char* kBeforePrefix = "policy_before/";  ///< of the policy that the stage before ended with
constexpr const char* kBestPrefix = "policy_best/";
constexpr const char *kBestIteration = "best/iteration", *kBestReturn = "best/return_mean";

constexpr const char *kParts = "parts", *kPartFormat = "stampede checkpoint part 1";

fs::path folder_of(const fs::path& run) { return run / "checkpoint"; }
fs::path parts_folder_of(const fs::path& run) { return run / "checkpoint_parts"; }

std::string name_of(std::int64_t iteration) {
  std::string digits = std::to_string(iteration);
  if (digits.size() < 9) digits.insert(0, 9 - digits.size(), '0');
  return digits + ".safetensors";
}

/// The checkpoints' files, oldest first.
std::vector<fs::path> list(const fs::path& run) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_of(run), code)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() != ".safetensors" || stem.empty() ||
        stem.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    found.emplace_back(std::strtoll(stem.c_str(), nullptr, 10), entry.path());
  }
  std::sort(found.begin(), found.end());
  std::vector<fs::path> files;
  for (auto& [iteration, file] : found) files.push_back(std::move(file));
  return files;
}

/// The files of the parts that a checkpoint names. Throws Error where its metadata are not what is written there.
std::vector<std::string> parts_in(const SafetensorsFile& file, const std::string& name) {
  const auto found = file.metadata.find(kParts);
  if (found == file.metadata.end()) return {};
  try {
    return nlohmann::json::parse(found->second).get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception&) {
    throw Error(name + ": its metadata '" + kParts + "' must be a JSON list of files");
  }
}

bool is_whole(const fs::path& file) {
  try {
    const std::string bytes = read_file(file);
    if (!checksum_holds(bytes)) return false;
    const fs::path parts = parts_folder_of(file.parent_path().parent_path());
    for (const std::string& part : parts_in(parse_safetensors(bytes, file.string()), file.string())) {
      if (!checksum_holds(read_file(parts / part))) return false;
    }
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Makes sure that a part's file is there. Returns its name, which its contents determine.
std::string save_part(const fs::path& run, const std::string& part, const std::vector<Tensor>& tensors) {
  const std::string bytes = to_safetensors(tensors, {{"format", kPartFormat}}, true);
  std::uint32_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + bytes.size() - sizeof checksum, sizeof checksum);
  const std::string name = fmt::format("{}-{:08x}.safetensors", part, checksum);
  const fs::path file = parts_folder_of(run) / name;
  std::error_code code;
  if (fs::file_size(file, code) == bytes.size() && !code) return name;
  if (!fs::is_directory(parts_folder_of(run), code)) {
    make_directory(parts_folder_of(run));
    sync_directory(run);
  }
  write_file(file, bytes, Durability::kDisk, run / ".checkpoint.partial");
  return name;
}

/// Removes the parts that none of the checkpoints names.
void remove_old_parts(const fs::path& run, const std::vector<fs::path>& files) {
  std::error_code code;
  if (!fs::is_directory(parts_folder_of(run), code)) return;
  std::set<std::string> named;
  for (const fs::path& file : files) {
    const std::vector<std::string> parts = parts_in(parse_safetensors(read_file(file), file.string()), file.string());
    named.insert(parts.begin(), parts.end());
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(parts_folder_of(run), code)) {
    if (named.count(entry.path().filename().string()) == 0) fs::remove(entry.path(), code);
  }
}

/// Advice for an error about a damaged newest checkpoint.
std::string remedy(const std::vector<fs::path>& files) {
  for (std::size_t i = files.size() - 1; i-- > 0;) {
    if (!is_whole(files[i])) continue;
    std::string text = "delete ";
    for (std::size_t j = i + 1; j < files.size(); ++j) text += (j > i + 1 ? ", " : "") + files[j].string();
    return text + " to go on from " + files[i].filename().string() + ", which is whole";
  }
  return "no other checkpoint of this run is whole: train again with --force";
}

std::int64_t number(const SafetensorsFile& file, const std::string& key, const std::string& name) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) throw Error(name + ": its metadata lack '" + key + "'");
  return std::strtoll(found->second.c_str(), nullptr, 10);
}

void put_counts(std::map<std::string, std::string>& metadata, const std::string& prefix, const RunCounts& counts) {
  metadata[prefix + "iteration"] = std::to_string(counts.iteration);
  metadata[prefix + "steps"] = std::to_string(counts.steps);
  metadata[prefix + "nonfinite"] = std::to_string(counts.nonfinite);
  metadata[prefix + "contacts_over_slots"] = std::to_string(counts.contacts_over_slots);
}

RunCounts counts_in(const SafetensorsFile& file, const std::string& prefix, const std::string& name) {
  return {number(file, prefix + "iteration", name), number(file, prefix + "steps", name),
          number(file, prefix + "nonfinite", name), number(file, prefix + "contacts_over_slots", name)};
}

/// Adds the policy's arrays, its metadata and its facts.
void put_policy(const Policy& policy, const std::string& prefix, std::vector<Tensor>& tensors,
                std::map<std::string, std::string>& metadata) {
  metadata.merge(policy_metadata(policy, prefix));
  for (const auto& [key, value] : policy.facts) metadata.emplace(prefix + key, value);
  for (Tensor& tensor : policy_tensors(policy, prefix)) tensors.push_back(std::move(tensor));
}

}  // namespace

void save_checkpoint(const fs::path& run, const Checkpoint& checkpoint, int kept) {
  std::map<std::string, std::string> metadata = {
      {"format", kFormat}, {"version", STAMPEDE_VERSION}, {"task", checkpoint.task}};
  put_counts(metadata, "", checkpoint.counts);
  if (!checkpoint.stage.empty()) {
    metadata["stage"] = checkpoint.stage;
    put_counts(metadata, "before_stage/", checkpoint.before_stage);
  }
  std::vector<Tensor> tensors;
  std::vector<std::string> parts;
  const std::vector<Tensor>& state = checkpoint.state;
  for (auto at = state.begin(); at != state.end();) {
    // A part's tensors lie side by side.
    const auto end = std::find_if(at, state.end(), [&](const Tensor& tensor) { return tensor.part != at->part; });
    if (at->part.empty()) {
      tensors.insert(tensors.end(), at, end);
    } else {
      parts.push_back(save_part(run, at->part, {at, end}));
    }
    at = end;
  }
  if (!parts.empty()) metadata[kParts] = nlohmann::json(parts).dump();
  put_policy(checkpoint.policy, kPolicyPrefix, tensors, metadata);
  if (checkpoint.before) put_policy(*checkpoint.before, kBeforePrefix, tensors, metadata);
  if (checkpoint.best) {
    put_policy(checkpoint.best->policy, kBestPrefix, tensors, metadata);
    metadata[kBestIteration] = std::to_string(checkpoint.best->iteration);
    metadata[kBestReturn] = nlohmann::json(checkpoint.best->return_mean).dump();
  }

  std::error_code code;
  if (!fs::is_directory(folder_of(run), code)) {
    make_directory(folder_of(run));
    sync_directory(run);
  }
  write_file(folder_of(run) / name_of(checkpoint.counts.iteration), to_safetensors(tensors, metadata, true),
             Durability::kDisk, run / ".checkpoint.partial");
  for (std::vector<fs::path> files = list(run); files.size() > static_cast<std::size_t>(kept);) {
    fs::remove(files.front(), code);  // where that fails, one checkpoint too many stays
    files.erase(files.begin());
  }
  try {
    remove_old_parts(run, list(run));
  } catch (const Error&) {  // of a damaged older checkpoint: too much stays
  }
}

void read_parts(const fs::path& run, Checkpoint& checkpoint) {
  const std::vector<fs::path> files = list(run);
  for (const std::string& part : checkpoint.parts) {
    const std::string name = (parts_folder_of(run) / part).string();
    std::string bytes;
    try {
      bytes = read_file(name);
    } catch (const Error& error) {
      throw Error(std::string(error.what()) + "; " + remedy(files));
    }
    if (!checksum_holds(bytes)) throw Error(name + ": is damaged (its checksum does not match); " + remedy(files));
    for (Tensor& tensor : parse_safetensors(bytes, name).tensors) {
      if (tensor.name != "checksum") checkpoint.state.push_back(std::move(tensor));
    }
  }
}

fs::path newest_checkpoint(const fs::path& run) {
  const std::vector<fs::path> files = list(run);
  return files.empty() ? fs::path() : files.back();
}

Checkpoint load_newest_checkpoint(const fs::path& run, const std::string& task) {
  const std::vector<fs::path> files = list(run);
  if (files.empty()) {
    throw Error(run.string() + ": holds no checkpoint to go on from; train again with --run " + run.string() +
                " --force");
  }
  const std::string name = files.back().string();
  const std::string bytes = read_file(files.back());
  if (!checksum_holds(bytes)) {
    throw Error(name + ": is damaged (its checksum does not match); " + remedy(files));
  }
  SafetensorsFile file = parse_safetensors(bytes, name);
  if (file.metadata["format"] != kFormat) {
    throw Error(name + ": is no checkpoint of this version, which writes '" + kFormat + "'; " + remedy(files));
  }
  Checkpoint checkpoint;
  checkpoint.file = name;
  checkpoint.task = file.metadata["task"];
  if (checkpoint.task != task) {
    throw Error(name + ": is a checkpoint of the task '" + checkpoint.task + "', but the run's config.toml says '" +
                task + "'; put back the checkpoint of this run");
  }
  checkpoint.counts = counts_in(file, "", name);
  checkpoint.parts = parts_in(file, name);
  if (file.metadata.count("stage") > 0) {
    checkpoint.stage = file.metadata["stage"];
    checkpoint.before_stage = counts_in(file, "before_stage/", name);
  }
  checkpoint.policy = policy_from_tensors(file, name, kPolicyPrefix);
  if (file.metadata.count(std::string(kBeforePrefix) + "task") > 0) {
    checkpoint.before = policy_from_tensors(file, name, kBeforePrefix);
  }
  if (file.metadata.count(std::string(kBestPrefix) + "task") > 0) {
    checkpoint.best = BestPolicy{policy_from_tensors(file, name, kBestPrefix), number(file, kBestIteration, name),
                                 std::strtod(file.metadata[kBestReturn].c_str(), nullptr)};
  }
  for (Tensor& tensor : file.tensors) {
    bool of_policy = false;
    for (const char* prefix : {kPolicyPrefix, kBeforePrefix, kBestPrefix}) {
      of_policy = of_policy || tensor.name.rfind(prefix, 0) == 0;
    }
    if (tensor.name != "checksum" && !of_policy) checkpoint.state.push_back(std::move(tensor));
  }
  return checkpoint;
}

}  // namespace stampede
