#pragma once
/// \file The report of a pipeline: one HTML page that needs nothing else.

#include <filesystem>
#include <string>

#include "host/app/report/pipeline_pictures.hpp"
#include "host/app/run/pipeline_folder.hpp"
#include "host/app/session/pipeline_config.hpp"

namespace stampede {

/// The page's text, made of the files in `folder` (docs/pipeline.md) and the films and pictures. Charts are inline SVG,
/// pictures and films data: URLs.
std::string pipeline_page(const PipelineConfig& config, const PipelineState& state, const std::filesystem::path& folder,
                          const PipelinePictures& pictures);

}  // namespace stampede
