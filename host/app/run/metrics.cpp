/// \file What a training reports of each iteration.
#include "host/app/run/metrics.hpp"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <utility>

#include "host/app/export/event_file.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kLines = "metrics.jsonl";
constexpr const char* kEvents = "events.out.tfevents.";

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  char name[256] = "localhost";
  ::gethostname(name, sizeof name - 1);
  return name;
}

/// The leading lines that are complete reports of iterations up to `iteration`.
std::string lines_until(const std::string& text, std::int64_t iteration) {
  std::size_t at = 0;
  for (;;) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) break;
    const Json line = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(at),
                                  text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (!line.is_object() || line.value("iteration", std::int64_t{-1}) < 0 ||
        line.value("iteration", std::int64_t{-1}) > iteration) {
      break;
    }
    at = end + 1;
  }
  return text.substr(0, at);
}

fs::path find_events(const fs::path& run) {
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(run, code)) {
    if (entry.path().filename().string().rfind(kEvents, 0) == 0) return entry.path();
  }
  return {};
}

/// Puts a metric where its name says: "a/b" is the key b of the table a.
void put(Json& line, const MetricInfo& metric, double value) {
  Json* to = &line;
  std::istringstream parts(metric.name);
  for (std::string part; std::getline(parts, part, '/');) to = &(*to)[part];
  if (metric.integer && std::isfinite(value)) {
    *to = static_cast<std::int64_t>(value);
  } else {
    *to = value;  // NaN and infinities become null
  }
}

/// Calls `take` with each line of a run's `metrics.jsonl` that is a table.
template <class Take>
void for_each_line(const fs::path& run, const Take& take) {
  std::error_code code;
  if (!fs::exists(run / kLines, code)) return;
  const std::string text = read_file(run / kLines);
  std::size_t at = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; at = end + 1, end = text.find('\n', at)) {
    const Json line = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(at),
                                  text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (line.is_object()) take(line);
  }
}

/// The number that a line has under a metric's name; null where it has none.
const Json* find_number(const Json& line, const std::string& name) {
  const Json* at = &line;
  std::istringstream parts(name);
  for (std::string part; std::getline(parts, part, '/');) {
    if (!at->is_object() || !at->contains(part)) return nullptr;
    at = &(*at)[part];
  }
  return at->is_number() ? at : nullptr;
}

}  // namespace

std::string to_json_line(const Report& report) {
  Json line = {{"iteration", report.iteration}, {"steps", report.steps}};
  for (std::size_t i = 0; i < report.values.size(); ++i) put(line, (*report.table)[i], report.values[i]);
  return line.dump();
}

std::vector<std::string> metric_names(const fs::path& run) {
  std::vector<std::string> names;
  std::set<std::string> known;
  for_each_line(run, [&](const Json& line) {
    const std::function<void(const Json&, const std::string&)> collect = [&](const Json& table,
                                                                             const std::string& prefix) {
      for (const auto& [key, value] : table.items()) {
        if (value.is_object()) collect(value, prefix + key + "/");
        if (value.is_number() && known.insert(prefix + key).second) names.push_back(prefix + key);
      }
    };
    collect(line, "");
  });
  return names;
}

std::vector<std::vector<MetricPoint>> read_metrics(const fs::path& run, const std::vector<std::string>& names) {
  std::vector<std::vector<MetricPoint>> points(names.size());
  for_each_line(run, [&](const Json& line) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (const Json* value = find_number(line, names[i])) {
        points[i].push_back({line.value("iteration", 0.0), line.value("steps", 0.0), value->get<double>()});
      }
    }
  });
  return points;
}

std::vector<CurvePoint> read_curve(const fs::path& run) {
  std::vector<CurvePoint> curve;
  const std::vector<std::vector<MetricPoint>> points = read_metrics(run, {"return_mean"});
  for (const MetricPoint& point : points.front()) curve.push_back({point.steps, point.value});
  return curve;
}

Metrics::Metrics(const fs::path& run, std::int64_t iteration) {
  std::error_code code;
  const fs::path lines = run / kLines;
  if (fs::exists(lines, code)) write_file(lines, lines_until(read_file(lines), iteration), Durability::kProcess);
  lines_ = AppendFile(lines);

  fs::path events = find_events(run);
  std::size_t length = 0;
  if (events.empty()) {
    const auto now = static_cast<std::int64_t>(wall_time());
    events = run / (kEvents + std::to_string(now) + "." + host_name());
  } else {
    const std::string bytes = read_file(events);
    length = event_file_length(bytes, iteration);
    write_file(events, std::string_view(bytes).substr(0, length), Durability::kProcess);
  }
  events_ = AppendFile(events);
  if (length == 0) events_.append(event_file_head(wall_time()));
}

void Metrics::write(const Report& report) {
  lines_.append(to_json_line(report) + "\n");
  std::vector<std::pair<std::string, float>> scalars = {{"environment/steps", static_cast<float>(report.steps)}};
  for (std::size_t i = 0; i < report.values.size(); ++i) {
    const std::string& tag = (*report.table)[i].tag;
    if (!tag.empty() && std::isfinite(report.values[i]))
      scalars.emplace_back(tag, static_cast<float>(report.values[i]));
  }
  events_.append(scalar_event(wall_time(), report.iteration, scalars));
}

}  // namespace stampede
