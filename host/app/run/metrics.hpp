#pragma once
/// \file What a training reports of each iteration, kept in `metrics.jsonl` and in a TensorBoard event file.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/base/files.hpp"
#include "host/engine/engine.hpp"

namespace stampede {

/// One line of `metrics.jsonl`, without the newline: iteration, steps, and all metrics. What is not a number is null.
std::string to_json_line(const Report& report);

/// A metric's value in one iteration.
struct MetricPoint {
  double iteration = 0, steps = 0, value = 0;
};

/// The names of the numbers in a run's `metrics.jsonl`, in the order in which its lines first have them, "a/b" for the
/// key b of the table a.
std::vector<std::string> metric_names(const std::filesystem::path& run);

/// The points of each of these metrics in a run's `metrics.jsonl`, for the iterations that have a number there; none
/// where there is no such file.
std::vector<std::vector<MetricPoint>> read_metrics(const std::filesystem::path& run,
                                                   const std::vector<std::string>& names);

/// A point of the learning curve.
struct CurvePoint {
  double steps = 0, return_mean = 0;
};

/// The points of a run's `metrics.jsonl` for iterations in which episodes ended; none where there is no such file.
std::vector<CurvePoint> read_curve(const std::filesystem::path& run);

/// Writes both files.
class Metrics {
 public:
  /// Opens the files in the folder `run`. What they hold of iterations after `iteration` is cut off: a run that goes on
  /// from a checkpoint reports those again.
  Metrics(const std::filesystem::path& run, std::int64_t iteration);

  /// Appends a report to both.
  void write(const Report& report);

 private:
  AppendFile lines_, events_;
};

}  // namespace stampede
