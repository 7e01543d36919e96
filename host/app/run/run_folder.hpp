#pragma once
/// \file The folder of a training run: its files, the lock that lets only one training write there, and what is removed
/// of an earlier run.
///
///     config.toml trained_robot/ metrics.jsonl events.out.tfevents.* checkpoint/ checkpoint_parts/
///     system.json nonfinite.safetensors
///     policy.onnx policy.safetensors curve.png training.png walk.png teacher.json data_set.json

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "host/base/files.hpp"

namespace stampede {

/// The folders `<runs>/<name>-<n>` by their n.
std::map<int, std::filesystem::path> numbered_folders(const std::filesystem::path& runs, const std::string& name);

/// Makes the next of these, whose n is one more than the largest, and returns it. Throws Error where that cannot be.
std::filesystem::path make_numbered_folder(const std::filesystem::path& runs, const std::string& name);

class RunFolder {
 public:
  /// Takes a folder for a new run: `directory`, or a new `runs/<task>-<n>` where that is empty. Throws Error where it
  /// holds a file with the name of a run's and `force` is not given, where another training runs in it, or where it
  /// cannot be written. An earlier run's files stay until `start`.
  static RunFolder create(const std::filesystem::path& directory, const std::string& task, bool force);

  /// Takes the folder of a run that is to go on. Throws Error where it has no config.toml, or another training runs in
  /// it.
  static RunFolder resume(const std::filesystem::path& directory);

  /// That of a rank which writes nothing, as rank 0 alone does: an empty path; `write` does nothing.
  static RunFolder nowhere() { return RunFolder({}, std::nullopt); }

  RunFolder(RunFolder&&) noexcept = default;
  RunFolder& operator=(RunFolder&&) = delete;

  /// Removes the folder if `create` made it and no run was started in it.
  ~RunFolder();

  /// Begins the new run: removes an earlier run's files, and partial ones that a killed process left, except
  /// partial(`spared`), which was made for the new run.
  void start(const std::string& spared = "");

  /// Where the new run cannot begin after all: removes what it wrote.
  void abandon() noexcept;

  /// The folder.
  const std::filesystem::path& path() const { return path_; }

  /// Path of a file in it.
  std::filesystem::path file(const std::string& name) const { return path_ / name; }

  /// Where a folder of the run is made. It gets its name (settle_partial) only when it is complete and `config.toml`,
  /// which refers to it, is written.
  std::filesystem::path partial(const std::string& name) const { return path_ / ("." + name + ".partial"); }
  /// Calls `make` with that path, after removing what a killed process left there. Where it throws, nothing stays
  /// there.
  template <class Make>
  auto make_partial(const std::string& name, const Make& make) const {
    std::error_code code;
    std::filesystem::remove_all(partial(name), code);
    try {
      return make(partial(name));
    } catch (...) {
      std::filesystem::remove_all(partial(name), code);
      throw;
    }
  }
  /// Moves the partial folder to its place.
  void settle_partial(const std::string& name) const;

  /// Writes one of the run's files, completely or not at all.
  void write(const std::string& name, std::string_view bytes, Durability durability) const;

  /// Whether `directory` holds a run: a config.toml, which is the first file that a run writes.
  static bool holds_run(const std::filesystem::path& directory);

 private:
  RunFolder(std::filesystem::path path, std::optional<FileLock> lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  static FileLock lock(const std::filesystem::path& directory);

  std::filesystem::path path_;
  std::optional<FileLock> lock_;
  bool made_ = false;
  bool started_ = false;
};

}  // namespace stampede
