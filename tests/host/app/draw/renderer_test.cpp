/// \file What is drawn, where, and from where: pictures by MuJoCo's projection, views by the geometry of a frustum.
#include "host/app/draw/renderer.hpp"

#include <cmath>
#include <random>
#include <set>

#include "kernels/math.hpp"
#include "tests/host/app/draw/drawing.hpp"

namespace stampede {
namespace {

using test::compile_text;
using test::find_differences;
using test::find_red;
using test::Spot;

class Rendering : public test::Drawing {
 protected:
  /// A view along y, x to the right and z up.
  static View along_y(double distance) {
    View view;
    view.target = {0, 0, 1};
    view.distance = distance;
    view.azimuth = 90, view.elevation = 0;
    return view;
  }

  /// Where the model's numbers say that something is, and its picture.
  static void place(const mjModel* model, mjData* data, std::initializer_list<double> qpos) {
    std::copy(qpos.begin(), qpos.end(), data->qpos);
    mj_forward(model, data);
  }

  /// Pixels a unit of tangent.
  double focal(int height) const { return 0.5 * height / std::tan(0.5 * model_->vis.global.fovy * kPi / 180); }
};

TEST_F(Rendering, PutsASphereWhereItIs) {
  Renderer renderer(model_.get(), 160, 120);
  for (const double x : {0.0, 0.5, -0.4}) {
    for (const double z : {1.0, 1.3}) {
      data_->qpos[0] = x, data_->qpos[2] = z;
      mj_forward(model_.get(), data_.get());
      const Spot spot = find_red(renderer.frame(data_.get(), along_y(4)), 0, 160);
      EXPECT_LE(std::abs(spot.x() - (79.5 + focal(120) * x / 4)), 1.6) << x << ' ' << z;
      EXPECT_LE(std::abs(spot.y() - (59.5 - focal(120) * (z - 1) / 4)), 1.6) << x << ' ' << z;
      // As wide as its silhouette, r / sqrt(d^2 - r^2); its lower side is in its own shade.
      EXPECT_LE(std::abs(spot.width() - 2 * focal(120) * 0.2 / std::sqrt(16 - 0.04)), 3) << x << ' ' << z;
    }
  }
}

TEST_F(Rendering, GivesABareModelASkyAndAGround) {
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

TEST_F(Rendering, FramesWhatMoves) {
  for (const auto& [width, height] : {std::pair{160, 120}, {120, 160}, {200, 60}}) {
    Renderer renderer(model_.get(), width, height);
    for (const double at : {0.0, 30.0}) {
      data_->qpos[0] = at;
      mj_forward(model_.get(), data_.get());
      const Spot spot = find_red(renderer.frame(data_.get()), 0, width);
      EXPECT_LE(std::abs(spot.x() - 0.5 * (width - 1)), 0.1 * width) << width << ' ' << at;
      EXPECT_GE(std::max(spot.width() / width, spot.height() / height), 0.6) << width << ' ' << at;
      EXPECT_LE(std::max(spot.width() / width, spot.height() / height), 0.98) << width << ' ' << at;
    }
  }
}

TEST_F(Rendering, TheSameStateGivesTheSamePicture) {
  Renderer first(model_.get(), 96, 64);
  const Image picture = first.frame(data_.get());
  Renderer second(model_.get(), 96, 64);
  EXPECT_EQ(second.frame(data_.get()).rgb, picture.rgb);
  EXPECT_EQ(first.frame(data_.get()).rgb, picture.rgb) << "two renderers side by side";
}

TEST_F(Rendering, TheGroundStaysWhereItIs) {
  const int width = 200, height = 120;
  Renderer renderer(model_.get(), width, height);
  data_->qpos[0] = 50;  // out of the picture
  mj_forward(model_.get(), data_.get());
  const double pixel = 3 / focal(height);  // of the ground, seen from above [m]
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

TEST_F(Rendering, GroundOfHeightsAndBoxesHasAPatternToo) {
  const ModelHandle model = compile_text(R"(<mujoco>
    <asset><hfield name="h" nrow="2" ncol="2" size="8 8 1 0.1" elevation="0 0 0 0"/></asset>
    <worldbody>
      <geom type="hfield" hfield="h" rgba="0.5 0.58 0.5 1"/>
      <geom type="box" size="2 2 0.2" pos="0 4 0" rgba="0.6 0.55 0.5 1"/>
      <body name="ball" pos="0 0 1"><freejoint/><geom type="sphere" size="0.2" rgba="0.9 0.1 0.1 1"/></body>
    </worldbody>
  </mujoco>)");
  const DataHandle data(mj_makeData(model.get()));
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

TEST_F(Rendering, ARobotIsManyColoursInThePicturesSize) {
  const CompiledRobot go2 = load_robot("go2");
  const DataHandle data(mj_makeData(go2.model.get()));
  mj_resetDataKeyframe(go2.model.get(), data.get(), 0);
  mj_forward(go2.model.get(), data.get());
  for (const auto& [width, height] : {std::pair{96, 64}, {33, 50}}) {
    const Image image = Renderer(go2.model.get(), width, height).frame(data.get());
    EXPECT_EQ(image.width, width);
    EXPECT_EQ(image.height, height);
    ASSERT_EQ(image.rgb.size(), 3u * static_cast<std::size_t>(width * height));
    std::set<std::array<std::uint8_t, 3>> colours;
    for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
      colours.insert({image.rgb[i], image.rgb[i + 1], image.rgb[i + 2]});
    }
    EXPECT_GT(colours.size(), 100u);
  }
}

TEST_F(Rendering, WhatMovesChangesThePixelsThatItLeavesAndEnters) {
  // Without a ground nothing casts a shadow on anything; the second ball stays.
  const ModelHandle model = compile_text(R"(<mujoco><worldbody>
    <body pos="0 0 1"><freejoint/><geom type="sphere" size="0.2" rgba="0.9 0.1 0.1 1"/></body>
    <body pos="-1 0 1"><freejoint/><geom type="sphere" size="0.2" rgba="0.1 0.1 0.9 1"/></body>
  </worldbody></mujoco>)");
  const DataHandle data(mj_makeData(model.get()));
  Renderer renderer(model.get(), 160, 120);
  place(model.get(), data.get(), {0, 0, 1, 1, 0, 0, 0, -1, 0, 1, 1, 0, 0, 0});
  const Image before = renderer.frame(data.get(), along_y(4));
  place(model.get(), data.get(), {0.8, 0, 1.4, 1, 0, 0, 0, -1, 0, 1, 1, 0, 0, 0});
  const Image after = renderer.frame(data.get(), along_y(4));
  int wrong = 0, changed = 0;
  for (int y = 0; y < 120; ++y) {
    for (int x = 0; x < 160; ++x) {
      // How far inside the outline of either place of the ball the pixel's ray is: a share of the ball's radius.
      const double right = 4 * (x + 0.5 - 80) / focal(120), up = 4 * (60 - y - 0.5) / focal(120);
      double nearest = 10;
      for (const auto& [ball_x, ball_z] : {std::pair{0.0, 0.0}, {0.8, 0.4}}) {
        const double dot = 16 + right * ball_x + up * ball_z, ray = 16 + right * right + up * up;
        const double square = 16 + ball_x * ball_x + ball_z * ball_z - dot * dot / ray;
        nearest = std::min(nearest, std::sqrt(std::max(0.0, square)) / 0.2);
      }
      const bool differs = !std::equal(before.pixel(x, y), before.pixel(x, y) + 3, after.pixel(x, y));
      changed += differs;
      wrong += nearest < 0.85 ? !differs : nearest > 1.15 ? differs : 0;
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(changed, 200);
}

TEST_F(Rendering, OnesOwnSkyAndGroundAreKept) {
  const ModelHandle model = compile_text(R"(<mujoco>
    <asset>
      <texture name="sky" type="skybox" builtin="flat" rgb1="0.9 0.1 0.1" width="16" height="16"/>
      <material name="grass" rgba="0.1 0.8 0.1 1"/>
    </asset>
    <worldbody>
      <geom type="plane" size="0 0 1" material="grass"/>
      <body pos="0 0 1"><freejoint/><geom type="sphere" size="0.2" rgba="0.1 0.1 0.9 1"/></body>
    </worldbody></mujoco>)");
  const DataHandle data(mj_makeData(model.get()));
  mj_forward(model.get(), data.get());
  Renderer renderer(model.get(), 160, 120);
  const Image image = renderer.frame(data.get(), along_y(4));
  const std::uint8_t *sky = image.pixel(80, 2), *ground = image.pixel(10, 117);
  EXPECT_GT(sky[0], 4 * sky[1]);
  EXPECT_GT(sky[0], 4 * sky[2]);
  EXPECT_GT(ground[1], 2 * ground[0]);
  EXPECT_GT(ground[1], 2 * ground[2]);
}

/// A base with a shape of each sort of visibility; all of them at their body's origin but the box.
std::string shapes(const std::string& ball) {
  return R"(<mujoco><worldbody>
    <geom type="plane" size="0 0 1"/>
    <body pos="1 2 3"><freejoint/>
      <geom type="sphere" size="0.2" )" +
         ball + R"(/>
      <geom type="box" size="1 2 2" pos="0.5 0 0" group="3"/>
      <geom type="sphere" size="0.4" rgba="1 1 1 0"/>
    </body>
    <body pos="9 9 9"><geom type="sphere" size="0.7"/></body>
  </worldbody></mujoco>)";
}

TEST_F(Rendering, BallsAreAboutWhatIsDrawnOfWhatMoves) {
  const auto balls_of = [](const std::string& xml) {
    const ModelHandle model = compile_text(xml);
    const DataHandle data(mj_makeData(model.get()));
    mj_forward(model.get(), data.get());
    return Renderer(model.get(), 16, 16).balls(data.get());
  };
  // Groups from 3 on are hidden, and so is what is transparent.
  std::vector<Ball> balls = balls_of(shapes(""));
  ASSERT_EQ(balls.size(), 1u);
  EXPECT_EQ(balls[0].centre, (std::array<double, 3>{1, 2, 3}));
  EXPECT_EQ(balls[0].radius, 0.2);
  // Where that leaves nothing, all groups are shown.
  balls = balls_of(shapes("group='3'"));
  ASSERT_EQ(balls.size(), 2u);
  EXPECT_EQ(balls[1].centre, (std::array<double, 3>{1.5, 2, 3}));
  EXPECT_NEAR(balls[1].radius, 3, 1e-12) << "half the diagonal of a box of 2 x 4 x 4";
  // Nothing at all: something to look at nevertheless.
  balls = balls_of(R"(<mujoco><worldbody><body pos="1 2 3"><freejoint/><inertial pos="0 0 0" mass="1"
    diaginertia="1 1 1"/></body></worldbody></mujoco>)");
  ASSERT_EQ(balls.size(), 1u);
  EXPECT_GT(balls[0].radius, 0);
}

TEST_F(Rendering, AViewHoldsAllBallsWhole) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (const auto& [width, height] : {std::pair{160, 90}, {40, 200}}) {
    const Renderer renderer(model_.get(), width, height);
    for (int scene = 0; scene < 50; ++scene) {
      std::vector<Ball> balls(5);
      for (Ball& ball : balls) {
        ball = {{3 * uniform(generator), uniform(generator), 10 + 2 * uniform(generator)},
                0.4 + 0.3 * uniform(generator)};
      }
      const View view = renderer.fit(balls, 180 * uniform(generator), 80 * uniform(generator));
      // The camera's axes, from MuJoCo's convention; each ball's distance from the four sides of what the camera sees.
      const double a = view.azimuth * kPi / 180, e = view.elevation * kPi / 180;
      const double forward[3] = {std::cos(e) * std::cos(a), std::cos(e) * std::sin(a), std::sin(e)};
      const double right[3] = {std::sin(a), -std::cos(a), 0};
      const double up[3] = {-std::sin(e) * std::cos(a), -std::sin(e) * std::sin(a), std::cos(e)};
      const double tall = std::tan(0.5 * model_->vis.global.fovy * kPi / 180), wide = tall * width / height;
      double closest = 1e30;
      for (const Ball& ball : balls) {
        double depth = view.distance, x = 0, y = 0;
        for (std::size_t k = 0; k < 3; ++k) {
          const double offset = ball.centre[k] - view.target[k];
          depth += offset * forward[k], x += offset * right[k], y += offset * up[k];
        }
        const double sideways = (depth * wide - std::abs(x)) / std::hypot(1, wide);
        const double upwards = (depth * tall - std::abs(y)) / std::hypot(1, tall);
        closest = std::min(closest, std::min(sideways, upwards) - ball.radius);
      }
      EXPECT_GE(closest, 0) << scene;
      EXPECT_LE(closest, 0.35 * renderer.reach(view)) << scene << ": more room than it needs";
    }
  }
}

TEST_F(Rendering, ReachIsFromTheMiddleToTheFartherEdge) {
  const double radius = 0.2, distance = 4;
  {
    Renderer wide(model_.get(), 160, 120);
    place(model_.get(), data_.get(), {wide.reach(along_y(distance)), 0, 1, 1, 0, 0, 0});
    const Spot half = find_red(wide.frame(data_.get(), along_y(distance)), 0, 160);
    EXPECT_EQ(half.right, 159);
    EXPECT_NEAR(half.width(), focal(120) * radius / distance, 2) << "half of the ball is in the picture";
  }
  Renderer tall(model_.get(), 60, 120);
  place(model_.get(), data_.get(), {0, 0, 1 + tall.reach(along_y(distance)), 1, 0, 0, 0});
  const Spot half = find_red(tall.frame(data_.get(), along_y(distance)), 0, 60);
  EXPECT_EQ(half.top, 0);
  EXPECT_NEAR(half.x(), 29.5, 1.5);
  EXPECT_GE(half.count, 10);
}

}  // namespace
}  // namespace stampede
