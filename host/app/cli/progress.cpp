/// \file The line that shows how far a training is.
#include "host/app/cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "host/app/cli/command.hpp"
#include "host/base/clock.hpp"

namespace stampede::cli {

std::string progress_text(const Progress& progress) {
  const auto seconds = static_cast<long long>(std::ceil(progress.seconds_left));
  const std::string left = seconds >= 3600
                               ? fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
                               : fmt::format("{}:{:02}", seconds / 60, seconds % 60);
  std::string metrics;
  for (std::size_t i = 0; i < progress.latest.values.size(); ++i) {
    const MetricInfo& metric = (*progress.latest.table)[i];
    if (!metric.label.empty()) metrics += fmt::format("{} {}  ", metric.label, fixed(progress.latest.values[i], 1));
  }
  const int update = static_cast<int>(std::lround(100 * progress.share_update));
  return fmt::format("iteration {}/{}  {} steps/s  {}rollout {} % update {} %  {} left", progress.report.iteration,
                     progress.iterations, short_number(progress.steps_per_second), metrics, 100 - update, update, left);
}

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() { finish(); }

void ProgressLine::show(const Progress& progress) {
  const double now = seconds_now();
  const std::int64_t iteration = progress.report.iteration;
  const bool last = iteration == progress.iterations;
  if (terminal_) {
    if (!last && now - last_ < 0.1) return;
    std::fprintf(stderr, "\r\033[K%s", progress_text(progress).c_str());
    std::fflush(stderr);
    open_ = true;
  } else {
    const std::int64_t tenth = std::max<std::int64_t>(1, progress.iterations / 10);
    if (last_ == 0) last_ = now;
    if (!last && iteration % tenth != 0 && now - last_ < 10) return;
    say(progress_text(progress));
  }
  last_ = now;
}

void ProgressLine::finish() {
  if (open_) std::fputc('\n', stderr);
  open_ = false;
}

}  // namespace stampede::cli
