/// \file Shares of an iteration's time.
#include "host/app/session/time_shares.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>

namespace stampede::testing {
namespace {

Report report_of(const std::vector<std::pair<std::string, double>>& values) {
  const auto table = std::make_shared<MetricTable>();
  Report report;
  for (const auto& [name, value] : values) {
    table->add({.name = name});
    report.values.push_back(value);
  }
  report.table = table;
  return report;
}

TEST(TimeShares, AddUpOverIterations) {
  TimeShares shares;
  EXPECT_TRUE(std::isnan(shares.of("update")));
  EXPECT_EQ(shares.text(), "");
  shares.add(report_of(
      {{"loss", 5}, {"seconds_rollout", 3}, {"seconds_update", 4}, {"seconds_physics", 1}, {"seconds_teacher", 0.5}}));
  shares.add(report_of({{"seconds_rollout", 1}, {"seconds_update", 2}, {"seconds_physics", 1}}));
  EXPECT_DOUBLE_EQ(shares.of("update"), 0.6);
  EXPECT_DOUBLE_EQ(shares.of("rollout"), 0.4);
  EXPECT_DOUBLE_EQ(shares.of("physics"), 0.2);
  EXPECT_DOUBLE_EQ(shares.of("teacher"), 0.05);
  EXPECT_TRUE(std::isnan(shares.of("pictures")));
  EXPECT_EQ(shares.text(), "physics 20 %, teacher 5 %, update 60 %");
}

TEST(TimeShares, ARolloutThatIsNotSplitIsTheWhole) {
  TimeShares shares;
  shares.add(report_of({{"seconds_rollout", 1}, {"seconds_update", 3}}));
  EXPECT_EQ(shares.text(), "rollout 25 %, update 75 %");
}

}  // namespace
}  // namespace stampede::testing
