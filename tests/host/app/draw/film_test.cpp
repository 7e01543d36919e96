#include "host/app/draw/film.hpp"

#include <cairo/cairo.h>
#include <gif_lib.h>
#include <gtest/gtest.h>
#include <mujoco/mujoco.h>

#include <cmath>
#include <limits>
#include <memory>

#include "host/app/draw/gl_context.hpp"
#include "host/app/draw/renderer.hpp"
#include "host/base/files.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

/// A red ball above the ground, of a model that brings neither light nor sky nor a ground of colours.
constexpr const char* kBall = R"(<mujoco>
  <worldbody>
    <geom type="plane" size="0 0 1"/>
    <body name="ball" pos="0 0 1"><freejoint/><geom type="sphere" size="0.2" rgba="0.9 0.1 0.1 1"/></body>
  </worldbody>
</mujoco>)";

struct Delete {
  void operator()(mjModel* model) const { mj_deleteModel(model); }
  void operator()(mjData* data) const { mj_deleteData(data); }
};
using Model = std::unique_ptr<mjModel, Delete>;
using Data = std::unique_ptr<mjData, Delete>;

Model compile(const char* xml) {
  char error[500] = "";
  mjSpec* spec = mj_parseXMLString(xml, nullptr, error, sizeof error);
  EXPECT_NE(spec, nullptr) << error;
  Model model(mj_compile(spec, nullptr));
  mj_deleteSpec(spec);
  return model;
}

