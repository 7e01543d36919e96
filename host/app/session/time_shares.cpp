/// \file Where the time of a training's iterations goes.
#include "host/app/session/time_shares.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace stampede {
namespace {

constexpr const char* kPrefix = "seconds_";
constexpr const char *kRollout = "rollout", *kUpdate = "update";

}  // namespace

void TimeShares::add(const Report& report) {
  for (std::size_t i = 0; i < report.values.size(); ++i) {
    const std::string& name = (*report.table)[i].name;
    if (!name.starts_with(kPrefix) || !std::isfinite(report.values[i])) continue;
    const std::string part = name.substr(std::char_traits<char>::length(kPrefix));
    auto at = std::find_if(seconds_.begin(), seconds_.end(), [&](const auto& each) { return each.first == part; });
    if (at == seconds_.end()) at = seconds_.insert(at, {part, 0.0});
    at->second += report.values[i];
  }
}

double TimeShares::seconds_of(const std::string& part) const {
  for (const auto& [name, seconds] : seconds_) {
    if (name == part) return seconds;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

double TimeShares::of(const std::string& part) const {
  return seconds_of(part) / (seconds_of(kRollout) + seconds_of(kUpdate));
}

std::string TimeShares::text() const {
  const bool split = std::isfinite(seconds_of("physics"));
  std::string text;
  const auto add = [&](const std::string& part) {
    if (std::isfinite(of(part))) text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", part, 100 * of(part));
  };
  for (const auto& [part, seconds] : seconds_) {
    if (part != kUpdate && (part == kRollout) != split) add(part);
  }
  add(kUpdate);
  return text;
}

}  // namespace stampede
