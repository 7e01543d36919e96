#pragma once
/// \file The picture of a training: its metrics over its iterations, in panels.

#include <filesystem>
#include <string>

#include "host/engine/metrics.hpp"

namespace stampede {

/// Whether any metric of the table is drawn.
bool has_panels(const MetricTable& table);

/// A PNG file's bytes: the run's `metrics.jsonl` over its iterations, a panel for each heading that the table names, a
/// line for each metric under it.
std::string draw_training(const std::filesystem::path& run, const MetricTable& table, const std::string& title);

}  // namespace stampede