class Drawing : public testing::Test {
 protected:
  void SetUp() override {
    try {
      GlContext::make();
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
    model_ = compile(kBall);
    data_ = Data(mj_makeData(model_.get()));
    mj_forward(model_.get(), data_.get());
  }

  /// The ball's fall, `count` frames at 30 a second, by MuJoCo.
  std::vector<std::vector<double>> fall(int count) {
    std::vector<std::vector<double>> frames;
    for (int i = 0; i < count; ++i) {
      while (data_->time < i / 30.0) mj_step(model_.get(), data_.get());
      frames.emplace_back(data_->qpos, data_->qpos + model_->nq);
    }
    return frames;
  }

  Model model_;
  Data data_;
};

bool red(const std::uint8_t* rgb) { return rgb[0] > 60 && rgb[0] > 2 * rgb[1] && rgb[0] > 2 * rgb[2]; }

/// Pixels that are red, and the middle of the rectangle about them.
struct Spot {
  int count = 0;
  double x = 0, y = 0, width = 0, height = 0;
};

Spot find_red(const Image& image, int from, int to) {
  int left = to, right = from, top = image.height, bottom = 0;
  Spot spot;
  for (int y = 0; y < image.height; ++y) {
    for (int x = from; x < to; ++x) {
      if (!red(image.pixel(x, y))) continue;
      ++spot.count;
      left = std::min(left, x), right = std::max(right, x);
      top = std::min(top, y), bottom = std::max(bottom, y);
    }
  }
  spot.x = 0.5 * (left + right), spot.y = 0.5 * (top + bottom);
  spot.width = right - left + 1, spot.height = bottom - top + 1;
  return spot;
}

TEST_F(Drawing, PutsASphereWhereItIs) {
  Renderer renderer(model_.get(), 160, 120);
  View view;
  view.target = {0, 0, 1};
  view.distance = 4;
  view.azimuth = 90;  // along y: x to the right
  view.elevation = 0;
  const double fovy = model_->vis.global.fovy * 3.14159265358979 / 180;
  const double focal = 0.5 * 120 / std::tan(0.5 * fovy);  // [pixels]
  for (const double x : {0.0, 0.5, -0.4}) {
    for (const double z : {1.0, 1.3}) {
      data_->qpos[0] = x, data_->qpos[2] = z;
      mj_forward(model_.get(), data_.get());
      const Spot spot = find_red(renderer.frame(data_.get(), view), 0, 160);
      EXPECT_LE(std::abs(spot.x - (79.5 + focal * x / 4)), 1.6) << x << ' ' << z;
      EXPECT_LE(std::abs(spot.y - (59.5 - focal * (z - 1) / 4)), 1.6) << x << ' ' << z;
      // As wide as its silhouette, r / sqrt(d^2 - r^2); its lower side is in its own shade.
      EXPECT_LE(std::abs(spot.width - 2 * focal * 0.2 / std::sqrt(16 - 0.04)), 3) << x << ' ' << z;
    }
  }
}

TEST_F(Drawing, GivesABareModelASkyAndAGround) {
  Renderer renderer(model_.get(), 160, 120);
  View view;
  view.target = {0, 0, 1};
  view.distance = 6;
  const Image image = renderer.frame(data_.get(), view);
  const std::uint8_t* sky = image.pixel(5, 2);
  EXPECT_GT(sky[2], 150) << "a sky of light blue";
  EXPECT_GE(sky[2], sky[0]);
  int low = 255, high = 0;  // a ground of two greys
  for (int y = 90; y < 120; ++y) {
    for (int x = 0; x < 50; ++x) {  // beside the ball and its shadow
      low = std::min<int>(low, image.pixel(x, y)[1]), high = std::max<int>(high, image.pixel(x, y)[1]);
    }
  }
  EXPECT_GT(low, 20);
  EXPECT_GT(high - low, 10);
}

TEST_F(Drawing, FramesWhatMoves) {
  for (const auto& [width, height] : {std::pair{160, 120}, {120, 160}, {200, 60}}) {
    Renderer renderer(model_.get(), width, height);
    for (const double at : {0.0, 30.0}) {
      data_->qpos[0] = at;
      mj_forward(model_.get(), data_.get());
      const Spot spot = find_red(renderer.frame(data_.get()), 0, width);
      EXPECT_LE(std::abs(spot.x - 0.5 * (width - 1)), 0.1 * width) << width << ' ' << at;
      EXPECT_GE(std::max(spot.width / width, spot.height / height), 0.6) << width << ' ' << at;
      EXPECT_LE(std::max(spot.width / width, spot.height / height), 0.98) << width << ' ' << at;
    }
  }
}

TEST_F(Drawing, TheSameStateGivesTheSamePicture) {
  Renderer first(model_.get(), 96, 64);
  const Image picture = first.frame(data_.get());
  Renderer second(model_.get(), 96, 64);
  EXPECT_EQ(second.frame(data_.get()).rgb, picture.rgb);
  EXPECT_EQ(first.frame(data_.get()).rgb, picture.rgb) << "two renderers side by side";
}

TEST_F(Drawing, AStripShowsTheFall) {
  TemporaryFolder folder;
  FilmOptions options;
  options.out = folder / "a.png";
  options.width = 96, options.height = 128;
  EXPECT_EQ(draw_film(model_.get(), fall(60), options), kStripMoments);
  cairo_surface_t* read = cairo_image_surface_create_from_png(options.out.c_str());
  ASSERT_EQ(cairo_surface_status(read), CAIRO_STATUS_SUCCESS);
  ASSERT_EQ(cairo_image_surface_get_width(read), kStripMoments * 96);
  ASSERT_EQ(cairo_image_surface_get_height(read), 128);
  Image strip(kStripMoments * 96, 128);
  for (int y = 0; y < strip.height; ++y) {
    const auto* row = reinterpret_cast<const std::uint32_t*>(cairo_image_surface_get_data(read) +
                                                             y * cairo_image_surface_get_stride(read));
    for (int x = 0; x < strip.width; ++x) {
      for (int c = 0; c < 3; ++c) strip.pixel(x, y)[c] = static_cast<std::uint8_t>(row[x] >> (16 - 8 * c));
    }
  }
  cairo_surface_destroy(read);
  // The ball is in each moment; it falls from the first to the third and then lies.
  std::vector<Spot> spots;
  for (int m = 0; m < kStripMoments; ++m) {
    spots.push_back(find_red(strip, 96 * m, 96 * (m + 1)));
    EXPECT_GT(spots.back().count, 50) << m;
  }
  EXPECT_LT(spots[0].y + 5, spots[1].y);
  EXPECT_LT(spots[1].y + 5, spots[2].y);
  EXPECT_LE(std::abs(spots[4].y - spots[5].y), 2);
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
      EXPECT_LE(std::abs(spot.x - 47.5), 10) << way;
      EXPECT_LE(std::abs(spot.y - 31.5), 8) << way;
      EXPECT_GE(std::max(spot.width / 96, spot.height / 64), 0.5) << way;
      left = std::min(left, spot.x), right = std::max(right, spot.x);
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

TEST_F(Drawing, TheGroundStaysWhereItIs) {
  const int width = 200, height = 120;
  Renderer renderer(model_.get(), width, height);
  data_->qpos[0] = 50;  // out of the picture
  mj_forward(model_.get(), data_.get());
  const double fovy = model_->vis.global.fovy * 3.14159265358979 / 180;
  const double pixel = 3 / (0.5 * height / std::tan(0.5 * fovy));  // of the ground, seen from above [m]
  View view;
  view.azimuth = 90, view.elevation = -90;  // x to the right
  view.distance = 3;
  const Image from = renderer.frame(data_.get(), view);
  for (const int shift : {7, 25, 40, 90}) {
    for (const double more : {0.0, 4.0, 24.0}) {  // whole patterns further, where MuJoCo's plane has moved along
      view.target = {more + shift * pixel, 0, 0};
      const Image to = renderer.frame(data_.get(), view);
      double sum = 0;
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x + shift < width; ++x) sum += std::abs(to.pixel(x, y)[1] - from.pixel(x + shift, y)[1]);
      }
      EXPECT_LE(sum / height / (width - shift), 3) << shift << ' ' << more;
    }
  }
}

TEST_F(Drawing, GroundOfHeightsAndBoxesHasAPatternToo) {
  const Model model = compile(R"(<mujoco>
    <asset><hfield name="h" nrow="2" ncol="2" size="8 8 1 0.1" elevation="0 0 0 0"/></asset>
    <worldbody>
      <geom type="hfield" hfield="h" rgba="0.5 0.58 0.5 1"/>
      <geom type="box" size="2 2 0.2" pos="0 4 0" rgba="0.6 0.55 0.5 1"/>
      <body name="ball" pos="0 0 1"><freejoint/><geom type="sphere" size="0.2" rgba="0.9 0.1 0.1 1"/></body>
    </worldbody>
  </mujoco>)");
  const Data data(mj_makeData(model.get()));
  data->qpos[0] = 50;
  mj_forward(model.get(), data.get());
  Renderer renderer(model.get(), 160, 120);
  View view;
  view.elevation = -90;
  for (const double y : {-4.0, 4.0}) {
    view.target = {0, y, 0};
    const Image image = renderer.frame(data.get(), view);
    int edges = 0;  // along the picture's middle
    for (int x = 1; x < 160; ++x) edges += std::abs(image.pixel(x, 60)[1] - image.pixel(x - 1, 60)[1]) > 8;
    EXPECT_GE(edges, 4) << y;
    EXPECT_LE(edges, 60) << y;
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
