#pragma once
/// \file The films and pictures of a pipeline's report: what the student does, and what it sees.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "host/app/draw/image.hpp"
#include "host/app/session/pipeline_config.hpp"
#include "host/engine/engine.hpp"
#include "host/task/planned_task.hpp"

namespace stampede {

/// A film in the pipeline's folder.
struct ReportFilm {
  std::string file, caption;
  int width = 0;  ///< with what the student sees beside it [pixels]
};

/// What the student saw at one time of the first film.
struct ReportSight {
  double time = 0;  ///< since the episode's beginning [s]
  Image picture;
};

/// What the report shows.
struct PipelinePictures {
  std::vector<ReportFilm> films;
  std::vector<ReportSight> sights;  ///< none where its task has no camera
  std::string note;                 ///< why a film is missing; empty where none is
};

/// Lets the policy act and draws what it does, as files `film...` in `folder`: a film, or, on ground of several kinds,
/// one for each kind at middle difficulty. Where robots cannot be drawn on this machine, a note says so. Between films
/// it asks `stop` whether to leave out the rest.
PipelinePictures draw_pictures(Engine& engine, const PlannedTask& student, const Policy& policy,
                               const PipelineReport& options, const std::filesystem::path& folder,
                               const std::function<bool()>& stop);

}  // namespace stampede
