#include "host/app/run/trained_robot.hpp"

#include <fmt/format.h>
#include <mujoco/mjxmacro.h>
#include <mujoco/mujoco.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/model/robot/find_robot.hpp"
#include "host/model/robot/flatten.hpp"
#include "host/task/settings_io.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kFiles = "files.json";
constexpr std::uintmax_t kMostBytes = 100u << 20;  ///< a run copies no more, all files together [bytes]

/// FNV-1a (Fowler, Noll, Vo) of 64 bits: notices changes by accident, not forged files with the same digest.
std::string digest_of(const std::string& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ull;
  return fmt::format("{:016x}", hash);
}

fs::path absolute_path(const fs::path& path) {
  std::error_code code;
  return fs::absolute(path, code).lexically_normal();
}

/// A model's arrays and their sizes in bytes, without those that hold the paths of its files.
std::vector<std::pair<const void*, std::size_t>> arrays_of(const mjModel* m) {
  std::vector<std::pair<const void*, std::size_t>> arrays;
  MJMODEL_POINTERS_PREAMBLE(m)
#undef MJ_M
#define MJ_M(n) m->n
#define X(type, name, nr, nc)                                                                                    \
  if (std::strstr(#name, "path") == nullptr) {                                                                   \
    arrays.emplace_back(m->name, sizeof(type) * static_cast<std::size_t>(m->nr) * static_cast<std::size_t>(nc)); \
  }
  MJMODEL_POINTERS
#undef X
#undef MJ_M
#define MJ_M(n) n
  return arrays;
}

/// Whether two models are the same, number for number.
bool same_model(const mjModel* a, const mjModel* b) {
  const auto ours = arrays_of(a), theirs = arrays_of(b);
  return std::memcmp(&a->opt, &b->opt, offsetof(mjOption, sdf_iterations)) == 0 &&
         std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(), [](const auto& x, const auto& y) {
           return x.second == y.second && (x.second == 0 || std::memcmp(x.first, y.first, x.second) == 0);
         });
}

/// The paths of the files that a compiled model was made from: meshes, heightfields, textures, skins.
std::vector<std::string> paths_in(const mjModel* m) {
  std::vector<std::string> paths;
  const auto add = [&](const int* addresses, mjtSize count) {
    for (mjtSize i = 0; i < count; ++i) {
      if (addresses[i] >= 0) paths.emplace_back(m->paths + addresses[i]);
    }
  };
  add(m->mesh_pathadr, m->nmesh);
  add(m->hfield_pathadr, m->nhfield);
  add(m->tex_pathadr, m->ntex);
  add(m->skin_pathadr, m->nskin);
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

/// Whether `robot` is the name of one that comes with the program, and not a file.
bool is_name(const std::string& robot) {
  return robot.find('/') == std::string::npos && robot.find('.') == std::string::npos;
}

/// Throws Error where a file of the run's copy is missing or has changed.
void check_copies(const fs::path& folder, const Json& json) {
  for (const Json& entry : json.at("copies")) {
    const fs::path file = folder / entry.at("file").get<std::string>();
    std::error_code code;
    const bool there = fs::exists(file, code);
    if (there && digest_of(read_file(file)) == entry.at("digest").get<std::string>()) continue;
    throw Error(fmt::format("{}: {}; put back what the run was trained with, or train anew", file.string(),
                            there ? "has changed since" : "is missing"));
  }
}

/// The first of the robot's original files that is there and has changed; empty where there is none.
std::string changed_source(const std::string& robot, const Json& sources) {
  fs::path folder;
  if (is_name(robot)) {
    const std::vector<std::string> names = robot_names();
    if (std::find(names.begin(), names.end(), robot) == names.end()) return "";  // no longer comes with the program
    folder = find_robot(robot).parent_path();
  }
  for (const Json& entry : sources) {
    const fs::path file = folder / entry.at("file").get<std::string>();
    std::error_code code;
    // A file that is not there does not count as changed: a run with a copy does not need it, and without one loading
    // the robot fails and names it.
    if (!fs::is_regular_file(file, code)) continue;
    if (digest_of(read_file(file)) != entry.at("digest").get<std::string>()) return file.string();
  }
  return "";
}

}  // namespace

