#pragma once
/// \file The folder of a training run: who may write there, and what an old run loses.
///
///     config.toml trained_robot/ metrics.jsonl events.out.tfevents.* checkpoint/ policy.onnx policy.safetensors curve.png
///     system.json

#include <filesystem>
#include <string>
#include <string_view>

#include "host/base/files.hpp"

namespace stampede {

class RunFolder {
 public:
  /// Takes a folder for a new run: `directory`, or a new `runs/<task>-<n>` where that is empty. Throws Error where it
  /// holds a file with the name of a run's and `force` is not given, where another training runs in it, or where it
  /// cannot be written. An old run's files stay until `start`.
  static RunFolder create(const std::filesystem::path& directory, const std::string& task, bool force);

  /// Takes the folder of a run that is to go on. Throws Error where there is no config.toml.
  static RunFolder resume(const std::filesystem::path& directory);

  RunFolder(RunFolder&&) noexcept = default;
  RunFolder& operator=(RunFolder&&) = delete;

  /// A folder that was made by `create` and never started goes again.
  ~RunFolder();

  /// The new run begins: an old run's files are removed, and half-written ones of a killed process, but for the partial
  /// folder of the name `spared`, which was made for it.
  void start(const std::string& spared = "");

  /// The new run could not begin after all: what it wrote is removed.
  void abandon() noexcept;

  /// The folder.
  const std::filesystem::path& path() const { return path_; }

  /// Path of a file in it.
  std::filesystem::path file(const std::string& name) const { return path_ / name; }

  /// Where a folder of the run is made, which is there only once it is whole and `config.toml`, which needs it, written.
  std::filesystem::path partial(const std::string& name) const { return path_ / ("." + name + ".partial"); }
  /// Has `make` make it there, after whatever a killed process left; where that throws, nothing of it stays.
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
  /// Moves it to its place.
  void settle_partial(const std::string& name) const;

  /// Writes one of its files, whole or not at all.
  void write(const std::string& name, std::string_view bytes, Durability durability) const;

  /// Whether `directory` holds a run: a config.toml, which is the first that a run writes.
  static bool holds_run(const std::filesystem::path& directory);

 private:
  RunFolder(std::filesystem::path path, FileLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  static FileLock lock(const std::filesystem::path& directory);

  std::filesystem::path path_;
  FileLock lock_;
  bool made_ = false;
  bool started_ = false;
};

}  // namespace stampede
