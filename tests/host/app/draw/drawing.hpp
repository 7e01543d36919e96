#pragma once
/// \file A red ball to draw, and where it is in a picture.

#include <gtest/gtest.h>
#include <mujoco/mujoco.h>

#include <vector>

#include "host/app/draw/gl_context.hpp"
#include "tests/host/app/read_png.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede::test {

/// A red ball above the ground, of a model that brings neither light nor sky nor a ground of colours. Skips where nothing
/// can draw.
class Drawing : public testing::Test {
 protected:
  void SetUp() override {
    try {
      GlContext::make();
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
    model_ = compile_text(R"(<mujoco>
      <worldbody>
        <geom type="plane" size="0 0 1"/>
        <body name="ball" pos="0 0 1"><freejoint/><geom type="sphere" size="0.2" rgba="0.9 0.1 0.1 1"/></body>
      </worldbody>
    </mujoco>)");
    data_ = DataHandle(mj_makeData(model_.get()));
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

  ModelHandle model_;
  DataHandle data_;
};

/// The red pixels of the columns from `from` to before `to`.
inline Spot find_red(const Image& image, int from, int to) {
  return find_pixels(image, [&](int x, int y) {
    const std::uint8_t* rgb = image.pixel(x, y);
    return x >= from && x < to && rgb[0] > 60 && rgb[0] > 2 * rgb[1] && rgb[0] > 2 * rgb[2];
  });
}

}  // namespace stampede::test
