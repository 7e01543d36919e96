/// \file Pictures of rods against the same formula in plain doubles, and against the area that a disc covers.

#include "kernels/pixels.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

/// A pixel's brightness in double.
double expected(const PixelView& view, const float* rods, int count, int line, int column) {
  const double size = 2 * static_cast<double>(view.half_width) / view.width;
  const double x = (column + 0.5 - 0.5 * view.width) * size, y = (0.5 * view.height - line - 0.5) * size;
  double grey = 0;
  for (int i = 0; i < count; ++i, rods += kRodNumbers) {
    const double ax = static_cast<double>(rods[0]), ay = static_cast<double>(rods[1]);
    const double dx = static_cast<double>(rods[2]) - ax, dy = static_cast<double>(rods[3]) - ay;
    const double square = dx * dx + dy * dy;
    const double share = square > 0 ? std::clamp(((x - ax) * dx + (y - ay) * dy) / square, 0.0, 1.0) : 0.0;
    const double distance = std::hypot(x - ax - share * dx, y - ay - share * dy);
    const double covered = std::clamp((static_cast<double>(rods[4]) - distance) / size + 0.5, 0.0, 1.0);
    grey += covered * (static_cast<double>(rods[5]) - grey);
  }
  return grey;
}

TEST(Pixels, AgainstTheFormulaInDouble) {
  for (const PixelView view :
       {PixelView{16, 16, 1.2f}, PixelView{24, 48, 2.4f}, PixelView{4, 20, 0.5f}, PixelView{80, 3, 0.7f}}) {
    SCOPED_TRACE(std::to_string(view.height) + " x " + std::to_string(view.width));
    const Index pixels = static_cast<Index>(view.height) * view.width, environments = 5;
    const int count = 3;
    auto rods = random_floats(environments * count * kRodNumbers, -1, 1, 3);
    for (Index i = 0; i < environments * count; ++i) {
      rods[i * kRodNumbers + 4] = 0.1f + 0.1f * static_cast<float>(i % 3);
      rods[i * kRodNumbers + 5] = i % 2 == 0 ? kGroundGrey : kMovingGrey;
      if (i % 4 == 0) {  // a disc
        rods[i * kRodNumbers + 2] = rods[i * kRodNumbers];
        rods[i * kRodNumbers + 3] = rods[i * kRodNumbers + 1];
      }
    }
    rods[4] = -1e6f;  // one that is not there
    std::vector<float> scalar;
    for_each_width([&]<class Real>() {
      auto picture = floats(environments * pixels, -1.0f);
      run<Real>(environments * pixels, DrawPixels{view, rods.data(), count, picture.data()});
      Worst worst;
      for (Index e = 0; e < environments; ++e) {
        for (int line = 0; line < view.height; ++line) {
          for (int column = 0; column < view.width; ++column) {
            worst.take(static_cast<double>(picture[e * pixels + line * view.width + column]),
                       expected(view, &rods[e * count * kRodNumbers], count, line, column), 1.0);
          }
        }
      }
      EXPECT_LE(worst.error, 2e-5);
      if (scalar.empty()) scalar = picture;
      expect_as_scalar(picture, scalar, environments * pixels, 2e-5, 1.0);
    });
  }
}

/// The brightness of all pixels together is the disc's area.
TEST(Pixels, ADiscCoversItsArea) {
  const PixelView view{64, 64, 1.0f};
  const float disc[kRodNumbers] = {0.13f, -0.21f, 0.13f, -0.21f, 0.5f, 1.0f};
  auto picture = floats(64 * 64);
  run<Widest>(64 * 64, DrawPixels{view, disc, 1, picture.data()});
  double sum = 0;
  for (const float grey : picture) sum += static_cast<double>(grey);
  EXPECT_NEAR(sum * static_cast<double>(view.size() * view.size()), 3.14159 * 0.25, 0.003);
  EXPECT_GT(picture[39 * 64 + 36], 0.99f) << "its middle is below and to the right of the picture's";
  EXPECT_EQ(picture[0], 0.0f);
}

}  // namespace
}  // namespace stampede::testing
