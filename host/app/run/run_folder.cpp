/// \file The folder of a training run.
#include "host/app/run/run_folder.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "host/base/error.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLock = ".stampede-lock";

/// What a run's files are called. The configuration comes first, so that it is removed first: a folder without it is no
/// run, so a process that is killed while it removes a run leaves nothing that looks like one.
constexpr const char* kNames[] = {
    "config.toml",           "trained_robot", "metrics.jsonl", "checkpoint",       "policy.onnx",
    "policy.safetensors",    "curve.png",     "system.json",   "walk.png",         "training.png",
    "nonfinite.safetensors", "teacher.json",  "data_set.json", "checkpoint_parts", "initial_policy.safetensors"};
constexpr std::string_view kEventsPrefix = "events.out.tfevents.";
constexpr std::string_view kPartial = ".partial";

/// Whether `name` is that of a run's file.
bool is_ours(std::string_view name) {
  return name.starts_with(kEventsPrefix) || std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

/// The files of a run in `directory`, without partial ones.
std::vector<fs::path> files_of_run(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code code;
  for (const char* name : kNames) {
    if (fs::exists(fs::symlink_status(directory / name, code))) found.push_back(directory / name);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, code)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kEventsPrefix)) found.push_back(entry.path());
  }
  return found;
}

/// The partial files in `directory` that a killed process left: `.NAME.partial` with the NAME of a run's file.
std::vector<fs::path> partials_of_run(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, code)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with('.') || !name.ends_with(kPartial) || name.size() <= kPartial.size()) continue;
    if (is_ours(std::string_view(name).substr(1, name.size() - 1 - kPartial.size()))) found.push_back(entry.path());
  }
  return found;
}

}  // namespace

std::map<int, fs::path> numbered_folders(const fs::path& runs, const std::string& name) {
  std::map<int, fs::path> found;
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(runs, code)) {
    const std::string there = entry.path().filename().string();
    if (there.rfind(name + "-", 0) != 0) continue;
    const char* first = there.data() + name.size() + 1;
    const char* last = there.data() + there.size();
    int number = 0;
    const auto result = std::from_chars(first, last, number);
    if (result.ec == std::errc() && result.ptr == last && number > 0) found[number] = entry.path();
  }
  return found;
}

fs::path make_numbered_folder(const fs::path& runs, const std::string& name) {
  make_directory(runs);
  for (;;) {
    const std::map<int, fs::path> there = numbered_folders(runs, name);
    const int number = there.empty() ? 1 : there.rbegin()->first + 1;
    const fs::path path = runs / (name + "-" + std::to_string(number));
    std::error_code code;
    if (fs::create_directory(path, code)) return path;
    if (code) throw Error("cannot make the folder " + path.string() + ": " + code.message() + "; name one with --run");
    // Another process has just taken this number.
  }
}

FileLock RunFolder::lock(const fs::path& directory) {
  std::optional<FileLock> lock = FileLock::take(directory / kLock);
  if (!lock) {
    throw Error(directory.string() +
                ": another training is running in this folder; wait for its end or choose another --run");
  }
  return std::move(*lock);
}

bool RunFolder::holds_run(const fs::path& directory) {
  std::error_code code;
  return fs::exists(directory / "config.toml", code);
}

RunFolder RunFolder::create(const fs::path& directory, const std::string& task, bool force) {
  if (!directory.empty()) {
    std::error_code code;
    const bool existed = fs::exists(directory, code);
    make_directory(directory);
    RunFolder folder(directory, lock(directory));
    folder.made_ = !existed;
    const std::vector<fs::path> files = files_of_run(directory);
    if (!files.empty() && !force) {
      folder.started_ = true;  // so that the destructor leaves the folder
      if (holds_run(directory)) {
        throw Error(directory.string() + ": holds a run already (" + files.front().filename().string() +
                    " is there); --resume " + directory.string() + " goes on with it, --force replaces it");
      }
      throw Error(files.front().string() +
                  ": is in the way, for a run has a file of this name; choose another --run, " +
                  "or replace all of a run's files in this folder with --force");
    }
    return folder;
  }
  const fs::path path = make_numbered_folder("runs", task);
  RunFolder folder(path, lock(path));
  folder.made_ = true;
  return folder;
}

RunFolder RunFolder::resume(const fs::path& directory) {
  std::error_code code;
  if (!fs::is_directory(directory, code) || !fs::exists(directory / "config.toml", code)) {
    throw Error("--resume " + directory.string() + ": holds no run (there is no config.toml); start one with --run " +
                directory.string());
  }
  RunFolder folder(directory, lock(directory));
  folder.started_ = true;
  // The process was killed after it wrote the configuration and before it moved the robot, which was complete by then.
  if (!fs::exists(folder.file("trained_robot"), code) && fs::exists(folder.partial("trained_robot"), code)) {
    folder.settle_partial("trained_robot");
  }
  for (const fs::path& file : partials_of_run(directory)) fs::remove_all(file, code);
  return folder;
}

RunFolder::~RunFolder() {
  if (path_.empty() || started_ || !made_) return;
  std::error_code code;
  fs::remove(path_ / kLock, code);
  fs::remove(path_, code);  // removes only an empty folder
}

void RunFolder::start(const std::string& spared) {
  for (const auto& files : {files_of_run(path_), partials_of_run(path_)}) {
    for (const fs::path& file : files) {
      if (!spared.empty() && file == partial(spared)) continue;
      std::error_code code;
      fs::remove_all(file, code);
      if (code) throw Error("cannot remove the old run's " + file.string() + ": " + code.message());
    }
  }
  started_ = true;
}

void RunFolder::abandon() noexcept {
  std::error_code code;
  for (const auto& files : {files_of_run(path_), partials_of_run(path_)}) {
    for (const fs::path& file : files) fs::remove_all(file, code);
  }
  started_ = false;  // the destructor removes the folder if it was made for this run
}

void RunFolder::settle_partial(const std::string& name) const {
  std::error_code code;
  fs::rename(partial(name), file(name), code);
  if (code) throw Error("cannot make " + file(name).string() + ": " + code.message());
  sync_directory(path_);
}

void RunFolder::write(const std::string& name, std::string_view bytes, Durability durability) const {
  if (!path_.empty()) write_file(file(name), bytes, durability);
}

}  // namespace stampede
