#include "host/app/draw/film.hpp"

#include <gif_lib.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "host/base/files.hpp"
#include "tests/host/app/draw/drawing.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::Drawing;
using test::error_of;
using test::expect_parts;
using test::find_red;
using test::read_png;
using test::Spot;
using test::TemporaryFolder;

TEST_F(Drawing, AStripShowsTheFall) {
  TemporaryFolder folder;
  FilmOptions options;
  options.out = folder / "a.png";
  options.width = 96, options.height = 128;
  EXPECT_EQ(draw_film(model_.get(), fall(60), options), kStripMoments);
  const Image strip = read_png(read_file(options.out));
  ASSERT_EQ(strip.width, kStripMoments * 96);
  ASSERT_EQ(strip.height, 128);
  // The ball is in each moment; it falls from the first to the third and then lies.
  std::vector<Spot> spots;
  for (int m = 0; m < kStripMoments; ++m) {
    spots.push_back(find_red(strip, 96 * m, 96 * (m + 1)));
    EXPECT_GT(spots.back().count, 50) << m;
  }
  EXPECT_LT(spots[0].y() + 5, spots[1].y());
  EXPECT_LT(spots[1].y() + 5, spots[2].y());
  EXPECT_LE(std::abs(spots[4].y() - spots[5].y()), 2);
}

TEST_F(Drawing, AGifHasAFrameForEachState) {
  TemporaryFolder folder;
  FilmOptions options;
  options.out = folder / "a.gif";
  options.width = 96, options.height = 64;
  int calls = 0;
  options.progress = [&](int done, int all) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(all, 20);
  };
  EXPECT_EQ(draw_film(model_.get(), fall(20), options), 20);
  EXPECT_EQ(calls, 20);
  int error = 0;
  GifFileType* file = DGifOpenFileName(options.out.c_str(), &error);
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(DGifSlurp(file), GIF_OK);
  EXPECT_EQ(file->ImageCount, 20);
  EXPECT_EQ(file->SWidth, 96);
  EXPECT_EQ(file->SHeight, 64);
  DGifCloseFile(file, &error);
}

/// The frames of a GIF that holds only what differs from the frame before.
std::vector<Image> frames_of(const std::filesystem::path& path) {
  int error = 0;
  GifFileType* file = DGifOpenFileName(path.c_str(), &error);
  EXPECT_NE(file, nullptr);
  EXPECT_EQ(DGifSlurp(file), GIF_OK);
  std::vector<Image> frames;
  Image canvas(file->SWidth, file->SHeight);
  for (int i = 0; i < file->ImageCount; ++i) {
    const SavedImage& saved = file->SavedImages[i];
    const GifImageDesc& part = saved.ImageDesc;
    GraphicsControlBlock control;
    const bool clear = DGifSavedExtensionToGCB(file, i, &control) == GIF_OK && control.TransparentColor >= 0;
    for (int y = 0; y < part.Height; ++y) {
      for (int x = 0; x < part.Width; ++x) {
        const int index = saved.RasterBits[y * part.Width + x];
        if (clear && index == control.TransparentColor) continue;
        const GifColorType& colour = file->SColorMap->Colors[index];
        std::uint8_t* to = canvas.pixel(part.Left + x, part.Top + y);
        to[0] = colour.Red, to[1] = colour.Green, to[2] = colour.Blue;
      }
    }
    frames.push_back(canvas);
  }
  DGifCloseFile(file, &error);
  return frames;
}

TEST_F(Drawing, TheCameraGoesWithWhoeverMovesFreely) {
  TemporaryFolder folder;
  FilmOptions options;
  options.out = folder / "a.gif";
  options.width = 96, options.height = 64;
  // Less than two of its sizes, and far; with a sway that the camera does not follow.
  for (const double way : {0.7, 6.0}) {
    std::vector<std::vector<double>> frames;
    for (int i = 0; i < 50; ++i) {
      frames.push_back({way * i / 49, -0.3 * way * i / 49 + 0.05 * std::sin(1.5 * i), 0.2, 1, 0, 0, 0});
    }
    draw_film(model_.get(), frames, options);
    const std::vector<Image> film = frames_of(options.out);
    ASSERT_EQ(film.size(), 50u);
    double left = 96, right = 0;
    for (const Image& frame : film) {
      const Spot spot = find_red(frame, 0, 96);
      EXPECT_LE(std::abs(spot.x() - 47.5), 10) << way;
      EXPECT_LE(std::abs(spot.y() - 31.5), 8) << way;
      EXPECT_GE(std::max(spot.width() / 96, spot.height() / 64), 0.5) << way;
      left = std::min(left, spot.x()), right = std::max(right, spot.x());
    }
    EXPECT_GT(right - left, 1.5) << "the sway is seen";
    // The ground goes by, in the corner where neither ball nor shadow is.
    int differing = 0;
    for (std::size_t i = 1; i < film.size(); ++i) {
      for (int x = 0; x < 20; ++x) differing += std::abs(film[i].pixel(x, 60)[1] - film[i - 1].pixel(x, 60)[1]) > 5;
    }
    EXPECT_GT(differing, 20) << way;
  }
}

TEST_F(Drawing, RefusesWhatCannotBeDrawn) {
  TemporaryFolder folder;
  FilmOptions options;
  options.out = folder / "a.png";
  options.width = options.height = 32;
  std::vector<std::vector<double>> frames = fall(2);
  frames[1][2] = std::numeric_limits<double>::quiet_NaN();
  expect_parts(error_of([&] { draw_film(model_.get(), frames, options); }, Status::kFailed), {"frame 1", "not finite"});
  expect_parts(error_of([&] { draw_film(model_.get(), {}, options); }, Status::kFailed), {"without a frame"});
  expect_parts(error_of([&] { draw_film(model_.get(), {{1, 2}}, options); }, Status::kFailed), {"2 positions", "7"});
  EXPECT_TRUE(folder.names().empty());
}

TEST(Film, OptionsOutOfRangeAreRefused) {
  const auto message = [](const char* out, int width, int height, double fps) {
    FilmOptions options;
    options.out = out;
    options.width = width, options.height = height, options.fps = fps;
    return error_of([&] { check_film(options); });
  };
  expect_parts(message("a.jpeg", 64, 64, 30), {"--out a.jpeg", ".png, .gif or .mp4"});
  expect_parts(message("a.gif", 15, 64, 30), {"--width 15", "16 to 4096"});
  expect_parts(message("a.gif", 64, 4097, 30), {"--height 4097", "16 to 4096"});
  expect_parts(message("a.gif", 64, 64, 0), {"--fps 0", "1 to 100"});
  expect_parts(message("a.gif", 64, 64, std::numeric_limits<double>::quiet_NaN()), {"--fps nan", "1 to 100"});
}

}  // namespace
}  // namespace stampede
