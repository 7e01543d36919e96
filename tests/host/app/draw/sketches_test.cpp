/// \file Sketches: where a stroke is, and that all of a motion is in the picture.
#include "host/app/draw/sketches.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "host/base/files.hpp"
#include "tests/host/app/read_png.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::find_pixels;
using test::read_png;
using test::Spot;
using test::TemporaryFolder;

/// A disc of 0.2 m at (x, y).
Sketch disc(float x, float y) {
  Sketch sketch;
  sketch.add({x, y, x, y, 0.2f});
  return sketch;
}

Image strip_of(const std::vector<Sketch>& sketches, int side) {
  const TemporaryFolder folder;
  FilmOptions options;
  options.out = folder / "strip.png";
  options.width = options.height = side;
  EXPECT_EQ(draw_sketches(sketches, options), static_cast<int>(sketches.size()));
  return read_png(read_file(options.out));
}

Spot blue_in(const Image& image, int left, int right) {
  return find_pixels(image, [&](int x, int y) {
    const std::uint8_t* rgb = image.pixel(x, y);
    return x >= left && x < right && rgb[2] > rgb[0] + 60;
  });
}

TEST(Sketches, UpIsUpAndRightIsRight) {
  // One metre to the right and one up: the picture holds both, to one scale.
  const Image image = strip_of({disc(0, 0), disc(1, 1)}, 120);
  ASSERT_EQ(image.width, 240);
  const Spot first = blue_in(image, 0, 120), second = blue_in(image, 120, 240);
  ASSERT_GT(first.count, 20);
  EXPECT_LT(first.right, 60) << "left half";
  EXPECT_GT(first.top, 60) << "lower half";
  EXPECT_GT(second.left - 120, 60);
  EXPECT_LT(second.bottom, 60);
  EXPECT_NEAR(first.width(), first.height(), 1.01) << "a disc is round";
  EXPECT_NEAR(first.width(), second.width(), 1.01);
  // 0.2 of 1.2 m, of the 88 % of the picture that are no margin.
  EXPECT_NEAR(first.width(), 120 * 0.88 * 0.2 / 1.2, 2);
}

TEST(Sketches, GroundIsPaler) {
  Sketch sketch;
  sketch.add({-1, 0, 1, 0, 0.1f, true});
  const Image image = strip_of({sketch}, 100);
  EXPECT_EQ(blue_in(image, 0, 100).count, 0);
  EXPECT_GT(find_pixels(image, [&](int x, int y) { return image.pixel(x, y)[0] < 200; }).count, 100);
}

TEST(Sketches, NothingAndWhatIsNotFiniteAreRefused) {
  FilmOptions options;
  options.out = "x.png";
  EXPECT_NE(error_of([&] { draw_sketches({}, options); }, Status::kFailed).find("without a frame"), std::string::npos);
  const std::string line = error_of(
      [&] {
        draw_sketches({disc(0, 0), disc(std::numeric_limits<float>::quiet_NaN(), 0)}, options);
      },
      Status::kFailed);
  EXPECT_NE(line.find("frame 1"), std::string::npos) << line;
}

}  // namespace
}  // namespace stampede
