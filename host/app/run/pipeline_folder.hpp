#pragma once
/// \file The folder of a pipeline (docs/pipeline.md), and how far it is.
///
///     pipeline.json pipeline.toml teacher/ student/ evaluation.json policy.onnx policy.safetensors film*.gif|mp4
///     report.html

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/files.hpp"

namespace stampede {

/// A stage of a pipeline.
struct PipelineStage {
  std::string name;    ///< teacher, student, evaluation, export, report
  double seconds = 0;  ///< that the calls which ended by themselves spent in it [s]
  bool done = false;
  std::int64_t nonfinite = 0, contacts_over_slots = 0;
};

/// What `pipeline.json` holds: how it was begun, and how far it is.
struct PipelineState {
  std::string config_file;       ///< as the first call named it
  std::string seed;              ///< of --seed; empty where it was not given
  std::vector<std::string> set;  ///< of --set
  std::vector<PipelineStage> stages;
  nlohmann::ordered_json calls = nlohmann::ordered_json::array();  ///< system.json of each call that did something
};

/// A pipeline's folder, taken by this process for as long as the object lives: no other one writes to it meanwhile.
class PipelineFolder {
 public:
  static bool holds_pipeline(const std::filesystem::path& directory);
  /// Reads `pipeline.json`. Throws Error where it is none.
  static PipelineState read_state(const std::filesystem::path& directory);
  /// The configuration that the pipeline was begun with, `pipeline.toml`.
  static std::string read_config(const std::filesystem::path& directory);

  /// Takes a folder for a new pipeline: `directory`, or a new `runs/<name>-<n>` where that is empty. Throws Error where
  /// it holds a run of another kind; a pipeline, or a file with the name of one of its files, and `force` is not given;
  /// or where another pipeline runs in it.
  static PipelineFolder create(const std::filesystem::path& directory, const std::string& name,
                               const std::string& config, bool force);
  /// Takes the folder of a pipeline that is to go on.
  static PipelineFolder open(const std::filesystem::path& directory);

  PipelineFolder(PipelineFolder&&) noexcept = default;
  PipelineFolder& operator=(PipelineFolder&&) = delete;
  /// Removes the folder if `create` made it and nothing was started in it.
  ~PipelineFolder();

  /// Begins the new pipeline: removes the files of an earlier one, then writes pipeline.toml and pipeline.json.
  void start(const std::string& config, const PipelineState& state);
  /// Writes pipeline.json.
  void save(const PipelineState& state) const;
  /// Writes one of its files, completely or not at all.
  void write(const std::string& name, std::string_view bytes) const;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }

 private:
  PipelineFolder(std::filesystem::path path, FileLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  FileLock lock_;
  bool made_ = false, started_ = false;
};

}  // namespace stampede
