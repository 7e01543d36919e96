/// \file What charts are made of: marks where they were asked for, at 1.5 pixels a point.
#include "host/app/plot/picture.hpp"

#include <cmath>

#include "tests/host/app/read_png.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::find_pixels;
using test::read_png;
using test::Spot;

/// Whether a pixel has a colour, to rounding.
bool is(const Image& image, int x, int y, Colour colour) {
  const std::uint8_t* rgb = image.pixel(x, y);
  return std::abs(rgb[0] - 255 * colour.red) <= 1 && std::abs(rgb[1] - 255 * colour.green) <= 1 &&
         std::abs(rgb[2] - 255 * colour.blue) <= 1;
}
constexpr Colour kWhite{1, 1, 1};

/// What is drawn on a page of 80 x 60 points, 120 x 90 pixels.
template <class Draw>
Image drawn(Draw&& draw) {
  Picture picture(80, 60);
  draw(picture);
  const Image image = read_png(picture.png());
  EXPECT_EQ(image.width, 120);
  EXPECT_EQ(image.height, 90);
  return image;
}

/// All that is not white.
Spot ink(const Image& image) {
  return find_pixels(image, [&](int x, int y) { return !is(image, x, y, kWhite); });
}

TEST(Picture, AnEmptyPageIsWhite) {
  EXPECT_EQ(ink(drawn([](Picture&) {})).count, 0);
}

TEST(Picture, ABarFillsItsRectangle) {
  const Image image = drawn([](Picture& picture) { picture.bar(10, 20, 30, 12, kMark); });
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const bool inside = x >= 15 && x < 60 && y >= 30 && y < 48;
      ASSERT_TRUE(is(image, x, y, inside ? kMark : kWhite)) << x << ' ' << y;
    }
  }
}

TEST(Picture, ALineGoesThroughItsPoints) {
  // Four points wide: six pixels, three to each side, and round ends of three more.
  const Image image = drawn([](Picture& picture) { picture.line({{10, 20}, {50, 20}, {50, 40}}, 4, kLine); });
  const Spot spot = ink(image);
  EXPECT_EQ(spot.left, 12);
  EXPECT_EQ(spot.right, 77);
  EXPECT_EQ(spot.top, 27);
  EXPECT_EQ(spot.bottom, 62);
  for (int x = 15; x < 75; ++x) ASSERT_TRUE(is(image, x, 29, kLine)) << x;
  for (int y = 30; y < 60; ++y) ASSERT_TRUE(is(image, 75, y, kLine)) << y;
  EXPECT_TRUE(is(image, 40, 45, kWhite)) << "nothing closes the line";
}

TEST(Picture, ADashedLineHasGapsAndTheNextHasNone) {
  const Image image = drawn([](Picture& picture) {
    picture.line({{10, 20}, {70, 20}}, 1, kLine, true);
    picture.line({{10, 40}, {70, 40}}, 1, kLine);
  });
  const auto gaps = [&](int y) {
    int count = 0;
    for (int x = 15; x < 105; ++x) count += is(image, x, y, kWhite) && !is(image, x - 1, y, kWhite);
    return count;
  };
  // Four points on, four off: 60 points have seven gaps and begin an eighth.
  EXPECT_GE(gaps(30), 7);
  EXPECT_LE(gaps(30), 8);
  EXPECT_EQ(gaps(60), 0);
}

TEST(Picture, ADotIsRound) {
  const Image image = drawn([](Picture& picture) { picture.dot(40, 30, 12, kMark); });
  double area = 0;  // of pixels at the rim, a share
  const Spot spot = find_pixels(image, [&](int x, int y) {
    area += (255 - image.pixel(x, y)[2]) / (255 * (1 - kMark.blue));
    const double away = std::hypot(x + 0.5 - 60, y + 0.5 - 45);
    EXPECT_TRUE(away < 17 ? is(image, x, y, kMark) : away <= 19 || is(image, x, y, kWhite)) << x << ' ' << y;
    return !is(image, x, y, kWhite);
  });
  EXPECT_EQ(spot.x(), 59.5);
  EXPECT_EQ(spot.y(), 44.5);
  EXPECT_NEAR(area, std::acos(-1.0) * 18 * 18, 10);
}

