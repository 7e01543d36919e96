/// \file The pictures of a walking task: what a change of the data changes in the picture, where, and to which colour.
#include "host/app/plot/walk.hpp"

#include <cmath>

#include "host/app/plot/picture.hpp"
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

}  // namespace
}  // namespace stampede
