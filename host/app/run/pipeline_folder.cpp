/// \file The folder of a pipeline.
#include "host/app/run/pipeline_folder.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "host/app/run/run_folder.hpp"
#include "host/base/error.hpp"

namespace stampede {
namespace {

constexpr const char* kStateFile = "pipeline.json";
constexpr const char* kConfigCopy = "pipeline.toml";
constexpr const char* kPipelineLock = ".stampede-lock";
constexpr const char* kStateFormat = "stampede-pipeline 1";

/// What a pipeline's files are called. The state comes first, so that it is removed first: a folder without it holds no
/// pipeline.
constexpr const char* kPipelineFiles[] = {kStateFile,    kConfigCopy,       "teacher",     "student",
                                          "report.html", "evaluation.json", "policy.onnx", "policy.safetensors"};

/// Its files that are there.
std::vector<std::filesystem::path> files_of_pipeline(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> found;
  std::error_code code;
  for (const char* name : kPipelineFiles) {
    if (std::filesystem::exists(std::filesystem::symlink_status(directory / name, code))) {
      found.push_back(directory / name);
    }
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory, code)) {
    const std::string name = entry.path().filename().string(), ending = entry.path().extension().string();
    if ((name.rfind("film.", 0) == 0 || name.rfind("film-", 0) == 0) && (ending == ".gif" || ending == ".mp4"))
      found.push_back(entry.path());
  }
  return found;
}

FileLock lock_pipeline(const std::filesystem::path& directory) {
  std::optional<FileLock> lock = FileLock::take(directory / kPipelineLock);
  if (!lock) {
    throw Error(directory.string() +
                ": another pipeline or training is running in this folder; wait for its end or choose another --run");
  }
  return std::move(*lock);
}

}  // namespace

bool PipelineFolder::holds_pipeline(const std::filesystem::path& directory) { return is_file(directory / kStateFile); }

PipelineState PipelineFolder::read_state(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / kStateFile;
  PipelineState state;
  try {
    const auto json = nlohmann::ordered_json::parse(read_file(file, kLargestText));
    if (json.at("format") == kStateFormat) {
      state.config_file = json.at("config").get<std::string>();
      state.seed = json.at("seed").get<std::string>();
      state.set = json.at("set").get<std::vector<std::string>>();
      for (const auto& stage : json.at("stages")) {
        state.stages.push_back({stage.at("name").get<std::string>(), stage.at("seconds_total").get<double>(),
                                stage.at("done").get<bool>(), stage.at("nonfinite").get<std::int64_t>(),
                                stage.at("contacts_over_slots").get<std::int64_t>()});
      }
      state.calls = json.at("calls");
      if (!state.stages.empty()) return state;
    }
  } catch (const nlohmann::json::exception&) {
  }
  throw Error(file.string() + ": is not what a pipeline writes; --force begins it anew, another --run leaves it");
}

std::string PipelineFolder::read_config(const std::filesystem::path& directory) {
  return read_file(directory / kConfigCopy, kLargestText);
}

PipelineFolder PipelineFolder::create(const std::filesystem::path& directory, const std::string& name,
                                      const std::string& config, bool force) {
  if (directory.empty()) {
    const std::filesystem::path path = make_numbered_folder("runs", name);
    PipelineFolder folder(path, lock_pipeline(path));
    folder.made_ = true;
    return folder;
  }
  if (RunFolder::holds_run(directory)) {
    throw Error(directory.string() +
                ": holds a run of `stampede train`; a pipeline needs a folder of its own: choose another --run");
  }
  std::error_code code;
  const bool existed = std::filesystem::exists(directory, code);
  make_directory(directory);
  PipelineFolder folder(directory, lock_pipeline(directory));
  folder.made_ = !existed;
  if (!force) {
    for (const std::filesystem::path& file : files_of_pipeline(directory)) {
      // The first file: of one that was killed when it began.
      if (file.filename() == kConfigCopy && read_file(file, kLargestText) == config) continue;
      folder.started_ = true;  // so that the destructor leaves the folder
      throw Error(file.string() + ": is in the way, for a pipeline has a file of this name; choose another --run, or " +
                  "replace all of a pipeline's files in this folder with --force");
    }
  }
  return folder;
}

PipelineFolder PipelineFolder::open(const std::filesystem::path& directory) {
  PipelineFolder folder(directory, lock_pipeline(directory));
  folder.started_ = true;
  return folder;
}

PipelineFolder::~PipelineFolder() {
  if (path_.empty() || started_ || !made_) return;
  std::error_code code;
  std::filesystem::remove(path_ / kPipelineLock, code);
  std::filesystem::remove(path_, code);  // removes only an empty folder
}

void PipelineFolder::start(const std::string& config, const PipelineState& state) {
  for (const std::filesystem::path& file : files_of_pipeline(path_)) {
    std::error_code code;
    std::filesystem::remove_all(file, code);
    if (code) throw Error("cannot remove the old pipeline's " + file.string() + ": " + code.message());
  }
  write(kConfigCopy, config);
  started_ = true;
  save(state);
}

void PipelineFolder::save(const PipelineState& state) const {
  nlohmann::ordered_json stages = nlohmann::ordered_json::array();
  for (const PipelineStage& stage : state.stages) {
    stages.push_back({{"name", stage.name},
                      {"seconds_total", stage.seconds},
                      {"done", stage.done},
                      {"nonfinite", stage.nonfinite},
                      {"contacts_over_slots", stage.contacts_over_slots}});
  }
  const nlohmann::ordered_json json = {{"format", kStateFormat}, {"config", state.config_file},
                                       {"seed", state.seed},     {"set", state.set},
                                       {"stages", stages},       {"calls", state.calls}};
  write(kStateFile, json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void PipelineFolder::write(const std::string& name, std::string_view bytes) const { write_file(file(name), bytes); }

}  // namespace stampede