KeptRobot keep_robot(const std::string& robot, const CompiledRobot& compiled, const LoadOptions& options,
                     const fs::path& folder) {
  const fs::path file = find_robot(robot);
  const FlatDescription flat = flatten_description(file, paths_in(compiled.model.get()));
  // A robot that comes with the program stays a name: its folder may be elsewhere on another machine.
  Json json = {{"robot", is_name(robot) ? robot : absolute_path(file).string()}, {"copy", nullptr}};
  const auto shown = [&](const fs::path& source) {
    return is_name(robot) ? absolute_path(source).lexically_relative(absolute_path(file).parent_path()).string()
                          : absolute_path(source).string();
  };
  Json& sources = json["sources"] = Json::array();
  std::uintmax_t size = flat.text.size();
  std::map<std::string, std::string> copies = {{file.filename().string(), flat.text}};
  std::string why = flat.refusal;
  for (const fs::path& source : flat.sources) {
    const std::string bytes = read_file(source);
    sources.push_back({{"file", shown(source)}, {"digest", digest_of(bytes)}});
  }
  for (const fs::path& asset : flat.assets) {
    const std::string bytes = read_file(asset);
    sources.push_back({{"file", shown(asset)}, {"digest", digest_of(bytes)}});
    size += bytes.size();
    if (why.empty() && size > kMostBytes) why = fmt::format("its files are larger than {} MiB", kMostBytes >> 20);
    if (why.empty()) copies.emplace(asset.filename().string(), bytes);
  }
  make_directory(folder);
  if (why.empty()) {
    for (const auto& [name, bytes] : copies) write_file(folder / name, bytes);
    try {
      const CompiledRobot copy = load_robot((folder / file.filename()).string(), options);
      if (!same_model(compiled.model.get(), copy.model.get())) why = "a copy of it would be another model";
    } catch (const Error& error) {
      why = std::string("a copy of it cannot be loaded (") + error.what() + ")";
    }
  }
  KeptRobot kept;
  if (why.empty()) {
    Json& written = json["copies"] = Json::array();
    for (const auto& [name, bytes] : copies) written.push_back({{"file", name}, {"digest", digest_of(bytes)}});
    json["copy"] = file.filename().string();
    kept.robot = std::string(kTrainedRobot) + "/" + file.filename().string();
  } else {
    std::error_code code;
    for (const auto& [name, bytes] : copies) fs::remove(folder / name, code);
    kept.robot = robot;
    kept.note = fmt::format("the run goes on needing {}, which is not copied into it: {}", file.string(), why);
  }
  write_file(folder / kFiles, json.dump(1) + "\n");
  return kept;
}

std::vector<std::string> check_trained_robot(const fs::path& run, bool resume) {
  const fs::path list = run / kTrainedRobot / kFiles;
  std::error_code code;
  if (!fs::exists(list, code)) return {};  // a run of an earlier version, or of a task without a robot
  try {
    const Json json = Json::parse(read_file(list));
    const bool copied = json.at("copy").is_string();
    if (copied) check_copies(run / kTrainedRobot, json);
    const std::string robot = json.at("robot").get<std::string>();
    const std::string changed = changed_source(robot, json.at("sources"));
    if (changed.empty()) return {};
    const std::string line = fmt::format("{} has changed since the run in {} began", changed, run.string());
    if (copied) {
      return {
          fmt::format("{}: the run keeps to its own copy in {}; train anew to learn with the changed robot, or try the "
                      "policy on it with eval --set control.robot={}",
                      line, (run / kTrainedRobot).string(), robot)};
    }
    if (resume) throw Error(line + ", which holds no copy of it; put back what it was trained with, or train anew");
    return {line + ", which holds no copy of it: the changed one is used"};
  } catch (const Json::exception&) {
    throw Error(list.string() + ": is not as a run writes it; put it back, or train anew");
  }
}

bool is_trained_robot(const fs::path& run, const std::string& robot) {
  const fs::path list = run / kTrainedRobot / kFiles;
  std::error_code code;
  if (fs::equivalent(list.parent_path(), fs::path(robot).parent_path(), code)) return true;
  if (!fs::exists(list, code)) return false;
  const Json json = Json::parse(read_file(list), nullptr, false);
  if (!json.is_object() || !json.contains("robot") || !json["robot"].is_string()) return false;
  if (json.contains("copy") && json["copy"].is_string()) return false;
  const std::string original = json["robot"].get<std::string>();
  return robot == original || (!is_name(robot) && fs::equivalent(original, robot, code));
}

}  // namespace stampede
