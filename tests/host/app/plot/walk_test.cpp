/// \file The pictures of a walking task: what a change of the data changes in the picture, where, and to which colour.
#include "host/app/plot/walk.hpp"

#include <cmath>

#include "host/app/plot/picture.hpp"
#include "host/base/files.hpp"
#include "tests/host/app/read_png.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::find_differences;
using test::find_pixels;
using test::read_png;
using test::Spot;
using test::TemporaryFolder;

constexpr std::size_t kSteps = 500;  // ten seconds
constexpr std::size_t kShown = 150;  // of the gait: three seconds ...
constexpr std::size_t kFirst = 175;  // ... from the middle

/// Stands still on no foot and is told to.
Walk still(std::size_t limbs = 2) {
  Walk walk;
  for (int i = 0; i < 3; ++i) {
    walk.velocity[i].assign(kSteps, 0.0);
    walk.command[i].assign(kSteps, 0.0);
  }
  walk.feet.assign(limbs, std::vector<bool>(kSteps, false));
  for (std::size_t i = 0; i < limbs; ++i) walk.limbs.push_back("leg" + std::to_string(i));
  return walk;
}

Image picture_of(const Walk& walk, const std::string& title = "go2-flat") { return read_png(draw_walk(walk, title)); }

bool is(const std::uint8_t* rgb, Colour colour) {
  return std::abs(rgb[0] - 255 * colour.red) <= 1 && std::abs(rgb[1] - 255 * colour.green) <= 1 &&
         std::abs(rgb[2] - 255 * colour.blue) <= 1;
}

Spot find_colour(const Image& image, Colour colour) {
  return find_pixels(image, [&](int x, int y) { return is(image.pixel(x, y), colour); });
}

/// Walks on one limb from step `from` to before `to`, and on no other.
Image on_the_ground(std::size_t limb, std::size_t from, std::size_t to) {
  Walk walk = still();
  for (std::size_t k = from; k < to; ++k) walk.feet[limb][k] = true;
  return picture_of(walk);
}

TEST(WalkPicture, ABarIsWhereAFootIsOnTheGround) {
  const Image none = picture_of(still());
  const Image first = on_the_ground(0, 0, kSteps), second = on_the_ground(1, 0, kSteps);
  const Spot upper = find_differences(none, first), lower = find_differences(none, second);
  EXPECT_GT(upper.width(), 0.8 * none.width);
  EXPECT_EQ(upper.left, lower.left);
  EXPECT_EQ(upper.right, lower.right);
  EXPECT_LT(upper.bottom, lower.top) << "a row for each limb, the first above";
  EXPECT_EQ(upper.count, static_cast<int>(upper.width() * upper.height())) << "filled, without gaps";
  for (int y = upper.top + 1; y < upper.bottom; ++y) {
    for (int x = upper.left + 1; x < upper.right; ++x) {
      const std::uint8_t* rgb = first.pixel(x, y);
      ASSERT_GT(rgb[2], rgb[0] + 60) << "blue, also where two steps meet: " << x << ' ' << y;
    }
  }

  // The first and the last third of what is shown.
  const Spot early = find_differences(none, on_the_ground(0, kFirst, kFirst + kShown / 3));
  const Spot late = find_differences(none, on_the_ground(0, kFirst + 2 * kShown / 3, kFirst + kShown));
  EXPECT_EQ(early.left, upper.left);
  EXPECT_NEAR(early.width(), upper.width() / 3, 2);
  EXPECT_EQ(late.right, upper.right);
  EXPECT_NEAR(late.width(), upper.width() / 3, 2);
}

TEST(WalkPicture, TheGaitIsThreeSecondsFromTheMiddle) {
  const Image none = picture_of(still());
  EXPECT_EQ(find_differences(none, on_the_ground(0, 0, kFirst)).count, 0);
  EXPECT_EQ(find_differences(none, on_the_ground(0, kFirst + kShown, kSteps)).count, 0);
  EXPECT_GT(find_differences(none, on_the_ground(0, kFirst, kFirst + 1)).count, 0);
  EXPECT_GT(find_differences(none, on_the_ground(0, kFirst + kShown - 1, kFirst + kShown)).count, 0);
}