TEST(Picture, WordsBeginEndOrAreInTheMiddleWhereItIsSaid) {
  const auto written = [](Align align, double size = 16, bool bold = false) {
    return drawn([&](Picture& picture) { picture.write(40, 30, "HIH", size, kInk, align, bold); });
  };
  const Spot left = ink(written(Align::kLeft)), middle = ink(written(Align::kCentre));
  const Spot right = ink(written(Align::kRight));
  ASSERT_GT(left.count, 50) << "no font was found";
  EXPECT_GE(left.left, 60);
  EXPECT_LE(left.left, 64) << "a letter's own space";
  EXPECT_LE(right.right, 60);
  EXPECT_GE(right.right, 55);
  EXPECT_NEAR(middle.x(), 59.5, 1.5) << "a word that reads the same backwards";
  EXPECT_EQ(left.width(), right.width());
  for (const Spot& spot : {left, middle, right}) {
    EXPECT_NEAR(spot.bottom, 44, 1) << "on the line";
    // A capital is between 0.6 and 0.85 of a font's size, whichever font it is.
    EXPECT_NEAR(spot.height(), 0.73 * 16 * 1.5, 0.15 * 16 * 1.5);
  }
  EXPECT_NEAR(ink(written(Align::kLeft, 8)).height() / left.height(), 0.5, 0.1);
  EXPECT_GT(ink(written(Align::kLeft, 16, true)).count, left.count) << "bold has more ink";
}

TEST(Picture, WordsUpwardsAreTurnedToTheLeftAboutTheirMiddle) {
  // An L has its foot at its lower right: turned by a quarter to the left, at the upper right.
  const Image image = drawn([](Picture& picture) { picture.write_upwards(40, 30, "L", 40, kInk); });
  const Spot spot = ink(image);
  ASSERT_GT(spot.count, 50);
  EXPECT_GT(spot.width(), spot.height());
  EXPECT_NEAR(spot.right, 59, 2) << "what was the line that it stands on";
  EXPECT_NEAR(spot.y(), 44.5, 4);
  const auto of_column = [&](int x) {
    int count = 0;
    for (int y = 0; y < image.height; ++y) count += !is(image, x, y, kWhite);
    return count;
  };
  EXPECT_GT(of_column(spot.right - 2), 2 * of_column(spot.left + 2)) << "the foot is at the right";
  const int stem = spot.bottom - 2;  // at the lower edge, all along
  EXPECT_TRUE(is(image, spot.left + 3, stem, kInk) && is(image, spot.right - 3, stem, kInk));
}

TEST(Axis, MapsItsEndsAndWhatIsBetween) {
  const Axis y{-10, 30, 200, 100};  // upwards, where the page goes down
  EXPECT_EQ(y.at(-10), 200);
  EXPECT_EQ(y.at(30), 100);
  EXPECT_EQ(y.at(0), 175);
}

TEST(Axes, HaveALineAtEachTickAndNoneBetween) {
  Picture picture(240, 140);
  const Frame frame{60, 20, 220, 100};
  // Of 0 to 10 in five rows the ticks are 0, 2, ... 10; 16 points, 24 pixels, apart.
  draw_axes(picture, frame, {0, 6, 60, 220}, {0, 10, 100, 20}, 5);
  const Image image = read_png(picture.png());
  std::vector<int> rows;  // where something crosses the frame, between two ticks of x
  for (int y = 1; y < image.height; ++y) {
    if (!is(image, 230, y, kWhite) && is(image, 230, y - 1, kWhite)) rows.push_back(y);
  }
  ASSERT_EQ(rows.size(), 6u);
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(rows[static_cast<std::size_t>(i)], 30 + 24 * i, 1);
  // Ticks for 0 to 6 stand below the frame, 40 pixels apart.
  std::vector<int> columns;
  for (int x = 86; x < image.width; ++x) {  // right of the numbers for y
    if (!is(image, x, 153, kWhite) && is(image, x - 1, 153, kWhite)) columns.push_back(x);
  }
  ASSERT_EQ(columns.size(), 7u);
  for (int i = 0; i < 7; ++i) EXPECT_NEAR(columns[static_cast<std::size_t>(i)], 90 + 40 * i, 1);
  // Each row has a number beside it, on the left.
  for (int i = 0; i < 6; ++i) {
    const int row = 30 + 24 * i;
    const Spot number =
        find_pixels(image, [&](int x, int y) { return x < 85 && std::abs(y - row) < 11 && !is(image, x, y, kWhite); });
    EXPECT_GT(number.count, 5) << i;
    EXPECT_NEAR(number.y(), row, 3) << i;
  }
}

TEST(Picture, MinusSignsAreTypographic) {
  EXPECT_EQ(with_minus("-1.5"), "\u22121.5");
  EXPECT_EQ(with_minus("1e-5"), "1e-5");
  EXPECT_EQ(with_minus(""), "");
}

TEST(Picture, OneThatIsTooLargeIsAnError) {
  Picture picture(1e6, 10);
  expect_parts(error_of([&] { picture.png(); }, Status::kFailed), {"cannot draw the picture"});
}

}  // namespace
}  // namespace stampede
