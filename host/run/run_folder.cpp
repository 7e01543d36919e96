/// \file The folder of a training run.
#include "host/run/run_folder.hpp"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "host/base/error.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLock = ".stampede-lock";

/// The files of a run in `directory`, half-written ones of a killed process included.
std::vector<fs::path> files_of_run(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code code;
  for (const char* name : {"config.toml", "metrics.jsonl", "checkpoint", "policy.onnx", "policy.safetensors",
                           "curve.png", "system.json"}) {
    if (fs::exists(directory / name, code)) found.push_back(directory / name);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, code)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("events.out.tfevents.", 0) == 0) found.push_back(entry.path());
    if (name.front() == '.' && name.size() > 8 && name.ends_with(".partial")) found.push_back(entry.path());
  }
  return found;
}

/// One more than the largest n of the folders `<task>-<n>` under `runs`.
int next_number(const fs::path& runs, const std::string& task) {
  int largest = 0;
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(runs, code)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(task + "-", 0) != 0) continue;
    const char* first = name.data() + task.size() + 1;
    const char* last = name.data() + name.size();
    int number = 0;
    const auto result = std::from_chars(first, last, number);
    if (result.ec == std::errc() && result.ptr == last && number > largest) largest = number;
  }
  return largest + 1;
}

}  // namespace

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
  return fs::exists(directory / "config.toml", code) || fs::exists(directory / "checkpoint", code);
}

RunFolder RunFolder::create(const fs::path& directory, const std::string& task, bool force) {
  if (!directory.empty()) {
    std::error_code code;
    const bool existed = fs::exists(directory, code);
    make_directory(directory);
    RunFolder folder(directory, lock(directory));
    folder.made_ = !existed;
    if (holds_run(directory) && !force) {
      folder.started_ = true;  // nothing to tidy up
      throw Error(directory.string() + ": holds a run already; --resume " + directory.string() +
                  " goes on with it, --force replaces it");
    }
    return folder;
  }
  const fs::path runs = "runs";
  make_directory(runs);
  for (;;) {
    const fs::path path = runs / (task + "-" + std::to_string(next_number(runs, task)));
    std::error_code code;
    if (!fs::create_directory(path, code)) {
      if (!code) continue;  // another training was faster: it has this number
      throw Error("cannot make the folder " + path.string() + ": " + code.message() + "; name one with --run");
    }
    RunFolder folder(path, lock(path));
    folder.made_ = true;
    return folder;
  }
}

RunFolder RunFolder::resume(const fs::path& directory) {
  std::error_code code;
  if (!fs::is_directory(directory, code) || !fs::exists(directory / "config.toml", code)) {
    throw Error("--resume " + directory.string() + ": holds no run (there is no config.toml); start one with --run " +
                directory.string());
  }
  RunFolder folder(directory, lock(directory));
  folder.started_ = true;
  for (const fs::path& file : files_of_run(directory)) {
    if (file.filename().string().ends_with(".partial")) fs::remove(file, code);
  }
  return folder;
}

RunFolder::~RunFolder() {
  if (path_.empty() || started_ || !made_) return;
  std::error_code code;
  fs::remove(path_ / kLock, code);
  fs::remove(path_, code);  // only an empty folder goes
}

void RunFolder::start() {
  for (const fs::path& file : files_of_run(path_)) {
    std::error_code code;
    fs::remove_all(file, code);
    if (code) throw Error("cannot remove the old run's " + file.string() + ": " + code.message());
  }
  started_ = true;
}

void RunFolder::abandon() noexcept {
  std::error_code code;
  for (const fs::path& file : files_of_run(path_)) fs::remove_all(file, code);
  started_ = false;  // the destructor removes the folder if it was made for this run
}

void RunFolder::write(const std::string& name, std::string_view bytes, Durability durability) const {
  write_file(file(name), bytes, durability);
}

}  // namespace stampede
