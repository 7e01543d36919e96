#pragma once
/// \file A teacher's and a student's run, their evaluation, the policy's export and a page about it all, in order:
/// `stampede pipeline` (docs/pipeline.md). Each stage that is done stays done; one that was interrupted goes on.

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "host/app/run/pipeline_folder.hpp"
#include "host/app/session/pipeline_config.hpp"
#include "host/app/session/training.hpp"

namespace stampede {

/// Options of a call that are not settings.
struct PipelineOptions {
  std::string device = "auto";              ///< auto, cpu or cuda
  int threads = 0;                          ///< 0: all cores
  std::filesystem::path run;                ///< the pipeline's folder; empty: see run_pipeline
  bool force = false;                       ///< begin anew
  const std::atomic<bool>* stop = nullptr;  ///< true: save and stop
  std::function<void(const Progress&)> progress;
  std::function<void(const std::string&)> message;  ///< a line for people
};

/// The result of a call.
struct PipelineResult {
  std::filesystem::path run, report;  ///< the folder; the page, where it is there already
  std::vector<PipelineStage> stages;
  bool finished = false, interrupted = false;
  Processor processor;
  nlohmann::ordered_json evaluation;  ///< evaluation.json, where it is there already
};

/// Runs what is left of a pipeline. Its folder is options.run or, where that is empty, the newest `runs/<name>-<n>`
/// that was begun with the same configuration; where there is none, or with options.force, a new one. All that can be
/// refused is refused before the first stage, and before anything is written: a student that cannot learn from this
/// teacher, too. Throws Error: status 2 for bad input, 1 where a training diverged.
PipelineResult run_pipeline(const PipelineConfig& config, const PipelineOptions& options);

}  // namespace stampede
