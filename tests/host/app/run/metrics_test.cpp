#include "host/app/run/metrics.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "host/app/export/event_file.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::TemporaryFolder;

Report report_of(std::int64_t iteration) {
  const auto table = std::make_shared<MetricTable>();
  table->add({.name = "episodes", .integer = true});
  table->add({.name = "return_mean", .tag = "episode/return_mean"});
  table->add({.name = "constraints/slip/violated", .tag = "constraints/slip_violated", .unit = "share of steps"});
  Report report;
  report.iteration = iteration;
  report.steps = 100 * iteration;
  report.table = table;
  report.set("episodes", static_cast<double>(iteration % 2));
  if (iteration % 2 > 0) report.set("return_mean", -static_cast<double>(iteration));
  report.set("constraints/slip/violated", 0.25);
  return report;
}

std::filesystem::path event_file(const TemporaryFolder& folder) {
  for (const std::string& name : folder.names()) {
    if (name.find("tfevents") != std::string::npos) return folder / name;
  }
  return {};
}

TEST(Metrics, OneLineAnIteration) {
  const TemporaryFolder folder;
  {
    Metrics metrics(folder.path(), 0);
    for (int i = 1; i <= 3; ++i) metrics.write(report_of(i));
  }
  const std::string text = read_file(folder / "metrics.jsonl");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  const auto line = nlohmann::json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(line["iteration"], 1);
  EXPECT_EQ(line["return_mean"], -1.0);
  EXPECT_TRUE(line["episodes"].is_number_integer());
  EXPECT_EQ(line["constraints"]["slip"]["violated"], 0.25) << "a name's parts are tables";
  EXPECT_TRUE(nlohmann::json::parse(to_json_line(report_of(2)))["return_mean"].is_null());
  const std::vector<CurvePoint> curve = read_curve(folder.path());
  ASSERT_EQ(curve.size(), 2u);
  EXPECT_EQ(curve[1].steps, 300);
  EXPECT_EQ(curve[1].return_mean, -3);
}

TEST(Metrics, AreReadByTheirNames) {
  const TemporaryFolder folder;
  EXPECT_TRUE(metric_names(folder.path()).empty());
  {
    Metrics metrics(folder.path(), 0);
    for (int i = 1; i <= 3; ++i) metrics.write(report_of(i));
  }
  EXPECT_EQ(metric_names(folder.path()),
            (std::vector<std::string>{"iteration", "steps", "episodes", "return_mean", "constraints/slip/violated"}));
  const auto points = read_metrics(folder.path(), {"constraints/slip/violated", "return_mean", "none"});
  ASSERT_EQ(points.size(), 3u);
  ASSERT_EQ(points[0].size(), 3u);
  EXPECT_EQ(points[0][2].iteration, 3);
  EXPECT_EQ(points[0][2].steps, 300);
  EXPECT_EQ(points[0][2].value, 0.25);
  ASSERT_EQ(points[1].size(), 2u) << "null is no point";
  EXPECT_EQ(points[1][1].value, -3);
  EXPECT_TRUE(points[2].empty());
}

TEST(Metrics, GoingOnDoublesNothing) {
  const TemporaryFolder folder;
  {
    Metrics metrics(folder.path(), 0);
    for (int i = 1; i <= 5; ++i) metrics.write(report_of(i));
  }
  const std::string lines = read_file(folder / "metrics.jsonl");
  const std::size_t events = read_file(event_file(folder)).size();
  AppendFile(folder / "metrics.jsonl").append("{\"iteration\": 6, \"ste");  // torn by a kill
  AppendFile(event_file(folder)).append("torn");
  {
    Metrics metrics(folder.path(), 3);
    for (int i = 4; i <= 5; ++i) metrics.write(report_of(i));
  }
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), lines);
  const std::string bytes = read_file(event_file(folder));
  EXPECT_EQ(bytes.size(), events);
  EXPECT_EQ(event_file_length(bytes, 5), bytes.size());
  EXPECT_LT(event_file_length(bytes, 4), bytes.size());
  EXPECT_EQ(folder.names().size(), 2u);  // still one event file
}

}  // namespace
}  // namespace stampede
