#include "host/app/draw/image_io.hpp"

#include <gif_lib.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <map>

#include "host/app/draw/palette.hpp"
#include "host/base/files.hpp"
#include "tests/host/app/read_png.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::read_png;
using test::TemporaryFolder;
using Colour = std::array<std::uint8_t, 3>;

/// A blue square of 8 x 8 on a ground that gets redder to the right, its left upper corner at (x, 4).
Image square_at(int x) {
  Image image(48, 20);
  for (int v = 0; v < image.height; ++v) {
    for (int u = 0; u < image.width; ++u) {
      std::uint8_t* rgb = image.pixel(u, v);
      const bool inside = u >= x && u < x + 8 && v >= 4 && v < 12;
      rgb[0] = static_cast<std::uint8_t>(inside ? 10 : 5 * u);
      rgb[1] = static_cast<std::uint8_t>(inside ? 20 : 120);
      rgb[2] = inside ? 240 : 60;
    }
  }
  return image;
}

int difference(const std::uint8_t* a, const std::uint8_t* b) {
  int largest = 0;
  for (int c = 0; c < 3; ++c) largest = std::max(largest, std::abs(a[c] - b[c]));
  return largest;
}

/// What a viewer shows of a GIF: each frame's whole picture, and for how long [1/100 s].
struct Shown {
  std::vector<Image> frames;
  std::vector<int> delays;
  bool loops = false;
};

Shown read_gif(const std::filesystem::path& path) {
  Shown shown;
  int error = 0;
  GifFileType* file = DGifOpenFileName(path.c_str(), &error);
  if (file == nullptr || DGifSlurp(file) == GIF_ERROR) {
    ADD_FAILURE() << path << ": not a GIF";
    return shown;
  }
  Image screen(file->SWidth, file->SHeight);
  for (int i = 0; i < file->ImageCount; ++i) {
    const SavedImage& saved = file->SavedImages[i];
    for (int e = 0; e < saved.ExtensionBlockCount; ++e) {
      const ExtensionBlock& block = saved.ExtensionBlocks[e];
      shown.loops |= std::string(reinterpret_cast<const char*>(block.Bytes), static_cast<std::size_t>(block.ByteCount))
                         .starts_with("NETSCAPE2.0");
    }
    GraphicsControlBlock control{};
    DGifSavedExtensionToGCB(file, i, &control);
    shown.delays.push_back(control.DelayTime);
    const GifImageDesc& at = saved.ImageDesc;
    for (int v = 0; v < at.Height; ++v) {
      for (int u = 0; u < at.Width; ++u) {
        const int index = saved.RasterBits[v * at.Width + u];
        if (index == control.TransparentColor) continue;
        const GifColorType& colour = file->SColorMap->Colors[index];
        std::uint8_t* rgb = screen.pixel(at.Left + u, at.Top + v);
        rgb[0] = colour.Red, rgb[1] = colour.Green, rgb[2] = colour.Blue;
      }
    }
    shown.frames.push_back(screen);
  }
  DGifCloseFile(file, &error);
  return shown;
}

TEST(Png, GivesThePixelsBack) {
  const Image image = square_at(20);
  const Image read = read_png(to_png(image));
  EXPECT_EQ(read.width, image.width);
  EXPECT_EQ(read.height, image.height);
  EXPECT_EQ(read.rgb, image.rgb);
}

TEST(SideBySide, PutsEachInItsPlace) {
  const Image a = square_at(3), b = square_at(30);
  const Image strip = side_by_side({a, b, a});
  ASSERT_EQ(strip.width, 3 * a.width);
  ASSERT_EQ(strip.height, a.height);
  for (int v = 0; v < a.height; ++v) {
    for (int u = 0; u < a.width; ++u) {
      ASSERT_EQ(difference(strip.pixel(u, v), a.pixel(u, v)), 0);
      ASSERT_EQ(difference(strip.pixel(a.width + u, v), b.pixel(u, v)), 0);
      ASSERT_EQ(difference(strip.pixel(2 * a.width + u, v), a.pixel(u, v)), 0);
    }
  }
}

TEST(Palette, KeepsFewColoursAsTheyAre) {
  const std::vector<Colour> colours = {{0, 0, 0}, {255, 255, 255}, {200, 30, 30}, {30, 200, 40}, {20, 20, 220}};
  Image image(100, 100);
  for (int v = 0; v < 100; ++v) {
    for (int u = 0; u < 100; ++u) {
      // The last two have a single pixel each.
      const std::size_t k = v == 50 && u == 3 ? 3 : v == 99 && u == 99 ? 4 : static_cast<std::size_t>((u / 10) % 3);
      std::copy(colours[k].begin(), colours[k].end(), image.pixel(u, v));
    }
  }
  Palette palette({image});
  EXPECT_EQ(palette.colours().size(), colours.size());
  for (const Colour& colour : colours) EXPECT_EQ(palette.colours()[palette.nearest(colour.data())], colour);
}

TEST(Palette, IsNearEverywhereWhereColoursAreMany) {
  Image image(256, 64);
  for (int v = 0; v < 64; ++v) {
    for (int u = 0; u < 256; ++u) {
      std::uint8_t* rgb = image.pixel(u, v);
      rgb[0] = static_cast<std::uint8_t>(u), rgb[1] = static_cast<std::uint8_t>(255 - u);
      rgb[2] = static_cast<std::uint8_t>(4 * v);
    }
  }
  Palette palette({image});
  EXPECT_LE(palette.colours().size(), 255u);
  // 255 patches of a plane of 256 x 256: sides of 16, and cells of the histogram of 4.
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    const Colour& near = palette.colours()[palette.nearest(&image.rgb[i])];
    ASSERT_LE(difference(near.data(), &image.rgb[i]), 24) << i;
  }
}

