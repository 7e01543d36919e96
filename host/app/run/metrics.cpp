/// \file What a training reports of each iteration.
#include "host/app/run/metrics.hpp"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
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

/// The lines of whole reports up to `iteration`.
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

/// Calls visit(kind, name, figure, value) for reward terms that count and for constraints.
template <class Visit>
void for_each_figure(const Report& report, const TaskSpec& task, const Visit& visit) {
  for (std::size_t i = 0; i < report.rewards.size(); ++i) {
    if (task.legged->constants.reward_weight[i] != 0.0f) visit("rewards", kRewardTerms[i].name, "", report.rewards[i]);
  }
  if (report.terrain_level >= 0) visit("terrain", "level", "", report.terrain_level);
  for (std::size_t i = 0; i < report.constraints.size(); ++i) {
    const Report::Constraint& c = report.constraints[i];
    const std::string& name = task.constraints.list[i].name;
    visit("constraints", name, "violated", c.violated);
    visit("constraints", name, "mean", c.mean);
    visit("constraints", name, "delta", c.delta);
    visit("constraints", name, "applied", c.applied);
  }
}

}  // namespace

std::string to_json_line(const Report& report, const TaskSpec* task) {
  Json line = {
      {"iteration", report.iteration},
      {"steps", report.steps},
      {"episodes", report.episodes},
      {"return_mean", report.return_mean},
      {"episode_length_mean", report.episode_length_mean},
      {"policy_loss", report.policy_loss},
      {"value_loss", report.value_loss},
      {"entropy", report.entropy},
      {"kl", report.kl},
      {"clip_fraction", report.clip_fraction},
      {"gradient_norm", report.gradient_norm},
      {"learning_rate", report.learning_rate},
      {"action_std", report.action_std},
      {"explained_variance", report.explained_variance},
      {"nonfinite", report.nonfinite},
      {"contacts_over_slots", report.contacts_over_slots},
      {"seconds_rollout", report.seconds_rollout},
      {"seconds_update", report.seconds_update},
  };
  if (task == nullptr) return line.dump();
  for_each_figure(report, *task, [&](const char* kind, const std::string& name, const char* figure, double value) {
    Json& of_name = line[kind][name];
    (*figure == '\0' ? of_name : of_name[figure]) = value;
  });
  return line.dump();
}

std::vector<CurvePoint> read_curve(const fs::path& run) {
  std::vector<CurvePoint> points;
  std::error_code code;
  if (!fs::exists(run / kLines, code)) return points;
  const std::string text = read_file(run / kLines);
  std::size_t at = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; at = end + 1, end = text.find('\n', at)) {
    const Json line = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(at),
                                  text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (!line.is_object() || !line.contains("return_mean") || !line["return_mean"].is_number()) continue;
    points.push_back({line.value("steps", 0.0), line["return_mean"].get<double>()});
  }
  return points;
}

Metrics::Metrics(const fs::path& run, std::int64_t iteration, std::shared_ptr<const TaskSpec> task)
    : task_(std::move(task)) {
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
  lines_.append(to_json_line(report, task_.get()) + "\n");
  std::vector<std::pair<std::string, float>> scalars;
  const auto add = [&scalars](const char* tag, double value) {
    if (std::isfinite(value)) scalars.emplace_back(tag, static_cast<float>(value));
  };
  if (report.episodes > 0) {
    add("episode/return_mean", report.return_mean);
    add("episode/length_mean", report.episode_length_mean);
  }
  add("loss/policy", report.policy_loss);
  add("loss/value", report.value_loss);
  add("loss/entropy", report.entropy);
  add("update/kl", report.kl);
  add("update/clip_fraction", report.clip_fraction);
  add("update/gradient_norm", report.gradient_norm);
  add("update/learning_rate", report.learning_rate);
  add("update/explained_variance", report.explained_variance);
  add("policy/action_std", report.action_std);
  add("time/seconds_rollout", report.seconds_rollout);
  add("time/seconds_update", report.seconds_update);
  add("environment/steps", static_cast<double>(report.steps));
  add("environment/nonfinite", static_cast<double>(report.nonfinite));
  add("environment/contacts_over_slots", static_cast<double>(report.contacts_over_slots));
  if (task_ != nullptr) {
    for_each_figure(report, *task_, [&](const char* kind, const std::string& name, const char* figure, double value) {
      add((std::string(kind) + "/" + name + (*figure == '\0' ? "" : "_") + figure).c_str(), value);
    });
  }
  events_.append(scalar_event(wall_time(), report.iteration, scalars));
}

}  // namespace stampede
