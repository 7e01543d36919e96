/// \file What a policy saw, out of an evaluation's trace, and how it is drawn.
#include "host/app/session/motion.hpp"

#include <gtest/gtest.h>

#include "host/task/settings_io.hpp"

namespace stampede {
namespace {

/// A pendulum whose policy sees two pictures side by side, 2 x 8 pixels each.
PlannedTask pictures() {
  SettingsSources sources;
  sources.set = {"task=pendulum-pixels",  "pixels.height=2",     "pixels.width=8",
                 "network.channels=[16]", "network.kernels=[2]", "network.strides=[1]"};
  return plan_task(resolve_settings(sources));
}

/// Three control steps of one episode, which ends after two.
Evaluation evaluation_of(const EvaluationRequest& request) {
  std::vector<float> seen, state;
  for (int step = 0; step < 3; ++step) {
    for (int i = 0; i < 32; ++i) seen.push_back(i < 16 ? 0.9f : 0.01f * static_cast<float>(20 * step + i - 16));
    state.insert(state.end(), static_cast<std::size_t>(request.task->states), 0.1f);
  }
  Evaluation evaluation;
  evaluation.trace = {make_tensor("active", {3, 1}, std::vector<float>{1, 1, 0}),
                      make_tensor("observation", {3, 1, 32}, seen),
                      make_tensor("state", {3, 1, request.task->states}, state)};
  return evaluation;
}

TEST(Motion, ShowsTheNewestPictureOfEachFrame) {
  const PlannedTask task = pictures();
  const EvaluationRequest request = film_request(task, 1);
  const Motion motion = motion_of(task, request, evaluation_of(request), 1, 1 / task.spec->control_dt);
  ASSERT_EQ(motion.seen.frames.size(), 2u) << "until the episode's end";
  EXPECT_EQ(motion.sketches.size(), 2u);
  EXPECT_EQ(motion.seen.width, 8);
  EXPECT_EQ(motion.seen.height, 2);
  for (int step = 0; step < 2; ++step) {
    for (int i = 0; i < 16; ++i) {
      EXPECT_EQ(motion.seen.frames[static_cast<std::size_t>(step)][static_cast<std::size_t>(i)],
                0.01f * static_cast<float>(20 * step + i));
    }
  }
}

TEST(Motion, ShowsNoPicturesWithoutACamera) {
  SettingsSources sources;
  sources.set = {"task=pendulum"};
  const PlannedTask task = plan_task(resolve_settings(sources));
  const EvaluationRequest request = film_request(task, 1);
  EXPECT_FALSE(motion_of(task, request, evaluation_of(request), 1, 20).seen.present());
}

TEST(SeenPictures, AreDrawnLargeWithinTheirRange) {
  SeenPictures depth;
  depth.width = 2, depth.height = 1;
  depth.black = 2, depth.white = 0;
  depth.frames = {{0.0f, 1.0f}, {5.0f, -5.0f}};
  EXPECT_EQ(depth.drawn_width(30), 60);
  const Image near = depth.draw(0, 30), out = depth.draw(1, 30);
  ASSERT_EQ(near.width, 60);
  ASSERT_EQ(near.height, 30);
  EXPECT_EQ(near.pixel(0, 0)[0], 255) << "what is near is bright";
  EXPECT_EQ(near.pixel(29, 29)[0], 255);
  EXPECT_EQ(near.pixel(30, 0)[2], 128);
  EXPECT_EQ(out.pixel(0, 0)[0], 0);
  EXPECT_EQ(out.pixel(59, 0)[0], 255);
}

}  // namespace
}  // namespace stampede