TEST(Gif, ShowsTheFramesThatWereAdded) {
  TemporaryFolder folder;
  std::vector<Image> frames;
  for (int i = 0; i < 12; ++i) frames.push_back(square_at(i < 6 ? 3 * i : 15));  // the second half stands still
  const auto film = make_gif(folder / "a.gif", {frames.front(), frames.back()}, 30);
  for (const Image& frame : frames) film->add(frame);
  EXPECT_TRUE(folder.names().empty()) << "a film that is not finished is not there";
  film->finish();
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.gif"});

  const Shown shown = read_gif(folder / "a.gif");
  EXPECT_TRUE(shown.loops);
  ASSERT_EQ(shown.frames.size(), frames.size());
  int total = 0;
  for (const int delay : shown.delays) total += delay;
  EXPECT_EQ(total, 40);  // 12 frames at 30 a second
  for (std::size_t i = 0; i < frames.size(); ++i) {
    ASSERT_EQ(shown.frames[i].rgb.size(), frames[i].rgb.size());
    for (std::size_t p = 0; p < frames[i].rgb.size(); p += 3) {
      ASSERT_LE(difference(&shown.frames[i].rgb[p], &frames[i].rgb[p]), 6) << "frame " << i << ", byte " << p;
      // No flicker: where a pixel did not change, neither does what is shown of it.
      if (i > 0 && difference(&frames[i].rgb[p], &frames[i - 1].rgb[p]) == 0) {
        ASSERT_EQ(difference(&shown.frames[i].rgb[p], &shown.frames[i - 1].rgb[p]), 0) << "frame " << i;
      }
    }
  }
}

TEST(Gif, FramesOfAnotherSizeAreRefused) {
  TemporaryFolder folder;
  const auto film = make_gif(folder / "a.gif", {square_at(0)}, 30);
  expect_parts(error_of([&] { film->add(Image(10, 10)); }), {"of one size"});
  expect_parts(error_of([&] { make_gif(folder / "a.gif", {square_at(0)}, 200); }), {"200", "100"});
}

/// The environment's PATH, put back when the test ends.
class Path {
 public:
  explicit Path(const std::string& value) : before_(::getenv("PATH")) { ::setenv("PATH", value.c_str(), 1); }
  ~Path() { ::setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_;
};

bool has_ffmpeg() { return std::system("ffmpeg -version >/dev/null 2>&1") == 0; }

TEST(Mp4, HoldsTheFramesThatWereAdded) {
  if (!has_ffmpeg()) GTEST_SKIP() << "ffmpeg is not installed";
  TemporaryFolder folder;
  const auto film = make_mp4(folder / "a.mp4", 48, 20, 25);
  for (int i = 0; i < 10; ++i) film->add(square_at(3 * i));
  film->finish();
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.mp4"});
  // Read back by ffmpeg too, as raw frames.
  const std::string command = "ffmpeg -nostdin -loglevel error -i '" + (folder / "a.mp4").string() +
                              "' -f rawvideo -pix_fmt rgb24 '" + (folder / "a.rgb").string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::string raw = read_file(folder / "a.rgb");
  const std::size_t frame = 3 * 48 * 20;
  ASSERT_EQ(raw.size(), 10 * frame);
  for (int i = 0; i < 10; ++i) {
    const auto* rgb = reinterpret_cast<const std::uint8_t*>(raw.data()) + static_cast<std::size_t>(i) * frame;
    const std::size_t middle = 3 * (8 * 48 + static_cast<std::size_t>(3 * i) + 4);
    EXPECT_GT(rgb[middle + 2], 150) << "the square is blue in frame " << i;
    EXPECT_LT(rgb[middle + 1], 90) << "the square is not green in frame " << i;
  }
}

TEST(Mp4, OddSizesGetOneMoreRowAndColumn) {
  if (!has_ffmpeg()) GTEST_SKIP() << "ffmpeg is not installed";
  TemporaryFolder folder;
  const auto film = make_mp4(folder / "a.mp4", 49, 21, 25);
  film->add(Image(49, 21));
  film->finish();
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.mp4"});
}

TEST(Mp4, LeavesNothingBehindWhereItIsNotFinished) {
  if (!has_ffmpeg()) GTEST_SKIP() << "ffmpeg is not installed";
  TemporaryFolder folder;
  { make_mp4(folder / "a.mp4", 48, 20, 25)->add(square_at(0)); }
  EXPECT_TRUE(folder.names().empty());
}

TEST(Mp4, SaysWhatIsMissing) {
  TemporaryFolder folder;
  const Path path(folder.path().string());
  expect_parts(error_of([&] { make_mp4(folder / "a.mp4", 48, 20, 25); }), {"ffmpeg", "PATH", "install", ".gif"});
}

TEST(Mp4, SaysWhyItCannotBeWritten) {
  if (!has_ffmpeg()) GTEST_SKIP() << "ffmpeg is not installed";
  TemporaryFolder folder;
  const auto write = [&] {
    const auto film = make_mp4(folder / "absent" / "a.mp4", 48, 20, 25);
    film->add(square_at(0));
    film->finish();
  };
  expect_parts(error_of(write), {"absent", "No such file", "another folder"});
}

}  // namespace
}  // namespace stampede
