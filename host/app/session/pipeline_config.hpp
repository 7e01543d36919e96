#pragma once
/// \file The file that `stampede pipeline --config` names: the settings of a teacher's and of a student's run, and what
/// happens to them afterwards. docs/pipeline.md describes it.
///
///     [teacher]  [student]    settings, as `train` and `distill` take them
///     [evaluate] [report]     the structs below

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/task/settings_io.hpp"

namespace stampede {

/// Where a pipeline's configuration comes from.
struct PipelineSources {
  std::filesystem::path file;
  std::string seed;              ///< of both runs; empty: what the file says
  std::vector<std::string> set;  ///< "teacher.train.iterations=10" each
};

/// [evaluate]
struct PipelineEvaluation {
  int episodes = 1000;
};

/// [report]
struct PipelineReport {
  std::string title;              ///< of the page; empty: the file's name
  std::string film = "gif";       ///< gif, mp4 or none
  double seconds = 5;             ///< how long a film is [s]
  int width = 400, height = 300;  ///< of the film [pixels]
  double fps = 20;                ///< its frames a second
};

/// The file as it was read, checked and completed.
struct PipelineConfig {
  PipelineSources sources;
  std::string name;  ///< of the file, without its ending
  std::string text;  ///< of the file
  SettingsSources teacher_sources, student_sources;
  Settings teacher, student;  ///< the student's without what depends on the teacher (with_teacher)
  PipelineEvaluation evaluate;
  PipelineReport report;
};

/// Reads and checks everything that can be checked without a robot. Throws Error of one line that names the file, the
/// line, the key and what would be right.
PipelineConfig read_pipeline_config(const PipelineSources& sources);

/// The dotted key of the first value that differs between two configurations; empty where their values are equal,
/// whatever their comments and order. Throws Error where one is no TOML.
std::string first_difference(const std::string& one_text, const std::string& other_text);

}  // namespace stampede
