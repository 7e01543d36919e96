/// \file The picture of a training: what a change of the data changes in the picture, where, and to which colour.
#include "host/app/plot/training.hpp"

#include <cmath>

#include "host/app/plot/picture.hpp"
#include "host/base/files.hpp"
#include "tests/host/app/plot/colours.hpp"
#include "tests/host/app/read_png.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::find_colour;
using test::find_differences;
using test::find_pixels;
using test::is;
using test::read_png;
using test::Spot;
using test::TemporaryFolder;

/// The picture of a training whose `metrics.jsonl` is `lines`.
Image training(const std::string& lines, const std::vector<std::string>& rewards = {"tracking"}) {
  const TemporaryFolder folder;
  write_file(folder / "metrics.jsonl", lines);
  MetricTable table;
  for (const std::string& name : rewards) table.add({.name = "rewards/" + name, .panel = "reward terms"});
  table.add({.name = "kl"});  // is not drawn
  for (const char* name : {"torque", "slip"}) {
    if (lines.find("constraints") == std::string::npos) break;
    table.add({.name = std::string("constraints/") + name + "/violated", .panel = "violated [%]", .panel_scale = 100});
  }
  if (lines.find("terrain") != std::string::npos) table.add({.name = "terrain/level", .panel = "level"});
  return read_png(draw_training(folder.path(), table, "go2-flat"));
}

/// A hundred iterations with rewards `names`, and what else each line has.
std::string lines_of(const std::vector<std::string>& names, const std::string& more = "") {
  std::string lines;
  for (int i = 1; i <= 100; ++i) {
    lines += "{\"iteration\": " + std::to_string(i) + ", \"rewards\": {";
    for (std::size_t k = 0; k < names.size(); ++k) {
      lines += (k > 0 ? ", \"" : "\"") + names[k] + "\": " + std::to_string(1 + k);
    }
    lines += "}" + more + "}\n";
  }
  return lines;
}

std::string constraint(const std::string& violated) {
  return ", \"constraints\": {\"torque\": {\"violated\": " + violated + "}, \"slip\": {\"violated\": 0.5}}";
}

TEST(TrainingPicture, EachRewardHasAColour) {
  const Image two = training(lines_of({"tracking", "torque"}), {"tracking", "torque"});
  const Image three = training(lines_of({"tracking", "torque", "air"}), {"tracking", "torque", "air"});
  for (int i = 0; i < 2; ++i) EXPECT_GT(find_colour(two, kSeries[i]).count, 200) << i;
  EXPECT_EQ(find_colour(two, kSeries[2]).count, 0);
  EXPECT_GT(find_colour(three, kSeries[2]).count, 200);
  // A constant reward of 2 lies above one of 1.
  const auto middle_row = [&](int i) {
    return find_pixels(two, [&](int x, int y) { return x < two.width / 2 && is(two.pixel(x, y), kSeries[i]); }).y();
  };
  EXPECT_LT(middle_row(1), middle_row(0));
}

TEST(TrainingPicture, ConstraintsHaveAChartBelowTheRewards) {
  const std::string half = lines_of({"tracking"}, constraint("0.1"));
  const Image image = training(half);
  const Spot rewards = find_differences(image, training(lines_of({"gait"}, constraint("0.1")), {"gait"}));
  const Spot constraints = find_differences(image, training(lines_of({"tracking"}, constraint("0.4"))));
  EXPECT_GT(rewards.count, 0);
  EXPECT_GT(constraints.count, 100);
  EXPECT_LT(rewards.bottom, constraints.top);
  // Violated more often is higher: of the two, the one that does not move is at 0.5.
  const auto row_of = [&](const char* violated) {
    const Image picture = training(lines_of({"tracking"}, constraint(violated)));
    return find_pixels(picture,
                       [&](int x, int y) {
                         return x > picture.width / 3 && x < picture.width / 2 && y > picture.height / 2 &&
                                is(picture.pixel(x, y), kSeries[0]);
                       })
        .y();
  };
  EXPECT_GT(row_of("0.1"), row_of("0.4") + 20);
}

TEST(TrainingPicture, LevelsOfTheGroundAreAThirdChart) {
  const Image without = training(lines_of({"tracking"}));
  const std::string level = ", \"terrain\": {\"level\": ";
  const Image low = training(lines_of({"tracking"}, level + "0}")),
              high = training(lines_of({"tracking"}, level + "3}"));
  EXPECT_GT(low.height, without.height + 100);
  EXPECT_EQ(low.width, without.width);
  const Spot changed = find_differences(low, high);
  EXPECT_GT(changed.count, 100);
  EXPECT_GT(changed.top, without.height - 150) << "below what there is without";
}

TEST(TrainingPicture, WhatIsNoNumberAndLinesThatAreBrokenAreLeftOut) {
  const std::string lines = lines_of({"tracking"}, constraint("0.1"));
  const Image image = training(lines);
  // A run that was killed while it wrote; what is no line of a report; a mean over nothing.
  for (const char* more : {"{\"iteration\": 101, \"rewards\": {\"tracking\": 9", "nonsense\n", "[1, 2]\n", "\n",
                           "{\"iteration\": 50, \"rewards\": {\"tracking\": null, \"new\": null}}\n"}) {
    EXPECT_EQ(training(lines + more).rgb, image.rgb) << more;
  }
  EXPECT_NE(training(lines + "{\"iteration\": 101, \"rewards\": {\"tracking\": 9}}\n").rgb, image.rgb);
}

TEST(TrainingPicture, NothingToShowIsAPictureToo) { EXPECT_GT(training("").height, 0); }

TEST(TrainingPicture, AMetricMoreIsALineInItsPanel) {
  MetricTable table;
  EXPECT_FALSE(has_panels(table));
  table.add({.name = "kl"});
  EXPECT_FALSE(has_panels(table));
  table.add({.name = "speed", .unit = "m/s", .panel = "speed [m/s]"});
  EXPECT_TRUE(has_panels(table));
  const TemporaryFolder folder;
  std::string lines;
  for (int i = 1; i <= 50; ++i) lines += "{\"iteration\": " + std::to_string(i) + ", \"speed\": 0.7}\n";
  write_file(folder / "metrics.jsonl", lines);
  EXPECT_GT(find_colour(read_png(draw_training(folder.path(), table, "x")), kSeries[0]).count, 200);
}

}  // namespace
}  // namespace stampede
