/// \file The line that shows how far a training is, and how often it is shown.
#include "host/app/cli/progress.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "tests/host/temporary_folder.hpp"

namespace stampede::cli {
namespace {

using test::expect_parts;

/// The line of a training that is at iteration 12 of 300.
std::string text_of(double seconds_left, double share_update = 0.6, double last_return = -431.04) {
  const auto table = std::make_shared<MetricTable>();
  table->add({.name = "kl"});
  table->add({.name = "return_mean", .label = "return"});
  Report report;
  report.iteration = 12;
  report.table = table;
  report.set("return_mean", last_return);
  return progress_text({report, report, 300, 1.2e6, share_update, seconds_left});
}

TEST(ProgressText, SaysEverythingInOneLine) {
  EXPECT_EQ(text_of(7), "iteration 12/300  1.2 M steps/s  return -431.0  rollout 40 % update 60 %  0:07 left");
}

TEST(ProgressText, NoEpisodeHasEndedYet) {
  expect_parts(text_of(7, 0.6, std::numeric_limits<double>::quiet_NaN()), {"  return -  "});
}

TEST(ProgressText, TheSharesMakeAHundred) {
  expect_parts(text_of(7, 0.333), {"rollout 67 % update 33 %"});
  expect_parts(text_of(7, 0), {"rollout 100 % update 0 %"});
  expect_parts(text_of(7, 1), {"rollout 0 % update 100 %"});
}

TEST(ProgressText, TimeIsRoundedUpSoThatItEndsAtNothing) {
  for (const auto& [seconds, text] : {std::pair{0.0, "  0:00 left"},
                                      {0.1, "  0:01 left"},
                                      {59.0, "  0:59 left"},
                                      {59.5, "  1:00 left"},
                                      {61.0, "  1:01 left"},
                                      {3599.0, "  59:59 left"},
                                      {3599.2, "  1:00:00 left"},
                                      {3661.0, "  1:01:01 left"},
                                      {36000.0, "  10:00:00 left"}}) {
    const std::string line = text_of(seconds);
    EXPECT_TRUE(line.ends_with(text)) << seconds << ": " << line;
  }
}

/// The iterations of a schedule that are told of where stderr is no terminal.
std::vector<std::string> told(std::int64_t iterations) {
  testing::internal::CaptureStderr();
  {
    ProgressLine line;
    for (std::int64_t i = 1; i <= iterations; ++i) {
      Report report;
      report.iteration = i;
      line.show({report, report, iterations, 1e6, 0.5, 0});
    }
  }
  std::istringstream text(testing::internal::GetCapturedStderr());
  std::vector<std::string> found;
  for (std::string line; std::getline(text, line);) found.push_back(line.substr(0, line.find("  ")));
  return found;
}

TEST(ProgressLine, BesidesATerminalItTellsOfEachTenthAndOfTheEnd) {
  const auto line = [](int i, int of) { return "stampede: iteration " + std::to_string(i) + "/" + std::to_string(of); };
  std::vector<std::string> wanted;
  for (int i = 2; i <= 24; i += 2) wanted.push_back(line(i, 25));
  wanted.push_back(line(25, 25));
  EXPECT_EQ(told(25), wanted);
  EXPECT_EQ(told(3), (std::vector<std::string>{line(1, 3), line(2, 3), line(3, 3)})) << "below ten: each";
}

}  // namespace
}  // namespace stampede::cli