TEST(WalkPicture, EachDirectionHasAChartOfItsOwn) {
  const Image none = picture_of(still());
  Spot above;
  for (int i = 0; i < 3; ++i) {
    // Within +-0.2, which is shown at least: the numbers at the axes stay.
    Walk fast = still(), slow = still();
    fast.velocity[i].assign(kSteps, 0.15);
    slow.velocity[i].assign(kSteps, -0.15);
    const Spot up = find_differences(none, picture_of(fast)), down = find_differences(none, picture_of(slow));
    EXPECT_GT(up.count, 100) << i;
    EXPECT_LT(up.top, down.top) << i << ": faster is above";
    EXPECT_EQ(up.bottom - up.top, down.bottom - down.top) << i;
    EXPECT_GT(up.top, above.bottom) << i << ": below the one before";
    above = down;
  }
  const Spot gait = find_differences(none, on_the_ground(0, 0, kSteps));
  EXPECT_GT(gait.top, above.bottom);
}

TEST(WalkPicture, VelocityIsBlueAndWhatWasCommandedIsDashed) {
  const Image none = picture_of(still());
  Walk walk = still();
  walk.velocity[0].assign(kSteps, 0.15);
  walk.command[0].assign(kSteps, -0.15);
  const Image image = picture_of(walk);
  int blue = 0, orange = 0, lowest_blue = 0, highest_orange = image.height;
  find_pixels(image, [&](int x, int y) {
    if (std::equal(image.pixel(x, y), image.pixel(x, y) + 3, none.pixel(x, y))) return false;
    // By hue: the lines are thinner than a pixel in places.
    const std::uint8_t* rgb = image.pixel(x, y);
    if (rgb[2] > rgb[0] + 60) ++blue, lowest_blue = std::max(lowest_blue, y);
    if (rgb[0] > rgb[2] + 60) ++orange, highest_orange = std::min(highest_orange, y);
    return true;
  });
  EXPECT_GT(blue, image.width / 2);
  EXPECT_GT(orange, image.width / 4);
  EXPECT_GT(blue, orange) << "gaps";
  EXPECT_LT(lowest_blue, highest_orange);
}

TEST(WalkPicture, GrowsByTheLimbsAndHasATitle) {
  const Image two = picture_of(still(2)), six = picture_of(still(6));
  EXPECT_EQ(six.width, two.width);
  const double row =
      find_differences(two, on_the_ground(1, 0, kSteps)).top - find_differences(two, on_the_ground(0, 0, kSteps)).top;
  EXPECT_EQ(six.height - two.height, 4 * row);
  const Spot title = find_differences(two, picture_of(still(2), "a longer title"));
  EXPECT_GT(title.count, 20);
  Walk walk = still(2);
  walk.velocity[0].assign(kSteps, 0.19);
  EXPECT_LT(title.bottom, find_differences(two, picture_of(walk)).top) << "above everything";
}

TEST(WalkPicture, NothingToShowIsAPictureToo) {
  EXPECT_GT(picture_of(Walk{}).height, 0);
  Walk moment = still();
  for (std::vector<bool>& foot : moment.feet) foot.resize(1);
  for (int i = 0; i < 3; ++i) moment.velocity[i].resize(1), moment.command[i].resize(1);
  EXPECT_EQ(picture_of(moment).height, picture_of(still()).height);
}

/// The picture of a training whose `metrics.jsonl` is `lines`.
Image training(const std::string& lines) {
  const TemporaryFolder folder;
  write_file(folder / "metrics.jsonl", lines);
  return read_png(draw_training(folder.path(), "go2-flat"));
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
  const Image two = training(lines_of({"tracking", "torque"}));
  const Image three = training(lines_of({"tracking", "torque", "air"}));
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
  const Spot rewards = find_differences(image, training(lines_of({"gait"}, constraint("0.1"))));
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

}  // namespace
}  // namespace stampede
