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
